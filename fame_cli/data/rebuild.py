"""Rebuilds the list of a WORK folder's videos from the receipts of its frames if ``manifest.csv`` is lost.

A video's place in the list determines the shard of its frames, and each receipt records the videos of its own
shard. Otherwise, videos added later would move to other places and all be decoded again.
"""

import dataclasses
import itertools
from pathlib import Path

from fame_cli.advice import stages
from fame_cli.data.manifest import VIDEOS_PER_SHARD, Manifest, Video, carry_over
from fame_cli.shard import Receipt, read_receipt


def carry_over_receipts(work: Path, fresh: Manifest) -> Manifest:
    """The freshly indexed videos of WORK, in the places they had when their frames were made."""
    for folder in stages(work, "frames"):
        receipts = {path.stem: read_receipt(folder, path.stem) for path in folder.glob("[0-9]*.json")}
        found = {name: rows for name, receipt in receipts.items() if receipt and (rows := videos_of(receipt))}
        if found:
            return carry_over(work, dataclasses.replace(fresh, videos=in_order(found, fresh)), fresh)
    return fresh


def videos_of(receipt: Receipt) -> list[Video]:
    """The videos of a frame shard and their outcomes; none for receipts of older versions."""
    known = zip(receipt.made_with.get("videos", []), receipt.summary.get("videos", []), strict=False)
    names = {field.name for field in dataclasses.fields(Video)}
    return [
        Video(
            id=name,
            path=path,
            bytes=size,
            modified_ns=modified_ns,
            **{key: value for key, value in outcome.items() if key in names},
        )
        for (name, path, size, modified_ns), outcome in known
    ]


def in_order(shards: dict[str, list[Video]], fresh: Manifest) -> tuple[Video, ...]:
    """The videos of all shards; a lost shard gets the videos that no other shard contains."""
    known = {video.id for videos in shards.values() for video in videos}
    missing = iter(sorted((video for video in fresh.videos if video.id not in known), key=lambda one: one.id))
    videos: list[Video] = []
    for number in range(int(max(shards)) + 1):
        videos += shards.get(f"{number:05d}") or itertools.islice(missing, VIDEOS_PER_SHARD)
    return tuple(videos)
