"""Resources that a machine has run out of: reported as such, never as a bug or as damage."""

import errno
import os
import re
import resource
from collections.abc import Sequence
from pathlib import Path

from fame_cli.disk import errno_of
from fame_cli.errors import FameError, MachineError

MEMORY = re.compile(
    r"out of memory|can't allocate memory|cannot allocate memory|std::bad_alloc|unable to allocate|"
    r"failed to map segment|not enough memory",
    re.IGNORECASE,
)
"""How torch, NumPy, Numba and the dynamic loader report that memory ran out."""

THREADS = re.compile(r"can't start new thread|resource temporarily unavailable", re.IGNORECASE)

SHARED_MEMORY = re.compile(r"shared memory|bus error", re.IGNORECASE)

SHARED_MEMORY_FOLDER = Path("/dev/shm")
"""Through which processes that load clips hand them over on Linux; elsewhere there is no such folder."""

KEPT = "Finished shards, checkpoints and results are kept"


def find_limit(error: Exception) -> FameError | None:
    """The limit of the machine that caused an error, or None."""
    text, number = str(error), getattr(error, "errno", None) or errno_of(error)
    where = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or "No space left on device" in text:
        what = {errno.EDQUOT: "the disk quota is used up", errno.EFBIG: "the file-size limit is reached"}
        return MachineError(
            f"{where}{what.get(number, 'the disk is full')}.",
            f"{KEPT}: free some space and run the same command again.",
        )
    if number in (errno.EMFILE, errno.ENFILE):
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return MachineError(
            f"{where}too many open files; this shell allows {most} per process.",
            f"{KEPT}: raise the limit (ulimit -n {max(1024, 2 * most)}) and run the same command again.",
        )
    if SHARED_MEMORY.search(text) and isinstance(error, RuntimeError):
        return MachineError(
            "a process that loads clips ran out of shared memory.",
            f"{KEPT}: use fewer --workers, or more /dev/shm (docker run --shm-size 8g).",
        )
    if isinstance(error, MemoryError) or number == errno.ENOMEM or MEMORY.search(text):
        device = "GPU memory" if "CUDA" in text else "memory"
        most = resource.getrlimit(resource.RLIMIT_AS)[0]
        limited = "" if most == resource.RLIM_INFINITY else f" (ulimit -v allows {most >> 20} MiB each)"
        return MachineError(
            f"{device} ran out{limited}.",
            f"{KEPT}: run the same command again with more memory, fewer --jobs or --workers, a "
            "smaller --batch-size or shorter clips.",
        )
    if THREADS.search(text) or (number == errno.EAGAIN and not where):
        return MachineError(
            "the system allows no more processes or threads.",
            f"{KEPT}: run the same command again with fewer --jobs or --workers (ulimit -u, ulimit -v).",
        )
    return None


def free_shared_memory() -> int | None:
    try:
        there = os.statvfs(SHARED_MEMORY_FOLDER)
    except OSError:
        return None
    return there.f_bavail * there.f_frsize


LEAST_MEMORY = 1 << 30
"""Address space in bytes without which the numerical libraries crash while loading."""
WITHOUT_LIBRARIES = frozenset({"status", "recipes", "-h", "--help", "--version"})


def require_memory(arguments: Sequence[str]) -> None:
    """Raise FameError if ``ulimit -v`` is so low that a command would crash without a message."""
    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    if most != resource.RLIM_INFINITY and most < LEAST_MEMORY and WITHOUT_LIBRARIES.isdisjoint(arguments):
        raise MachineError(
            f"ulimit -v allows {most >> 20} MiB per process: the libraries alone need more.",
            f"Allow {2 * LEAST_MEMORY >> 20} MiB or more (ulimit -v unlimited), and run the command again.",
        )


def require_current_folder() -> None:
    """Raise FameError if the current folder no longer exists."""
    try:
        os.getcwd()
    except FileNotFoundError as error:
        raise FameError(
            "the current folder no longer exists.", "Change to one that does (cd) and run the command again."
        ) from error
