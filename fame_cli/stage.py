"""A stage is a set of shards computed once: the one mechanism behind extraction, statistics and features.

A shard is a fixed slice of the work. It is done if it is the file that was signed (``shard.py``) for today's
inputs; everything else is made again. A killed stage therefore resumes where it stopped, a finished one does
nothing, and adding videos redoes no finished shard.

Every shard is computed in a child process, on this machine or on a cluster, so a crash affects no others.
"""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fame_cli.advice import stage_command
from fame_cli.child import ChildDiedError, Children
from fame_cli.config import fingerprint
from fame_cli.disk import require_space, translate_os_errors
from fame_cli.errors import DONE, ArtefactError, FameError
from fame_cli.lock import WHOLE
from fame_cli.lock import locked as locked
from fame_cli.sealed import read_sealed, write_sealed
from fame_cli.shard import (
    Compute,
    Receipt,
    Shard,
    Summary,
    is_whole,
    publish,
    read_receipt,
    remove_leftovers,
    remove_orphans,
    shard_path,
)
from fame_cli.workers import ONE_PROCESS as ONE_PROCESS
from fame_cli.workers import Workers as Workers
from fame_cli.workers import each_result

SCHEMA_VERSION = 1

Progress = Callable[[int, int], None]
"""Called with the number of items done and the total."""


@dataclass(frozen=True)
class Description:
    """The content of a stage's ``stage.json``."""

    kind: str
    configuration: dict[str, Any]
    parent: str
    """Fingerprint of everything that the stage was computed from."""
    versions: dict[str, str]
    complete: bool = False
    content: str = ""
    """Fingerprint of everything in the finished stage."""
    origin: dict[str, Any] = field(default_factory=dict)
    """What it was made from, as arguments of its command."""
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class Report:
    """What a run of a stage did."""

    folder: Path
    made: int
    kept: int
    remade: tuple[str, ...]
    """Shards that existed but were damaged or out of date."""
    summaries: tuple[Summary, ...]
    """Summaries of all shards in order, made now or earlier."""
    seconds: float


class SliceDoneError(FameError):
    """This slice is done but others are not, so the stage has no result yet."""

    exit_code = DONE


def stage_folder(parent: Path, name: str, configuration: Mapping[str, Any], above: str = "") -> Path:
    """The folder of a stage: its configuration and its parent's fingerprint are part of its name."""
    return parent / f"{name}-{fingerprint([SCHEMA_VERSION, dict(configuration), above])}"


def run(
    folder: Path,
    kind: str,
    configuration: Mapping[str, Any],
    shards: Sequence[Shard],
    compute: Compute,
    *,
    parent: str = "",
    workers: Workers = ONE_PROCESS,
    progress: Progress | None = None,
    after_crash: Callable[[Any], Any] | None = None,
    versions: Mapping[str, str] | None = None,
    origin: Mapping[str, Any] | None = None,
    in_process: bool = False,
) -> Report:
    """Compute every shard that is not done, and nothing else.

    ``compute(path, task)`` writes one shard to ``path`` and returns its summary of plain values. It runs in
    child processes, or in this one with ``in_process``. If a child dies, the shard is computed once more with
    ``after_crash(task)``: the same work with each input handled separately.

    For a slice, raises SliceDoneError until all slices are done; the process that finds all shards done marks
    ``stage.json`` complete. That file and each receipt record ``configuration`` and ``origin``, such as which
    videos were indexed and how.
    """
    started = time.monotonic()
    made_with = {"kind": kind, "configuration": dict(configuration), "origin": dict(origin or {})}
    with translate_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    mine = shards[workers.slice[0] - 1 :: workers.slice[1]]
    # Under the lock: clean up after killed processes, and find out what is left to do.
    with locked(folder, workers.slice):
        remove_leftovers(folder, mine if workers.slice != WHOLE else None)
        receipts, remade = find_finished(folder, mine)
        pending = [
            dataclasses.replace(shard, made_with=made_with | shard.made_with)
            for shard in mine
            if shard.name not in receipts
        ]
        description = Description(
            kind, dict(configuration), parent, dict(versions or {}), origin=dict(origin or {})
        )
        # Described as incomplete before the first shard changes, so that a kill leaves no false promise.
        if pending:
            write_description(folder, description)
        signed = publish_shards(folder, pending, compute, workers, after_crash, in_process)
        with contextlib.closing(signed):
            receipts |= count_splits(progress, mine, pending, signed)
        # Other slices may have finished theirs meanwhile; only a stage with all shards is complete.
        receipts |= find_finished(folder, [shard for shard in shards if shard.name not in receipts])[0]
        if left := len(shards) - len(receipts):
            raise slice_done(folder, workers, made=len(pending), left=left, total=len(shards))
        content = fingerprint([receipts[shard.name].sha256 for shard in shards])
        complete = dataclasses.replace(description, complete=True, content=content)
        if pending or not is_described(folder, complete):
            remove_orphans(folder, shards)
            write_description(folder, complete)
    return Report(
        folder=folder,
        made=len(pending),
        kept=len(mine) - len(pending),
        remade=tuple(remade),
        summaries=tuple(receipts[shard.name].summary for shard in shards),
        seconds=time.monotonic() - started,
    )


def slice_done(folder: Path, workers: Workers, made: int, left: int, total: int) -> SliceDoneError:
    number, count = workers.slice
    return SliceDoneError(
        f"Slice {number}/{count} is done ({made} shards made now). Of all {total} shards, {left} are left to "
        f"other slices: {folder} is not complete yet.",
        "Run the missing slices; the last one to finish completes it.",
    )


def find_finished(folder: Path, shards: Sequence[Shard]) -> tuple[dict[str, Receipt], list[str]]:
    """The receipts of the shards that are done, and the names of those that are damaged or out of date."""
    receipts, stale = {}, []
    for shard in shards:
        if (receipt := read_receipt(folder, shard.name)) is not None:
            if is_whole(folder, shard, receipt):
                receipts[shard.name] = receipt
            else:
                stale.append(shard.name)
    return receipts, stale


def count_splits(
    progress: Progress | None,
    shards: Sequence[Shard],
    pending: Sequence[Shard],
    signed: Iterable[tuple[str, Receipt]],
) -> dict[str, Receipt]:
    """Collect finished shards from the workers, reporting each to ``progress``."""
    items = {shard.name: shard.items for shard in pending}
    total = sum(shard.items for shard in shards)
    done = total - sum(items.values())
    receipts = {}
    if progress:
        progress(done, total)
    for name, receipt in signed:
        receipts[name] = receipt
        done += items[name]
        if progress:
            progress(done, total)
    return receipts


def publish_shards(
    folder: Path,
    pending: Sequence[Shard],
    compute: Compute,
    workers: Workers,
    after_crash: Callable[[Any], Any] | None,
    in_process: bool,
) -> Generator[tuple[str, Receipt], None, None]:
    """Publish the pending shards, in whatever order; yields the name and the receipt of each."""
    if in_process or not pending:
        yield from (publish(folder, shard, compute) for shard in pending)
        return
    place = folder.absolute()  # a cluster's workers have their own current folder
    with_care = after_crash or (lambda task: task)
    calls = (
        (place, shard, dataclasses.replace(shard, task=with_care(shard.task)), compute) for shard in pending
    )
    used = dataclasses.replace(workers, jobs=min(workers.jobs, len(pending)))
    for name, receipt in each_result(publish_in_child, calls, used):
        if not shard_path(folder, name).exists():
            raise FameError(
                f"{shard_path(folder, name)} was written on another machine and is not here.",
                "Choose an output folder that all machines of the cluster share.",
            )
        yield name, receipt


def publish_in_child(
    children: Children, folder: Path, shard: Shard, careful: Shard, compute: Compute
) -> tuple[str, Receipt]:
    """Publish a shard in a child process; if that dies, the careful shard in another."""
    try:
        return children.call(publish, folder, shard, compute)
    except ChildDiedError:
        remove_leftovers(folder, [shard])
    try:
        return children.call(publish, folder, careful, compute)
    except ChildDiedError as error:
        remove_leftovers(folder, [shard])
        with translate_os_errors(folder):
            require_space(shard_path(folder, shard.name), 0)
        raise FameError(
            f"a worker process died twice ({error}) while computing {shard_path(folder, shard.name)}.",
            "Finished shards are kept: run the command again, with fewer --jobs if memory ran out.",
        ) from error


def write_description(folder: Path, description: Description) -> None:
    write_sealed(folder / "stage.json", asdict(description))


def read_description(folder: Path) -> Description:
    """The ``stage.json`` of a stage; raises ArtefactError if it is missing or unreadable."""
    try:
        values = read_sealed(folder / "stage.json", seal_required=False)
        version = values["schema_version"]
        if version == SCHEMA_VERSION:
            return Description(**values)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtefactError(
            f"{folder} has no readable stage.json ({error}).",
            f"This rewrites it and keeps every complete shard: {command_of(folder)}",
        ) from error
    raise ArtefactError(
        f"{folder} was written with schema version {version}, this version reads {SCHEMA_VERSION}.",
        f"This version makes a new folder: {command_of(folder)}",
    )


def command_of(folder: Path) -> str:
    """The command that makes a stage, or advice if its options are lost or it is not part of WORK."""
    return stage_command(folder) or "rerun the command that made it."


def is_described(folder: Path, description: Description) -> bool:
    """Whether a stage's description is as expected, whatever versions computed it."""
    try:
        found = read_description(folder)
    except ArtefactError:
        return False
    return fingerprint(asdict(dataclasses.replace(found, versions=description.versions))) == fingerprint(
        asdict(description)
    )


def is_complete(folder: Path) -> bool:
    try:
        return read_description(folder).complete
    except ArtefactError:
        return False
