"""Files that are on disk whole or not at all, and what is said where a disk fails."""

import contextlib
import errno
import functools
import glob
import hashlib
import json
import os
import re
import resource
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

from fame_cli.errors import FameError, MachineError

SPARE_BYTES = 64 << 20
"""What is left free: HDF5 needs some for its own bookkeeping, and other workers write beside."""

BOOKKEEPING_BYTES = 64 << 10
"""What HDF5 may add to a file beside its content."""

UNFINISHED = ".tmp"
"""How the names of files end that are still being written."""


def temporary_path(path: Path) -> Path:
    """A hidden name beside ``path`` to write to first.

    Host and thread are part of it, so that no two write to the same file, on one machine or on many that
    share the folder.
    """
    return path.with_name(f".{path.name}.{socket.gethostname()}-{threading.get_native_id()}{UNFINISHED}")


def remove_abandoned(folder: Path) -> None:
    """Remove what writers of this machine that are dead by now left unfinished in a folder.

    A kill in the middle of a write leaves such a file, which nothing would ever finish.
    """
    for path in folder.glob(f".*.{glob.escape(socket.gethostname())}-*{UNFINISHED}"):
        writer = path.name.removesuffix(UNFINISHED).rpartition("-")[2]
        if writer.isdecimal() and not is_alive(int(writer)):
            path.unlink(missing_ok=True)


@functools.lru_cache(maxsize=1024)
def remove_abandoned_once(folder: Path) -> None:
    """The same, the first time that this process writes into a folder."""
    remove_abandoned(folder)


def is_alive(thread: int) -> bool:
    """Whether a thread or process of this machine is at work; signal 0 asks and does nothing."""
    try:
        os.kill(thread, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Put ``content`` at ``path`` whole or not at all: where that fails, what was there before stands.

    On return it is on disk to stay, and so is whatever was renamed in its folder before.
    """
    beside = temporary_path(path)
    with translate_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned_once(path.parent.absolute())
        try:
            with beside.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)
        flush_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    write_whole(path, text.encode("utf-8", "surrogateescape"))


def write_json(path: Path, value: object) -> None:
    write_text(path, json.dumps(value, indent=1))


def require_space(path: Path, count: int) -> None:
    """Raise what a full disk would, unless ``count`` bytes and some for bookkeeping can be added to a file.

    HDF5 may crash its process where a write fails for want of space, so it is asked before.
    """
    most = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    written = path.stat().st_size if path.exists() else 0
    if most != resource.RLIM_INFINITY and written + count + BOOKKEEPING_BYTES > most:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    if shutil.disk_usage(path.parent).free < count + SPARE_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def errno_of(error: Exception) -> int:
    """The number of what the operating system refused, which HDF5 tells within its own message alone."""
    told = re.search(r"errno = (\d+)", str(error))
    return int(told[1]) if told else 0


@contextlib.contextmanager
def translate_os_errors(place: Path) -> Iterator[None]:
    """Raise what a disk refuses as a FameError; HDF5 calls some of that a RuntimeError."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        if isinstance(error, OSError) or errno_of(error):
            raise disk_error(error, place) from error
        raise


def disk_error(error: OSError | RuntimeError, place: Path) -> FameError:
    """A full disk, a quota or a missing permission, said in words."""
    number = getattr(error, "errno", None) or errno_of(error)
    what = {
        errno.ENOSPC: "the disk is full",
        errno.EDQUOT: "the disk quota is used up",
        errno.EFBIG: "the file-size limit is reached",
        errno.EACCES: "permission was denied",
        errno.EROFS: "the disk is read-only",
        errno.EEXIST: "there is a file where a folder is needed",
        errno.ENOTDIR: "there is a file where a folder is needed",
        errno.EISDIR: "there is a folder where a file is needed",
        errno.ENOENT: "the folder is not there (all machines of a cluster must see it by this path)",
    }.get(number, getattr(error, "strerror", None) or str(error))
    if number in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR):
        return FameError(f"cannot write {place}: {what}.", "Choose another folder with -o.")
    return MachineError(
        f"cannot write {place}: {what}.",
        "Everything finished so far is kept: mend that and run the same command again.",
    )


def flush(path: Path) -> str:
    """Force a file's content to disk and return the SHA-256 of what can be read back."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def flush_folder(folder: Path) -> None:
    """Force the names in a folder to disk: a rename alone may be lost where the power fails."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot, and need not
            raise
    finally:
        os.close(handle)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
