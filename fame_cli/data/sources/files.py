"""Finds the video files below a folder."""

import contextlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from fame_cli.data.manifest import Video
from fame_cli.errors import InputError
from fame_cli.names import compose_accents, to_disk, to_text

VIDEO_SUFFIXES = frozenset(
    {".3gp", ".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".webm", ".wmv"}
)
"""Files with these suffixes are videos, audio or damaged; all others are judged by content."""

NOT_VIDEOS = """
    txt csv tsv json jsonl xml yaml yml toml ini cfg md rst html htm log tex bib srt vtt
    py pyc ipynb sh bat m c cpp h hpp cu java js
    zip tar gz tgz bz2 xz 7z rar zst pdf doc docx xls xlsx ppt pptx
    jpg jpeg png bmp tif tiff webp ico svg heic heif avif ppm pgm pbm exr jp2 psd
    mp3 wav flac aac m4a opus wma aiff mid
    npy npz pkl pickle pt pth ckpt safetensors h5 hdf5 mat parquet arrow feather db sqlite tfrecord mdb onnx
    exe dll so
"""
OTHER_SUFFIXES = frozenset(f".{name}" for name in NOT_VIDEOS.split())
"""Files with these suffixes are not videos and are skipped unread."""


class VideoFile(NamedTuple):
    """A video file."""

    path: str
    """Relative to the indexed folder, with forward slashes."""
    bytes: int
    modified_ns: int

    @property
    def folders(self) -> tuple[str, ...]:
        return tuple(self.path.split("/")[:-1])

    @property
    def folder(self) -> str:
        """Name of the innermost folder, or nothing."""
        return self.folders[-1] if self.folders else ""

    @property
    def stem(self) -> str:
        return stem(self.path)

    def video(self, label: str = "", split: str = "") -> Video:
        """The manifest row of the file before decoding."""
        return Video(self.path, self.path, compose_accents(label), split, self.bytes, self.modified_ns)


def stem(path: str) -> str:
    """The last component of a path without its suffix."""
    return os.path.splitext(path.rpartition("/")[2])[0]


class Listing(NamedTuple):
    """The files below a folder, sorted by path."""

    videos: list[VideoFile]
    others: list[str]
    """Files that are not videos by content, although their names do not say so."""


def find_videos(root: Path) -> Listing:
    """All video files below a folder; raises InputError if there are none, see ``list_videos``."""
    found = list_videos(root)
    if found.videos:
        return found
    raise InputError(
        f"{root} holds no video files.",
        f"Searched all folders for {' '.join(sorted(VIDEO_SUFFIXES))} and, where the name is not enough, "
        "looked into the file.",
    )


def list_videos(root: Path) -> Listing:
    """Video files below a folder, and other files whose names do not rule them out.

    Names starting with a dot are skipped. Symbolic links are followed, except to a folder that contains them.
    Raises InputError if the folder does not exist or something is not readable.
    """
    found: list[VideoFile] = []
    unknown: list[VideoFile] = []
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
            if folder:  # removed since it was listed
                continue
            raise InputError(f"{root} is not a folder.", "Give the folder that holds the videos.") from error
        except OSError as error:
            raise InputError(
                f"cannot read {error.filename}: {error.strerror}.",
                "Make it readable, or move it out of the folder of videos.",
            ) from error
        for file in files:
            (found if suffix(file.path) in VIDEO_SUFFIXES else unknown).append(file)
        pending += [(name, above | {identity}) for name in folders]
    more, others = sort_by_content(root, unknown)
    return Listing(sorted(found + more), sorted(others))


def sort_by_content(root: Path, files: Sequence[VideoFile]) -> tuple[list[VideoFile], list[str]]:
    """The files that are videos by content, and the paths of those that are neither videos nor text."""
    from fame_cli.data.sources.content import is_text, videos_among

    paths = {file: root / to_disk(file.path) for file in files}
    opaque = []
    for file, path in paths.items():
        with contextlib.suppress(OSError):
            if is_text(path):
                continue
        opaque.append(file)
    videos = videos_among([paths[file] for file in opaque]) if opaque else set()
    return (
        [file for file in opaque if paths[file] in videos],
        [file.path for file in opaque if paths[file] not in videos],
    )


def suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()


def list_folder(place: str, prefix: str) -> tuple[list[str], list[VideoFile]]:
    """Folders, and files that may be videos, in one folder, each with ``prefix`` before its name."""
    folders: list[str] = []
    files: list[VideoFile] = []
    with os.scandir(place) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if is_folder(entry):
                folders.append(f"{prefix}{entry.name}/")
            elif suffix(entry.name) not in OTHER_SUFFIXES:
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
    """The file, or nothing for a pipe or a device, which would block a decoder."""
    path = to_text(f"{folder}{entry.name}")
    try:
        status = entry.stat()
    except PermissionError:
        raise
    except OSError:
        # A broken link is listed anyway, so that it is reported as a failed video.
        return [VideoFile(path, 0, 0)]
    return [VideoFile(path, status.st_size, status.st_mtime_ns)] if stat.S_ISREG(status.st_mode) else []
