"""A stage is a set of shards computed once: the one mechanism behind extraction, statistics and features.

A shard is a fixed slice of the work. It is written under a temporary name in its folder, flushed, renamed,
and then signed by a receipt (``00000.json`` beside ``00000.h5``) that holds the fingerprint of what it was
computed from and the SHA-256 of what was written. A shard counts as done when its receipt names the inputs
that it would be computed from today and the file is the one that was signed; everything else is made again.
So a killed stage goes on where it stopped, a warm one does nothing, and adding videos redoes no finished
slice.
"""

import contextlib
import dataclasses
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fame_cli.config import fingerprint
from fame_cli.disk import disk_error, flush, sha256_of, write_json
from fame_cli.errors import ArtefactError, ConfigurationError, FameError

SCHEMA_VERSION = 1
SUFFIX = ".h5"

Summary = dict[str, Any]
Compute = Callable[[Path, Any], Summary]
Progress = Callable[[int, int], None]
"""Called with the items done and the items in all."""


@dataclass(frozen=True)
class Shard:
    """A slice of a stage's work: its name, what it is computed from, and what the computation needs."""

    name: str
    inputs: str
    """Fingerprint of everything that decides the content."""
    items: int
    """Videos in the shard, for the progress."""
    task: Any
    """Handed to the computation, in another process: plain, picklable values."""


@dataclass(frozen=True)
class Receipt:
    """What is known of a finished shard."""

    inputs: str
    sha256: str
    bytes: int
    modified_ns: int
    summary: Summary


@dataclass(frozen=True)
class Description:
    """What ``stage.json`` says of a stage."""

    kind: str
    configuration: dict[str, Any]
    parent: str
    """Fingerprint of what the stage was computed from, as a whole."""
    versions: dict[str, str]
    complete: bool = False
    content: str = ""
    """Fingerprint of all that the finished stage holds."""
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class Report:
    """What a run of a stage did."""

    folder: Path
    made: int
    kept: int
    remade: tuple[str, ...]
    """Shards that were there but damaged or out of date."""
    summaries: tuple[Summary, ...]
    """Of all shards in order, made now or before."""
    seconds: float


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
    jobs: int = 1,
    progress: Progress | None = None,
    after_crash: Callable[[Any], Any] | None = None,
    versions: Mapping[str, str] | None = None,
    in_process: bool = False,
) -> Report:
    """Compute every shard that is not done, and nothing else.

    ``compute(path, task)`` writes one shard to ``path`` and returns its summary of plain values. It runs in
    ``jobs`` worker processes, or in this one with ``in_process``. Where a worker process dies, the shards it
    had begun are computed again with ``after_crash(task)``: the same work with each input by itself.
    """
    started = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        remove_leftovers(folder)
        pending, remade = [], []
        for shard in shards:
            if (receipt := read_receipt(folder, shard.name)) is None or not is_whole(folder, shard, receipt):
                pending.append(shard)
                if receipt is not None:
                    remade.append(shard.name)
        description = Description(kind, dict(configuration), parent, dict(versions or {}))
        if pending or not is_complete(folder, parent):
            write_description(folder, description)
            finished = published(folder, pending, compute, jobs, after_crash, in_process)
            count(progress, shards, pending, finished)
            remove_orphans(folder, shards)
        receipts = [receipt for shard in shards if (receipt := read_receipt(folder, shard.name))]
        if pending or not is_complete(folder, parent):
            content = fingerprint([receipt.sha256 for receipt in receipts])
            write_description(folder, dataclasses.replace(description, complete=True, content=content))
    return Report(
        folder=folder,
        made=len(pending),
        kept=len(shards) - len(pending),
        remade=tuple(remade),
        summaries=tuple(receipt.summary for receipt in receipts),
        seconds=time.monotonic() - started,
    )


def count(
    progress: Progress | None, shards: Sequence[Shard], pending: Sequence[Shard], finished: Iterable[str]
) -> None:
    """Draw the finished shards out of the workers, telling ``progress`` of each."""
    items = {shard.name: shard.items for shard in pending}
    total = sum(shard.items for shard in shards)
    done = total - sum(items.values())
    if progress:
        progress(done, total)
    for name in finished:
        done += items[name]
        if progress:
            progress(done, total)


def published(
    folder: Path,
    pending: Sequence[Shard],
    compute: Compute,
    jobs: int,
    after_crash: Callable[[Any], Any] | None,
    in_process: bool,
) -> Iterator[str]:
    """Publish the pending shards, yielding the name of each, past the crash of any worker."""
    if in_process:
        yield from (publish(folder, shard, compute) for shard in pending)
        return
    from joblib.externals.loky.process_executor import BrokenProcessPool

    left = {shard.name: shard for shard in pending}
    while left:
        try:
            for name in in_workers([(folder, shard, compute) for shard in left.values()], jobs):
                del left[name]
                yield name
        except BrokenProcessPool as error:
            begun = [left[name] for name in remove_leftovers(folder) if name in left]
            done = [name for name, shard in left.items() if is_done(folder, shard)]
            if after_crash is None or not (begun or done):
                raise FameError(
                    f"a worker process died while computing {folder}.",
                    "Finished shards are kept: run the command again, with fewer --jobs if memory ran out.",
                ) from error
            for name in done:
                del left[name]
                yield name
            for shard in begun:
                if shard.name in left:
                    careful = Shard(shard.name, shard.inputs, shard.items, after_crash(shard.task))
                    yield publish(folder, careful, compute)
                    del left[shard.name]


def in_workers(calls: Sequence[tuple[Path, Shard, Compute]], jobs: int) -> Iterator[str]:
    if jobs == 1:
        # joblib would run a single job in this process, where a decoder's crash would end everything.
        from joblib.externals.loky import ProcessPoolExecutor

        with ProcessPoolExecutor(max_workers=1) as executor:
            for call in calls:
                yield executor.submit(publish, *call).result()
        return
    import joblib

    parallel = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)
    yield from parallel(joblib.delayed(publish)(*call) for call in calls)


def publish(folder: Path, shard: Shard, compute: Compute) -> str:
    """Compute one shard beside its place, sign it and move it there; returns its name."""
    beside = folder / f".{shard.name}{SUFFIX}.{os.getpid()}.tmp"
    try:
        beside.touch()
        summary = compute(beside, shard.task)
        sha256 = flush(beside)
        target = shard_path(folder, shard.name)
        os.replace(beside, target)
        status = target.stat()
        receipt = Receipt(shard.inputs, sha256, status.st_size, status.st_mtime_ns, summary)
        write_json(receipt_path(folder, shard.name), asdict(receipt))
    except OSError as error:
        raise disk_error(error, folder) from error
    finally:
        beside.unlink(missing_ok=True)
    return shard.name


def shard_path(folder: Path, name: str) -> Path:
    return folder / f"{name}{SUFFIX}"


def receipt_path(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"


def read_receipt(folder: Path, name: str) -> Receipt | None:
    try:
        return Receipt(**json.loads(receipt_path(folder, name).read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        # A receipt that cannot be read signs nothing; an empty one makes its shard stale.
        return Receipt("", "", -1, -1, {})


def is_done(folder: Path, shard: Shard) -> bool:
    receipt = read_receipt(folder, shard.name)
    return receipt is not None and is_whole(folder, shard, receipt)


def is_whole(folder: Path, shard: Shard, receipt: Receipt) -> bool:
    """Whether the shard on disk is the signed one, and signed for today's inputs.

    The content is read back only where size or modification time differ from what was signed, so a warm
    run costs one ``stat`` a shard.
    """
    if receipt.inputs != shard.inputs:
        return False
    path = shard_path(folder, shard.name)
    try:
        status = path.stat()
    except FileNotFoundError:
        return False
    if status.st_size != receipt.bytes:
        return False
    return status.st_mtime_ns == receipt.modified_ns or sha256_of(path) == receipt.sha256


def remove_leftovers(folder: Path) -> list[str]:
    """Remove what a killed process left half-written; returns the names of those shards."""
    leftovers = sorted(folder.glob(".*.tmp"))
    for path in leftovers:
        path.unlink(missing_ok=True)
    return [path.name[1:].split(".")[0] for path in leftovers]


def remove_orphans(folder: Path, shards: Sequence[Shard]) -> None:
    """Remove shards past the end of the work, left from a longer manifest."""
    wanted = {shard.name for shard in shards}
    for path in folder.glob(f"[0-9]*{SUFFIX}"):
        if path.stem not in wanted:
            receipt_path(folder, path.stem).unlink(missing_ok=True)
            path.unlink()


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder for this process; a second process is told so instead of working on the same shards."""
    with (folder / ".lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise FameError(
                f"{folder} is being worked on by process {file.read().strip() or '(unknown)'}.",
                "Wait until it is done, then run the command again: what is finished is not done twice.",
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def write_description(folder: Path, description: Description) -> None:
    write_json(folder / "stage.json", asdict(description))


def read_description(folder: Path) -> Description:
    """The ``stage.json`` of a stage; raises ArtefactError where there is none or it cannot be read."""
    try:
        values = json.loads((folder / "stage.json").read_text())
        version = values["schema_version"]
        if version == SCHEMA_VERSION:
            return Description(**values)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtefactError(
            f"{folder} holds no readable stage.json ({error}).", "Run the stage's command again to repair it."
        ) from error
    raise ArtefactError(
        f"{folder} was written with schema version {version}, this version reads {SCHEMA_VERSION}.",
        "Run the stage's command again with this version: it makes a new folder.",
    )


def is_complete(folder: Path, parent: str | None = None) -> bool:
    """Whether a stage is finished, and finished for today's parent where one is given."""
    try:
        description = read_description(folder)
    except ArtefactError:
        return False
    return description.complete and parent in (None, description.parent)


def choose(parent: Path, wanted: str | None, option: str, command: str) -> Path:
    """The stage folder to read: the one named, or the only one there is.

    Raises ArtefactError where none is finished, ConfigurationError where several are and none is named.
    """
    if wanted is not None:
        folder = parent / wanted
        if not folder.is_dir():
            have = ", ".join(path.name for path in sorted(parent.glob("*-*"))) or "nothing"
            raise ConfigurationError(f"{option} {wanted}: {parent} has no such folder; it has {have}.")
        if not is_complete(folder):
            raise ArtefactError(f"{folder} is not finished.", f"Run {command} with its options to finish it.")
        return folder
    finished = [path for path in sorted(parent.glob("*-*")) if is_complete(path)]
    if not finished:
        begun = any(parent.glob("*-*"))
        raise ArtefactError(
            f"{parent} {'is not finished' if begun else 'does not exist yet'}.", f"Run {command} first."
        )
    if len(finished) > 1:
        raise ConfigurationError(
            f"{parent} holds several results: {', '.join(path.name for path in finished)}.",
            f"Name the one to use: {option} {finished[0].name}",
        )
    return finished[0]
