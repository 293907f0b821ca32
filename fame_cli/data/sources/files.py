"""Video files below a folder, as the disk lists them."""

import os
import stat
from pathlib import Path
from typing import NamedTuple

from fame_cli.data.manifest import Video
from fame_cli.errors import InputError

VIDEO_SUFFIXES = frozenset(
    {".3gp", ".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".webm", ".wmv"}
)


class VideoFile(NamedTuple):
    """A file that is named like a video."""

    path: str
    """Relative to the folder that is indexed, with forward slashes."""
    bytes: int
    modified_ns: int

    @property
    def folders(self) -> tuple[str, ...]:
        return tuple(self.path.split("/")[:-1])

    @property
    def folder(self) -> str:
        """The innermost folder, or nothing."""
        return self.folders[-1] if self.folders else ""

    @property
    def stem(self) -> str:
        return stem(self.path)

    def video(self, label: str = "", split: str = "") -> Video:
        """The manifest row of the file, which has not been decoded yet."""
        return Video(self.path, self.path, label, split, self.bytes, self.modified_ns)


def stem(path: str) -> str:
    """The last part of a path without its suffix."""
    return os.path.splitext(path.rpartition("/")[2])[0]


def find_videos(root: Path) -> list[VideoFile]:
    """All video files below a folder; raises InputError where there is none, see ``list_videos``."""
    if found := list_videos(root):
        return found
    raise InputError(
        f"{root} holds no video files.", f"Looked for {' '.join(sorted(VIDEO_SUFFIXES))} in all folders."
    )


def list_videos(root: Path) -> list[VideoFile]:
    """Video files below a folder, sorted by path.

    Names that begin with a dot are passed over. Symbolic links are followed, except to a folder that they lie
    in. Raises InputError where there is no such folder, or where something may not be read.
    """
    found: list[VideoFile] = []
    pending: list[tuple[str, frozenset[tuple[int, int]]]] = [("", frozenset())]
    while pending:
        folder, above = pending.pop()
        place = os.path.join(root, folder)
        try:
            status = os.stat(place)
            identity = (status.st_dev, status.st_ino)
            if identity in above:
                continue
            folders, files = list_folder(place, folder)
        except (FileNotFoundError, NotADirectoryError) as error:
            if folder:  # removed since its name was read
                continue
            raise InputError(f"{root} is not a folder.", "Give the folder that holds the videos.") from error
        except OSError as error:
            raise InputError(
                f"cannot read {error.filename}: {error.strerror}.",
                "Give yourself permission to read it, or move it out of the folder of videos.",
            ) from error
        found += files
        pending += [(name, above | {identity}) for name in folders]
    return sorted(found)


def list_folder(place: str, prefix: str) -> tuple[list[str], list[VideoFile]]:
    """Folders and video files of one folder, each with ``prefix`` before its name."""
    folders: list[str] = []
    files: list[VideoFile] = []
    with os.scandir(place) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if is_folder(entry):
                folders.append(f"{prefix}{entry.name}/")
            elif os.path.splitext(entry.name)[1].lower() in VIDEO_SUFFIXES:
                files += video_file(entry, prefix)
    return folders, files


def is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except PermissionError:
        raise
    except OSError:  # a link to itself
        return False


def video_file(entry: "os.DirEntry[str]", folder: str) -> list[VideoFile]:
    """The file, or nothing where it is a pipe or a device, which would keep a decoder waiting."""
    path = f"{folder}{entry.name}"
    try:
        status = entry.stat()
    except PermissionError:
        raise
    except OSError:
        # A link to a file that is gone: listed all the same, so that it is told as a video that failed.
        return [VideoFile(path, 0, 0)]
    return [VideoFile(path, status.st_size, status.st_mtime_ns)] if stat.S_ISREG(status.st_mode) else []
