"""The manifest: which videos there are, and what became of each (``WORK/manifest.csv``)."""

import csv
import dataclasses
import io
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from fame_cli.config import fingerprint
from fame_cli.disk import write_json, write_text
from fame_cli.errors import ArtefactError, InputError

VIDEOS_PER_SHARD = 8
"""Videos in a shard of every stage: the most a killed worker has to do again."""

VIDEO_SUFFIXES = frozenset(
    {".3gp", ".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".webm", ".wmv"}
)

Status = Literal["pending", "ok", "partial", "failed"]


@dataclass(frozen=True)
class Video:
    """One row of the manifest. Frames, rate and size are those of the file, once it has been decoded."""

    id: str
    path: str
    """Relative to the folder that was indexed, with forward slashes."""
    label: str = ""
    split: str = ""
    bytes: int = 0
    modified_ns: int = 0
    frames: int = 0
    fps: float = 0.0
    width: int = 0
    height: int = 0
    status: Status = "pending"
    reason: str = ""

    @property
    def usable(self) -> bool:
        return self.status in ("ok", "partial")

    @property
    def identity(self) -> list[Any]:
        """What decides the pixels; label and split do not, so another split needs no new extraction."""
        return [self.id, self.path, self.bytes, self.modified_ns]


@dataclass(frozen=True)
class Manifest:
    """All videos of a WORK folder, in an order that stays as videos are added."""

    root: Path
    source: dict[str, Any]
    """How the videos were indexed: source, root, split and so on."""
    videos: tuple[Video, ...]

    @property
    def fingerprint(self) -> str:
        return fingerprint([video.identity for video in self.videos])

    @property
    def class_names(self) -> list[str]:
        """Labels in alphabetical order; a class's number is its place here."""
        return sorted({video.label for video in self.videos if video.label})

    def positions(self, split: str = "") -> list[int]:
        """Places of the usable videos, of one split or of all."""
        return [n for n, video in enumerate(self.videos) if video.usable and split in ("", video.split)]


def shard_slices(videos: Sequence[Video]) -> Iterator[tuple[str, Sequence[Video]]]:
    """Cut the manifest into the fixed slices that are the shards of every stage."""
    for start in range(0, len(videos), VIDEOS_PER_SHARD):
        yield shard_name(start), videos[start : start + VIDEOS_PER_SHARD]


def shard_name(position: int) -> str:
    return f"{position // VIDEOS_PER_SHARD:05d}"


def find_video_files(root: Path) -> list[Path]:
    """All video files below a folder, sorted; raises InputError where there is no folder or no video."""
    if not root.is_dir():
        raise InputError(f"{root} is not a folder.", "Give the folder that holds the videos.")
    found = []
    for folder, folders, names in os.walk(root, onerror=refuse_unreadable):
        folders.sort()
        found += [Path(folder, name) for name in names if Path(name).suffix.lower() in VIDEO_SUFFIXES]
    if not found:
        raise InputError(
            f"{root} holds no video files.", f"Looked for {' '.join(sorted(VIDEO_SUFFIXES))} in all folders."
        )
    return sorted(found)


def refuse_unreadable(error: OSError) -> None:
    raise InputError(
        f"cannot list {error.filename}: {error.strerror}.", "Give yourself permission to read it."
    ) from error


def index_file(root: Path, path: Path, label: str = "", split: str = "") -> Video:
    """The manifest row of a video file that has not been decoded yet."""
    status = path.stat()
    relative = path.relative_to(root).as_posix()
    return Video(relative, relative, label, split, status.st_size, status.st_mtime_ns)


def combine(work: Path, fresh: Manifest) -> Manifest:
    """The manifest of a WORK folder after indexing its videos anew.

    Videos that were known keep their place, so that finished shards stay good, and what became of them; new
    ones come last. Raises ArtefactError where WORK was made from other videos.
    """
    if not manifest_path(work).exists():
        return fresh
    old = read_manifest(work)
    place = {video.id: position for position, video in enumerate(old.videos)}
    if old.root != fresh.root and not any(video.id in place for video in fresh.videos):
        raise ArtefactError(
            f"{work} was made from {old.root}, which shares no video with {fresh.root}.",
            "Choose another output folder with -o.",
        )
    videos = sorted(fresh.videos, key=lambda video: (place.get(video.id, len(place)), video.id))
    known = {video.id: video for video in old.videos}
    return dataclasses.replace(
        fresh, videos=tuple(with_outcome(video, known.get(video.id)) for video in videos)
    )


def with_outcome(video: Video, before: Video | None) -> Video:
    """A freshly indexed video with what is known of its decoding, if its file has not changed since."""
    if before is None or before.identity != video.identity:
        return video
    return dataclasses.replace(before, label=video.label, split=video.split)


def manifest_path(work: Path) -> Path:
    return work / "manifest.csv"


def write_manifest(work: Path, manifest: Manifest) -> None:
    """Write ``manifest.csv`` and ``source.json``, each whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Video)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(dataclasses.asdict(video) for video in manifest.videos)
    write_json(work / "source.json", {**manifest.source, "root": str(manifest.root)})
    write_text(manifest_path(work), text.getvalue())


def read_manifest(work: Path) -> Manifest:
    """Read a WORK folder's manifest; raises ArtefactError where it is missing or was damaged."""
    path = manifest_path(work)
    try:
        source = json.loads((work / "source.json").read_text(encoding="utf-8", errors="surrogateescape"))
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
        rows = csv.DictReader(io.StringIO(text, newline=""))
        if rows.fieldnames != [field.name for field in fields(Video)]:
            raise ValueError("its first line does not name the columns")
        videos = tuple(parse_row(row) for row in rows)
        root = Path(source["root"])
    except FileNotFoundError as error:
        raise ArtefactError(
            f"{work} is not a WORK folder: it has no {Path(error.filename).name}.",
            f"Make one: fame extract DATA -o {work}",
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        raise ArtefactError(
            f"{path} cannot be read: {error}.", f"Make it again: fame extract DATA -o {work}"
        ) from error
    return Manifest(root, source, videos)


def parse_row(row: dict[str, str]) -> Video:
    path = PurePosixPath(row["path"])
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"the path {row['path']!r} points outside the indexed folder")
    if row["status"] not in ("pending", "ok", "partial", "failed"):
        raise ValueError(f"{row['id']!r} has the unknown status {row['status']!r}")
    kinds = {field.name: field.type for field in fields(Video)}
    values = {
        name: int(value) if kinds[name] is int else float(value) if kinds[name] is float else value
        for name, value in row.items()
    }
    return Video(**values)  # type: ignore[arg-type]
