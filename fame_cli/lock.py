"""Locks on a folder: one process works on all of it, or several on one slice each.

A process that works on a whole folder holds ``.lock`` exclusively. Processes with slices share it, and each
holds the lock of its slice. The operating system releases the locks of a process that dies.
"""

import contextlib
import errno
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from fame_cli.disk import translate_os_errors
from fame_cli.errors import FameError

Slice = tuple[int, int]
"""(i, n): the i-th of n, counted from 1."""
WHOLE: Slice = (1, 1)

WITHOUT_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EBADF)
"""Errors of file systems without locks; the last one concerns only folders (NFS)."""

ATTEMPTS = 10
PAUSE_SECONDS = 0.05
"""``holders``, which only looks, may hold a lock for an instant."""


OPEN: set[IO[str]] = set()
"""Open lock files of this process."""


@contextlib.contextmanager
def locked(folder: Path, part: Slice = WHOLE) -> Iterator[None]:
    """Hold a folder, or a slice of it, for this process.

    Raises FameError, naming the holder, if another process is in the way. For the whole folder, that is
    anyone; for a slice, it is the same slice, a process with the whole folder, or slices with another n. All
    slices in progress therefore have the same n, and no two processes ever compute the same shard.
    """
    with contextlib.ExitStack() as stack:
        exclusive = part == WHOLE
        file = stack.enter_context(lock_file(folder / ".lock"))
        if not hold(file, exclusive):
            raise occupied_error(folder)
        if not exclusive:
            file = stack.enter_context(lock_file(folder / slice_lock(part)))
            if not hold(file, exclusive=True):
                raise occupied_error(folder, part)
        file.truncate(0)
        file.write(f"{os.getpid()} on {socket.gethostname()}")
        file.flush()
        # Checked after taking our own: if two start at the same time, at least one sees the other.
        if not exclusive and any(other[1] != part[1] for other in slices_held(folder)):
            raise occupied_error(folder)
        yield


@contextlib.contextmanager
def lock_file(path: Path) -> Iterator[IO[str]]:
    with translate_os_errors(path):
        file = path.open("a+")
    with file:
        OPEN.add(file)
        try:
            yield file
        finally:
            OPEN.discard(file)


def leave_locks_to_the_parent() -> None:
    """Close inherited lock files: a forked data loader would keep the locks of a killed parent held."""
    for file in OPEN:
        file.close()
    OPEN.clear()


os.register_at_fork(after_in_child=leave_locks_to_the_parent)


def slice_lock(part: Slice) -> str:
    return f".lock-{part[0]}-of-{part[1]}"


def hold(file: IO[str] | int, exclusive: bool, attempts: int = ATTEMPTS) -> bool:
    """Lock an open file or folder until it is closed; returns whether that succeeded."""
    for attempt in range(attempts):
        try:
            fcntl.flock(file, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if attempt < attempts - 1:
                time.sleep(PAUSE_SECONDS)
        except OSError as error:
            # Some cluster file systems have no locks. Files are still written atomically there, but two
            # processes on the same work do not notice each other.
            if error.errno in WITHOUT_LOCKS:
                return True
            raise
    return False


def occupied_error(folder: Path, part: Slice = WHOLE) -> FameError:
    who = ", ".join(holders(folder)) or "another process"
    what = f"slice {part[0]}/{part[1]} of {folder}" if part != WHOLE else str(folder)
    return FameError(
        f"{what} is being worked on by {who}.",
        "Wait until it has finished, then run the command again: finished work is not repeated.",
    )


def holders(folder: Path) -> tuple[str, ...]:
    """Descriptions of the processes that work on a folder."""
    if who := holder(folder / ".lock"):
        return (who,)
    return tuple(
        f"{who} (slice {part[0]}/{part[1]})"
        for part in slices_held(folder)
        if (who := holder(folder / slice_lock(part)))
    )


def slices_held(folder: Path) -> list[Slice]:
    parts = []
    for path in sorted(folder.glob(".lock-*-of-*")):
        if holder(path):
            number, _, count = path.name.removeprefix(".lock-").partition("-of-")
            parts.append((int(number), int(count)))
    return parts


def holder(path: Path) -> str:
    """Description of the process that holds a file's lock exclusively, or nothing."""
    try:
        with path.open() as file:
            if hold(file, exclusive=False, attempts=1):
                return ""
            return f"process {file.read().strip() or '(unknown)'}"
    except (FileNotFoundError, PermissionError):
        return ""
