"""The disk where WORK lies: room, rights, and whether it keeps two processes apart."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fame_cli.disk import SPARE_BYTES, disk_error
from fame_cli.doctor.finding import Finding, judge
from fame_cli.lock import WITHOUT_LOCKS

GIB = 1 << 30
ENOUGH_ROOM = 10 * GIB
"""About 1,000 videos of ten seconds at short side 128."""


def look_at_place(folder: Path) -> Iterator[Finding]:
    """``folder``, or what there is of the way to it."""
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.is_dir())
    free = shutil.disk_usage(there).free
    yield judge(
        "disk",
        f"{free / GIB:.1f} GiB free in {there}",
        "Make room: 25 GB take the frames of all UCF101; a lower --short-side-px or --max-fps takes less.",
        wrong=free < ENOUGH_ROOM,
        state="problem" if free < SPARE_BYTES else "warning",
    )
    try:
        with tempfile.NamedTemporaryFile(prefix=".fame-doctor-", dir=there) as file:
            file.write(b"0")
            file.flush()
            os.fsync(file.fileno())
            yield look_at_locks(Path(file.name))
    except OSError as error:
        yield Finding("locks", "problem", disk_error(error, there).message, "Choose a folder that is yours.")


def look_at_locks(path: Path) -> Finding:
    """Whether a second process would be told that the first is at work."""
    advice = "Run one command at a time on a WORK or RUN: nothing tells a second one of the first."
    try:
        with path.open() as first, path.open() as second:
            fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return Finding("locks", "ok", f"kept in {path.parent}")
    except OSError as error:
        if error.errno not in WITHOUT_LOCKS:
            raise
        return Finding("locks", "warning", f"{path.parent} has none", advice)
    return Finding("locks", "warning", f"{path.parent} takes them and does not keep them", advice)
