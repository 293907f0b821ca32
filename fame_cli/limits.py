"""What a machine has no more of: told as such, and never as a bug or as damage."""

import errno
import os
import re
import resource
from collections.abc import Sequence

from fame_cli.disk import errno_of
from fame_cli.errors import FameError, MachineError

MEMORY = re.compile(
    r"out of memory|can't allocate memory|cannot allocate memory|std::bad_alloc|unable to allocate|"
    r"failed to map segment|not enough memory",
    re.IGNORECASE,
)
"""How torch, numpy, numba and the loader of libraries say that memory ran out, each in its own error."""

THREADS = re.compile(r"can't start new thread|resource temporarily unavailable", re.IGNORECASE)

SHARED_MEMORY = re.compile(r"shared memory|bus error", re.IGNORECASE)

KEPT = "Finished shards, checkpoints and results are kept"


def find_limit(error: Exception) -> FameError | None:
    """The limit of the machine that an error is about, or nothing."""
    text, number = str(error), getattr(error, "errno", None) or errno_of(error)
    where = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or "No space left on device" in text:
        what = {errno.EDQUOT: "the disk quota is used up", errno.EFBIG: "the file-size limit is reached"}
        return MachineError(
            f"{where}{what.get(number, 'the disk is full')}.",
            f"{KEPT}: make room and run the same command again.",
        )
    if number in (errno.EMFILE, errno.ENFILE):
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return MachineError(
            f"{where}too many open files; this shell allows {most} for each process.",
            f"{KEPT}: allow more (ulimit -n {max(1024, 2 * most)}) and run the same command again.",
        )
    if SHARED_MEMORY.search(text) and isinstance(error, RuntimeError):
        return MachineError(
            "a process that loads clips ran out of shared memory.",
            f"{KEPT}: give fewer --workers, or more of /dev/shm (docker run --shm-size 8g).",
        )
    if isinstance(error, MemoryError) or number == errno.ENOMEM or MEMORY.search(text):
        device = "GPU memory" if "CUDA" in text else "memory"
        most = resource.getrlimit(resource.RLIMIT_AS)[0]
        limited = "" if most == resource.RLIM_INFINITY else f" (ulimit -v allows {most >> 20} MiB a process)"
        return MachineError(
            f"{device} ran out{limited}.",
            f"{KEPT}: run the same command again with more of it, or with fewer --jobs or --workers, a "
            "smaller --batch-size or shorter clips.",
        )
    if THREADS.search(text) or (number == errno.EAGAIN and not where):
        return MachineError(
            "the system allows no further process or thread.",
            f"{KEPT}: run the same command again with fewer --jobs or --workers (ulimit -u, ulimit -v).",
        )
    return None


LEAST_MEMORY = 1 << 30
"""Of addresses, without which the libraries that compute crash while they are loaded."""
WITHOUT_LIBRARIES = frozenset({"status", "recipes", "-h", "--help", "--version"})


def require_memory(arguments: Sequence[str]) -> None:
    """Raise FameError where ``ulimit -v`` is so low that a command would crash instead of telling it."""
    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    if most != resource.RLIM_INFINITY and most < LEAST_MEMORY and WITHOUT_LIBRARIES.isdisjoint(arguments):
        raise MachineError(
            f"ulimit -v allows {most >> 20} MiB a process: the libraries alone take more.",
            f"Allow {2 * LEAST_MEMORY >> 20} MiB or more (ulimit -v unlimited), and run the command again.",
        )


def require_current_folder() -> None:
    """Raise FameError where the folder that the command was started in is no longer there."""
    try:
        os.getcwd()
    except FileNotFoundError as error:
        raise FameError(
            "the current folder is not there any more.", "Go to one that is (cd), and run the command again."
        ) from error
