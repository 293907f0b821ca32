"""Files that are written completely or not at all, and messages for failing disks."""

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
"""Space to leave free: HDF5 needs some for its own bookkeeping, and other workers write too."""

BOOKKEEPING_BYTES = 64 << 10
"""What HDF5 may add to a file besides its content."""

UNFINISHED = ".tmp"
"""Suffix of files that are still being written."""


def temporary_path(path: Path) -> Path:
    """A hidden name next to ``path`` to write to first.

    It contains host and thread, so that no two writers use the same file, on one machine or on several that
    share the folder.
    """
    return path.with_name(f".{path.name}.{socket.gethostname()}-{threading.get_native_id()}{UNFINISHED}")


def remove_abandoned(folder: Path) -> None:
    """Remove unfinished files in a folder whose writers on this machine are dead.

    A kill in the middle of a write leaves such a file, which nothing would ever finish.
    """
    for path in folder.glob(f".*.{glob.escape(socket.gethostname())}-*{UNFINISHED}"):
        writer = path.name.removesuffix(UNFINISHED).rpartition("-")[2]
        if writer.isdecimal() and not is_alive(int(writer)):
            path.unlink(missing_ok=True)


@functools.lru_cache(maxsize=1024)
def remove_abandoned_once(folder: Path) -> None:
    """The same, but only the first time that this process writes to a folder."""
    remove_abandoned(folder)


def is_alive(thread: int) -> bool:
    """Whether a thread or process of this machine is alive; signal 0 only checks."""
    try:
        os.kill(thread, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Write ``content`` to ``path`` completely or not at all: on failure, the previous file is kept.

    On return the file is flushed to disk, and so are earlier renames in its folder.
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
    """Raise the error of a full disk unless ``count`` bytes plus bookkeeping can be added to a file.

    HDF5 may crash its process if a write fails for lack of space, so space is checked first.
    """
    most = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    written = path.stat().st_size if path.exists() else 0
    if most != resource.RLIM_INFINITY and written + count + BOOKKEEPING_BYTES > most:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    if shutil.disk_usage(path.parent).free < count + SPARE_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def errno_of(error: Exception) -> int:
    """The errno of an error, which HDF5 gives only inside its message; 0 if there is none."""
    found = re.search(r"errno = (\d+)", str(error))
    return int(found[1]) if found else 0


@contextlib.contextmanager
def translate_os_errors(place: Path) -> Iterator[None]:
    """Turn disk errors into a FameError; HDF5 raises some of them as RuntimeError."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        if isinstance(error, OSError) or errno_of(error):
            raise disk_error(error, place) from error
        raise


def disk_error(error: OSError | RuntimeError, place: Path) -> FameError:
    """A full disk, a quota or a missing permission as a readable error."""
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
        errno.ENOENT: "the folder does not exist (all machines of a cluster must see it under this path)",
    }.get(number, getattr(error, "strerror", None) or str(error))
    if number in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR):
        return FameError(f"cannot write {place}: {what}.", "Choose another folder with -o.")
    return MachineError(
        f"cannot write {place}: {what}.",
        "Everything finished so far is kept: fix this and run the same command again.",
    )


def flush(path: Path) -> str:
    """Force a file's content to disk and return the SHA-256 of what can be read back."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def flush_folder(folder: Path) -> None:
    """Force the names in a folder to disk: a rename alone may be lost in a power failure."""
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
