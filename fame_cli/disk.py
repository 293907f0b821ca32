"""Files that are on disk whole or not at all, and what is said where a disk fails."""

import errno
import hashlib
import json
import os
import re
import shutil
from pathlib import Path

from fame_cli.errors import FameError

SPARE_BYTES = 64 << 20
"""What is left free: HDF5 needs some for its own bookkeeping, and other workers write beside."""


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Put ``content`` at ``path`` whole or not at all: where that fails, what was there before stands."""
    beside = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with beside.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise disk_error(error, path) from error


def write_text(path: Path, text: str) -> None:
    write_whole(path, text.encode("utf-8", "surrogateescape"))


def write_json(path: Path, value: object) -> None:
    write_text(path, json.dumps(value, indent=1))


def require_space(path: Path, count: int) -> None:
    """Raise the OSError of a full disk unless ``count`` bytes and some for bookkeeping can be written.

    HDF5 may crash its process where a write fails for want of space, so it is asked before.
    """
    if shutil.disk_usage(path.parent).free < count + SPARE_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def disk_error(error: OSError, place: Path) -> FameError:
    """A full disk, a quota or a missing permission, said in words."""
    # HDF5 tells the number within its own message alone.
    told = re.search(r"errno = (\d+)", str(error))
    number = error.errno or (int(told[1]) if told else 0)
    what = {
        errno.ENOSPC: "the disk is full",
        errno.EDQUOT: "the disk quota is used up",
        errno.EFBIG: "the file-size limit is reached",
        errno.EACCES: "permission was denied",
        errno.EROFS: "the disk is read-only",
    }.get(number, error.strerror or str(error))
    return FameError(
        f"cannot write {place}: {what}.",
        "Everything finished so far is kept: mend that and run the same command again.",
    )


def flush(path: Path) -> str:
    """Force a file to disk and return the SHA-256 of what can be read back."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
