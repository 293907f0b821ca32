"""A shard of a stage: a file that is either complete or absent, and the receipt that signs it.

A shard is written under a temporary name in its folder, flushed, renamed, and then signed by a receipt
(``00000.json`` beside ``00000.h5``) that holds the fingerprint of what it was computed from and the SHA-256
of what was written. It counts as done if its receipt names the inputs that it would be computed from today
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
    """Fingerprint of everything that determines the content."""
    items: int
    """Videos in the shard, for progress reports."""
    task: Any
    """Passed to the computation in another process: plain, picklable values."""
    made_with: dict[str, Any] = field(default_factory=dict)
    """Kept in the receipt, so that a lost description of the stage can be restored."""


@dataclass(frozen=True)
class Receipt:
    """What is known of a finished shard."""

    inputs: str
    sha256: str
    bytes: int
    modified_ns: int
    summary: Summary
    made_with: dict[str, Any] = field(default_factory=dict)
    """Options and origin of the stage, and the shard's own additions; empty in receipts of older versions."""


def publish(folder: Path, shard: Shard, compute: Compute) -> tuple[str, Receipt]:
    """Compute one shard under a temporary name, rename it and sign it; returns its name and receipt.

    The content is flushed to disk before the rename, and the rename precedes the signature. A crash of the
    machine may lose the name and keep the receipt, or the other way round; both are detected.
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
    """Where a long computation may keep the finished part of a shard, and the file that signs it.

    They survive a kill and are removed when the shard is signed.
    """
    return folder / f"{name}.part", folder / f"{name}.part.json"


def remove_progress(folder: Path, name: str) -> None:
    for path in progress_paths(folder, name):
        path.unlink(missing_ok=True)


def write_receipt(folder: Path, name: str, receipt: Receipt) -> None:
    write_sealed(receipt_path(folder, name), asdict(receipt))


def read_receipt(folder: Path, name: str) -> Receipt | None:
    """The receipt of a shard, if there is one.

    For a damaged or edited receipt, returns an empty one, which makes its shard stale. Raises OSError if the
    system does not allow reading it, which says nothing about the shard.
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

    The content is read back only if size or modification time differ from what was signed, so a run with
    nothing to do costs one ``stat`` per shard.
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
    # For example, copied to another disk. Signed again, so that it is not read back every time.
    with contextlib.suppress(FameError):
        again = dataclasses.replace(receipt, modified_ns=status.st_mtime_ns)
        write_receipt(folder, shard.name, again)
    return True


def damage_of(folder: Path, name: str) -> str:
    """What is wrong with a shard, or nothing; reads all of it.

    Raises OSError if the system does not allow reading it: the shard may be intact.
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
    """Remove half-written files of killed processes: those of some shards, or all with None.

    Files of other shards may be in use right now. A shard belongs to one slice, whose lock we hold; holding
    the lock of the whole folder means that nobody else is at work.
    """
    names = {shard.name for shard in shards or ()}
    for path in folder.glob(f".*{UNFINISHED}"):
        if shards is None or path.name[1:].split(".")[0] in names:
            path.unlink(missing_ok=True)


def remove_orphans(folder: Path, shards: Sequence[Shard]) -> None:
    """Remove shards past the end of the work, left from a longer manifest; all others are done.

    Also removes saved parts of shards, which are left over if a kill came right after the signature.
    """
    for path in (*folder.glob("[0-9]*.part"), *folder.glob("[0-9]*.part.json")):
        path.unlink(missing_ok=True)
    wanted = {shard.name for shard in shards}
    for path in folder.glob(f"[0-9]*{SUFFIX}"):
        if path.stem not in wanted:
            receipt_path(folder, path.stem).unlink(missing_ok=True)
            path.unlink()
