"""More videos than there are: the same ones under other names."""

import dataclasses
from pathlib import Path

from fame_cli import stage
from fame_cli.config import fingerprint
from fame_cli.data.manifest import VIDEOS_PER_SHARD, Manifest, read_manifest, write_manifest
from fame_cli.shard import read_receipt, receipt_path, shard_path


def linked_copies(videos: Path, folder: Path, count: int) -> None:
    """Link every file below ``videos`` ``count`` times into ``folder``, in the folders that it has."""
    for file in sorted(path for path in videos.rglob("*") if path.is_file()):
        for number in range(count):
            target = folder / file.relative_to(videos).parent / f"copy{number:03d}_{file.name}"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(file.resolve())


def linked_work(work: Path, folder: Path, count: int) -> None:
    """A WORK folder of ``count`` videos whose shards are links to those of ``work``, again and again.

    Each has a receipt of its own, and the stages tell what they would of as many real shards. The videos of
    ``work`` must fill its shards.
    """
    manifest = read_manifest(work)
    few = manifest.videos
    assert len(few) % VIDEOS_PER_SHARD == count % VIDEOS_PER_SHARD == 0
    names = [f"copy{number // len(few):06d}/{few[number % len(few)].id}" for number in range(count)]
    videos = tuple(
        dataclasses.replace(few[number % len(few)], id=name, path=name) for number, name in enumerate(names)
    )
    many = Manifest(manifest.root, manifest.source, videos)
    write_manifest(folder, many)
    parent = many.fingerprint
    for kind in ("frames", "statistics"):
        (source,) = (work / kind).glob("*-*")
        parent = link_stage(source, folder / kind / source.name, count // VIDEOS_PER_SHARD, parent)


def link_stage(source: Path, target: Path, shards: int, parent: str) -> str:
    """A stage of so many links; returns the fingerprint of its content."""
    target.mkdir(parents=True)
    names = [path.stem for path in sorted(source.glob("[0-9]*.h5"))]
    receipts = {name: receipt_path(source, name).read_bytes() for name in names}
    signed = {name: receipt.sha256 for name in names if (receipt := read_receipt(source, name))}
    for number in range(shards):
        name = names[number % len(names)]
        shard_path(target, f"{number:05d}").symlink_to(shard_path(source, name).resolve())
        receipt_path(target, f"{number:05d}").write_bytes(receipts[name])
    content = fingerprint([signed[names[number % len(names)]] for number in range(shards)])
    description = stage.read_description(source)
    stage.write_description(target, dataclasses.replace(description, parent=parent, content=content))
    return content
