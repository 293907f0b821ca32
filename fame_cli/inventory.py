"""The state of a WORK folder: the progress of each stage, and whether its bytes are still as written.

``take_inventory`` only looks at names, sizes and receipts; ``find_damage`` reads every byte back.
"""

import contextlib
import functools
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from fame_cli import stage
from fame_cli.advice import DEFAULTS, as_words, options_of
from fame_cli.config import fingerprint
from fame_cli.data.manifest import Manifest, read_manifest, shard_slices
from fame_cli.errors import ArtefactError
from fame_cli.lock import holders, locked
from fame_cli.shard import damage_of, read_receipt, receipt_path, shard_path

MOST_THREADS = 64
"""Threads that read shards at a time; more would wait for the same disk."""


@dataclass(frozen=True)
class StageState:
    """The progress of a stage."""

    folder: Path
    kind: str
    description: stage.Description | None
    """None if ``stage.json`` cannot be read."""
    shards: int
    """Number of shards in the finished stage."""
    done: int
    missing: tuple[str, ...]
    damaged: tuple[str, ...]
    """Shards whose size differs from the signed one, or without a readable receipt."""
    videos: Mapping[str, int]
    """Videos of the finished shards by status, if the stage records it."""
    bytes: int
    changed: float | None
    """When the latest shard was finished, in seconds since 1970."""
    holders: tuple[str, ...]
    """Processes that work on it now."""

    @property
    def complete(self) -> bool:
        return self.description is not None and self.description.complete

    @property
    def options(self) -> list[str]:
        """Options that differ from the default, as on the command line."""
        return [str(word) for word in as_words(self.kind, options_of(self.folder))]


@dataclass(frozen=True)
class Inventory:
    """A WORK folder: its videos and its stages."""

    work: Path
    manifest: Manifest
    stages: tuple[StageState, ...]

    @property
    def shard_names(self) -> list[str]:
        return [name for name, _ in shard_slices(self.manifest.videos)]

    def video_counts(self) -> dict[str, Counter[str]]:
        """Number of videos by status, for each split."""
        counts: dict[str, Counter[str]] = {}
        for video in self.manifest.videos:
            counts.setdefault(video.split, Counter())[video.status] += 1
        return dict(sorted(counts.items()))

    def is_current(self, state: StageState) -> bool:
        """Whether a stage was computed from today's inputs."""
        parents = {self.manifest.fingerprint} if state.kind == "frames" else set(self.frame_stores)
        return state.description is not None and state.description.parent in parents

    @property
    def frame_stores(self) -> dict[str, str]:
        """The names of the frame stores by the fingerprint of their content."""
        described = ((state.folder, state.description) for state in self.stages if state.kind == "frames")
        return {description.content: folder.name for folder, description in described if description}

    def command(self, state: StageState) -> str:
        """The command that makes a stage's missing or damaged shards."""
        return stage.command_of(state.folder)


def take_inventory(work: Path) -> Inventory:
    """The progress of all stages of a WORK folder; raises ArtefactError if it is not one.

    No shard is opened, so 4,000 videos take a fraction of a second.
    """
    manifest = read_manifest(work)
    names = [name for name, _ in shard_slices(manifest.videos)]
    states = [look_at(folder, kind, names) for kind, folder in stage_folders(work)]
    return Inventory(work, manifest, tuple(states))


def stage_folders(work: Path) -> Iterator[tuple[str, Path]]:
    for kind in DEFAULTS:
        for folder in sorted((work / kind).glob("*-*")):
            if folder.is_dir():
                yield kind, folder


def look_at(folder: Path, kind: str, names: Sequence[str]) -> StageState:
    """The state of a stage, judged by names, sizes and receipts."""
    files = {}
    for entry in os.scandir(folder):
        with contextlib.suppress(FileNotFoundError):  # a running stage has renamed it meanwhile
            files[entry.name] = entry.stat()
    done, missing, damaged = 0, [], []
    videos: Counter[str] = Counter()
    times = []
    for name in names:
        file = files.get(shard_path(folder, name).name)
        receipt = read_receipt(folder, name)
        if file is None or receipt is None:
            missing.append(name)
        elif file.st_size != receipt.bytes:
            damaged.append(name)
        else:
            done += 1
            times.append(file.st_mtime)
            outcomes = receipt.summary.get("videos")
            videos.update(outcome["status"] for outcome in outcomes or () if kind == "frames")
    try:
        description = stage.read_description(folder)
    except ArtefactError:
        description = None
    return StageState(
        folder=folder,
        kind=kind,
        description=description,
        shards=len(names),
        done=done,
        missing=tuple(missing),
        damaged=tuple(damaged),
        videos=videos,
        bytes=sum(file.st_size for file in files.values()),
        changed=max(times, default=None),
        holders=holders(folder),
    )


def feature_shards(folder: Path) -> list[str]:
    """Names of the shards of a feature stage for which the shard or its receipt exists."""
    paths = [*folder.glob("videos-*.h5"), *folder.glob("videos-*.json")]
    return sorted({path.stem for path in paths})


def find_damage(
    folder: Path, names: Sequence[str], jobs: int, progress: stage.Progress | None = None
) -> dict[str, str]:
    """What is wrong with each shard of a stage that is not as written, by name."""
    found = {}
    with ThreadPoolExecutor(min(jobs, MOST_THREADS)) as threads:
        results = threads.map(functools.partial(damage_or_refusal, folder), names)
        for number, (name, what) in enumerate(zip(names, results, strict=True)):
            if what:
                found[name] = what
            if progress:
                progress(number + 1, len(names))
    return found


def mend_index(state: StageState, videos: int) -> str:
    """Rebuild the index of a complete, intact stage if it is wrong; returns what was wrong, or nothing.

    Raises FameError if it cannot be written, ArtefactError if a shard turns out to be damaged.
    """
    from fame_cli.data import shard_index

    if state.kind == "frames":
        from fame_cli.data.frames import JPEGS, outcomes_of

        return shard_index.mend_index(state.folder, videos, JPEGS, outcomes_of)
    from fame_cli.data.statistics import CLIPS, count_clips

    return shard_index.mend_index(state.folder, videos, CLIPS, count_clips)


def damage_or_refusal(folder: Path, name: str) -> str:
    """What is wrong with a shard, or what prevented reading it."""
    try:
        return damage_of(folder, name)
    except OSError as error:
        return f"cannot be read ({error.strerror}), so it is unknown whether it is intact"


def contradicts_its_shards(state: StageState, names: Sequence[str]) -> bool:
    """Whether ``stage.json`` describes other shards than the present ones, all of which are intact."""
    if state.description is None:
        return True
    receipts = (read_receipt(state.folder, name) for name in names)
    content = fingerprint([receipt.sha256 if receipt else "" for receipt in receipts])
    return state.complete and state.description.content != content


def withdraw(state: StageState, damaged: Sequence[str]) -> None:
    """Mark a stage as unfinished: remove the receipts of shards that are still damaged now.

    A damaged shard of the same size and time would look intact to the next run of the stage; without its
    receipt it is made again. Until then, readers of the stage report that it is not finished. A shard that
    cannot be read now may be intact and keeps its receipt.
    """
    with locked(state.folder):
        removed = 0
        for name in damaged:
            with contextlib.suppress(OSError):
                if damage_of(state.folder, name):
                    receipt_path(state.folder, name).unlink(missing_ok=True)
                    removed += 1
        if state.description is not None and (removed or not damaged):
            stage.write_description(state.folder, replace(state.description, complete=False))
