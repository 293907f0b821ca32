"""Video files below a folder, as the disk lists them."""

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
"""Files named so are videos, sound or damaged; of all others it is their content that tells."""

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
"""Files named so are none, and passed over without a look."""


class VideoFile(NamedTuple):
    """A video file."""

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
        return Video(self.path, self.path, compose_accents(label), split, self.bytes, self.modified_ns)


def stem(path: str) -> str:
    """The last part of a path without its suffix."""
    return os.path.splitext(path.rpartition("/")[2])[0]


class Listing(NamedTuple):
    """What lies below a folder, each sorted by path."""

    videos: list[VideoFile]
    others: list[str]
    """Files that are no videos, by name or by content, though their names do not say so."""


def find_videos(root: Path) -> Listing:
    """All video files below a folder; raises InputError where there is none, see ``list_videos``."""
    found = list_videos(root)
    if found.videos:
        return found
    raise InputError(
        f"{root} holds no video files.",
        f"Looked in all folders for {' '.join(sorted(VIDEO_SUFFIXES))} and, where a name does not tell, into "
        "the file.",
    )


def list_videos(root: Path) -> Listing:
    """Video files below a folder, and other files whose names do not say that they are none.

    Names that begin with a dot are passed over. Symbolic links are followed, except to a folder that they lie
    in. Raises InputError where there is no such folder, or where something may not be read.
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
            if folder:  # removed since its name was read
                continue
            raise InputError(f"{root} is not a folder.", "Give the folder that holds the videos.") from error
        except OSError as error:
            raise InputError(
                f"cannot read {error.filename}: {error.strerror}.",
                "Give yourself permission to read it, or move it out of the folder of videos.",
            ) from error
        for file in files:
            (found if suffix(file.path) in VIDEO_SUFFIXES else unknown).append(file)
        pending += [(name, above | {identity}) for name in folders]
    more, others = sort_by_content(root, unknown)
    return Listing(sorted(found + more), sorted(others))


def sort_by_content(root: Path, files: Sequence[VideoFile]) -> tuple[list[VideoFile], list[str]]:
    """Which of some files are videos by their content, and the paths of those that are not even text."""
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
    """Folders and files of one folder that may be videos, each with ``prefix`` before its name."""
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
    """The file, or nothing where it is a pipe or a device, which would keep a decoder waiting."""
    path = to_text(f"{folder}{entry.name}")
    try:
        status = entry.stat()
    except PermissionError:
        raise
    except OSError:
        # A link to a file that is gone: listed all the same, so that it is told as a video that failed.
        return [VideoFile(path, 0, 0)]
    return [VideoFile(path, status.st_size, status.st_mtime_ns)] if stat.S_ISREG(status.st_mode) else []
