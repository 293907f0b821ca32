"""A shard of a stage: a file that is there whole or not at all, and the receipt that signs it.

A shard is written under a temporary name in its folder, flushed, renamed, and then signed by a receipt
(``00000.json`` beside ``00000.h5``) that holds the fingerprint of what it was computed from and the SHA-256
of what was written. It counts as done when its receipt names the inputs that it would be computed from today
and the file is the one that was signed.
"""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fame_cli.disk import UNFINISHED, flush, sha256_of, temporary_path, translate_os_errors
from fame_cli.errors import FameError
from fame_cli.sealed import read_sealed, write_sealed

SUFFIX = ".h5"

Summary = dict[str, Any]
Compute = Callable[[Path, Any], Summary]


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
    made_with: dict[str, Any] = field(default_factory=dict)
    """Kept in the receipt, so that what the stage says of itself can be told again where it is lost."""


@dataclass(frozen=True)
class Receipt:
    """What is known of a finished shard."""

    inputs: str
    sha256: str
    bytes: int
    modified_ns: int
    summary: Summary
    made_with: dict[str, Any] = field(default_factory=dict)
    """Options and origin of the stage, and what its shard was given; none in receipts of older versions."""


def publish(folder: Path, shard: Shard, compute: Compute) -> tuple[str, Receipt]:
    """Compute one shard beside its place, move it there and sign it; returns its name and receipt.

    Its content is on disk before it gets its name, and it has its name before it is signed. A crash of the
    machine may lose the name and keep the receipt, or the other way round: either is noticed.
    """
    target = shard_path(folder, shard.name)
    beside = temporary_path(target)
    with translate_os_errors(folder):
        try:
            beside.touch()
            summary = compute(beside, shard.task)
            sha256, status = flush(beside), beside.stat()
            os.replace(beside, target)
        finally:
            beside.unlink(missing_ok=True)
    receipt = Receipt(shard.inputs, sha256, status.st_size, status.st_mtime_ns, summary, shard.made_with)
    write_receipt(folder, shard.name, receipt)
    remove_progress(folder, shard.name)
    return shard.name, receipt


def shard_path(folder: Path, name: str) -> Path:
    return folder / f"{name}{SUFFIX}"


def receipt_path(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"


def progress_paths(folder: Path, name: str) -> tuple[Path, Path]:
    """Where a computation that takes long may keep what is done of a shard, and what signs that.

    They outlast a kill, and go when the shard is signed.
    """
    return folder / f"{name}.part", folder / f"{name}.part.json"


def remove_progress(folder: Path, name: str) -> None:
    for path in progress_paths(folder, name):
        path.unlink(missing_ok=True)


def write_receipt(folder: Path, name: str, receipt: Receipt) -> None:
    write_sealed(receipt_path(folder, name), asdict(receipt))


def read_receipt(folder: Path, name: str) -> Receipt | None:
    """The receipt of a shard, if there is one.

    One that is damaged or was changed since signs nothing: an empty one makes its shard stale. Raises OSError
    where the system does not let us read it, which says nothing of the shard.
    """
    try:
        return Receipt(**read_sealed(f"{folder}/{name}.json"))  # half the cost of a Path
    except FileNotFoundError:
        return None
    except (IsADirectoryError, ValueError, TypeError):
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
    if status.st_mtime_ns == receipt.modified_ns:
        return True
    if sha256_of(path) != receipt.sha256:
        return False
    # Copied to another disk, say. Signed anew, so that it is not read again each time.
    with contextlib.suppress(FameError):
        again = dataclasses.replace(receipt, modified_ns=status.st_mtime_ns)
        write_receipt(folder, shard.name, again)
    return True


def damage_of(folder: Path, name: str) -> str:
    """What is wrong with a shard, or nothing; reads all of it.

    Raises OSError where the system does not let us read it: it may be whole.
    """
    receipt, path = read_receipt(folder, name), shard_path(folder, name)
    if receipt is None:
        return "has no receipt" if path.exists() else "is missing"
    if receipt.bytes < 0:
        return "has a receipt that cannot be read"
    try:
        size = path.stat().st_size
        if size != receipt.bytes:
            return f"has {size} bytes where {receipt.bytes} were written"
        return "" if sha256_of(path) == receipt.sha256 else "does not hold the bytes that were written"
    except FileNotFoundError:
        return "is missing"
    except IsADirectoryError:
        return "is a folder"


def remove_leftovers(folder: Path, shards: Sequence[Shard] | None) -> None:
    """Remove what killed processes left half-written: of some shards, or of everyone with None.

    That of others may be theirs at this very moment. A shard has one slice, and its lock is ours; the lock of
    the whole folder says that nobody else is at work at all.
    """
    names = {shard.name for shard in shards or ()}
    for path in folder.glob(f".*{UNFINISHED}"):
        if shards is None or path.name[1:].split(".")[0] in names:
            path.unlink(missing_ok=True)


def remove_orphans(folder: Path, shards: Sequence[Shard]) -> None:
    """Remove shards past the end of the work, left from a longer manifest; all others are done.

    With them goes what was kept of unfinished ones, and left where the kill came right after the signature.
    """
    for path in (*folder.glob("[0-9]*.part"), *folder.glob("[0-9]*.part.json")):
        path.unlink(missing_ok=True)
    wanted = {shard.name for shard in shards}
    for path in folder.glob(f"[0-9]*{SUFFIX}"):
        if path.stem not in wanted:
            receipt_path(folder, path.stem).unlink(missing_ok=True)
            path.unlink()
