"""The manifest: the list of videos and the status of each (``WORK/manifest.csv``)."""

import contextlib
import csv
import dataclasses
import gc
import hashlib
import io
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal, get_args

from fame_cli.advice import INDEXING, extract_command
from fame_cli.config import fingerprint
from fame_cli.disk import write_text
from fame_cli.errors import ArtefactError, ConfigurationError
from fame_cli.names import to_disk, to_text
from fame_cli.sealed import read_sealed, write_sealed

VIDEOS_PER_SHARD = 8
"""Videos per shard in every stage: the most work that a killed worker loses."""

Status = Literal["pending", "ok", "partial", "failed", "removed"]
"""A removed video was listed before but is not found now. It keeps its row, without label and split, so that
no other video's place changes, and its frames, so that they need not be decoded again if it comes back."""
STATUSES = get_args(Status)


REWRITE_SECONDS = 0.1
"""Time in which a running ``fame extract`` has written both files."""

LIST_SEAL = "manifest_sha256"
"""Key in ``source.json`` for the SHA-256 of the list written with it."""

RUN_SIGNS = ("config.toml", "record.json", "backbone.safetensors")
"""Files by which a RUN folder is recognised."""

NO_WORK = "Give the folder that fame extract made with -o, or make one from a folder of videos."


class DamagedManifestError(ArtefactError):
    """The list of a WORK folder's videos cannot be read; its stores may be intact."""


@dataclass(frozen=True)
class Video:
    """One row of the manifest. Frames, rate and size are those of the file, once decoded."""

    id: str
    path: str
    """Relative to the indexed folder, with forward slashes, in the form of ``names.to_text``."""
    label: str = ""
    split: str = ""
    bytes: int = 0
    modified_ns: int = 0
    frame_count: int = 0
    fps: float = 0.0
    width: int = 0
    height: int = 0
    status: Status = "pending"
    reason: str = ""
    notes: str = ""
    """Decisions made about the file: which stream was read, how it was rotated, and so on."""
    group: str = ""
    """What it shares with other videos (a film, a person), from a CSV file; see ``group_of``."""

    @property
    def usable(self) -> bool:
        return self.status in ("ok", "partial")

    @property
    def identity(self) -> list[Any]:
        """What determines the pixels; label and split do not, so another split needs no new extraction."""
        return [self.id, self.path, self.bytes, self.modified_ns]


COLUMN_OF = {"frame_count": "frames"}
"""Column names that differ from the field's name."""
COLUMNS = [COLUMN_OF.get(column.name, column.name) for column in fields(Video)]
FIRST_COLUMNS = COLUMNS[: COLUMNS.index("reason") + 1]
"""Columns of every manifest; those written by earlier versions lack later ones."""
NUMBERS: list[tuple[int, type]] = [
    (place, column.type)
    for place, column in enumerate(fields(Video))
    if isinstance(column.type, type) and column.type is not str
]
"""The columns with numbers, and their types."""
REPEATED = [COLUMNS.index(name) for name in ("label", "split", "status", "reason", "notes", "group")]
"""Columns with the same value for many videos, kept in memory once, as is an id equal to the path."""
values_of = attrgetter(*(column.name for column in fields(Video)))


@dataclass(frozen=True)
class Manifest:
    """All videos of a WORK folder, in an order that is stable as videos are added."""

    root: Path
    source: dict[str, Any]
    """How the videos were indexed: source, root, split and so on."""
    videos: tuple[Video, ...]

    @property
    def fingerprint(self) -> str:
        with pause_garbage_collection():
            return fingerprint([video.identity for video in self.videos])

    @property
    def origin(self) -> dict[str, Any]:
        """The indexed folder and options, for the command that repeats it."""
        given = {**self.source, "root": str(self.root)}
        return {
            name: to_text(value) if isinstance(value, str) else value
            for name, value in given.items()
            if name in (*INDEXING, "root")
        }

    @property
    def class_names(self) -> list[str]:
        """Labels in alphabetical order; a class's number is its index here."""
        return sorted({video.label for video in self.videos if video.label})

    def video_indices(self, split: str = "") -> list[int]:
        """Indices of the usable videos, of one split or of all."""
        return [n for n, video in enumerate(self.videos) if video.usable and split in ("", video.split)]


@contextlib.contextmanager
def pause_garbage_collection() -> Iterator[None]:
    """Pause the garbage collector, which would scan many new long-lived objects again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def shard_slices(videos: Sequence[Video]) -> Iterator[tuple[str, Sequence[Video]]]:
    """Cut the manifest into the fixed slices that are the shards of every stage."""
    for start in range(0, len(videos), VIDEOS_PER_SHARD):
        yield shard_name(start), videos[start : start + VIDEOS_PER_SHARD]


def shard_name(video_index: int) -> str:
    return f"{video_index // VIDEOS_PER_SHARD:05d}"


def combine(work: Path, fresh: Manifest) -> Manifest:
    """The manifest of a WORK folder after indexing again: the old one carried over, if there is one.

    Raises ArtefactError if WORK was made from other videos, or its manifest is damaged.
    """
    return carry_over(work, read_manifest(work), fresh) if is_work(work) else fresh


def carry_over(work: Path, old: Manifest, fresh: Manifest) -> Manifest:
    """The ``old`` manifest of a WORK folder updated with a ``fresh`` index of its videos.

    Known videos keep their place, so that finished shards stay valid, and their status; new ones come last.
    Raises ArtefactError if WORK was made from other videos.
    """
    found = {video.id: video for video in fresh.videos}
    if old.root != fresh.root and not any(video.id in found for video in old.videos):
        raise ArtefactError(
            f"{work} was made from {old.root}, which shares no video with {fresh.root}.",
            "Choose another output folder with -o.",
        )
    known = [update_video(before, found.pop(before.id, None)) for before in old.videos]
    return dataclasses.replace(fresh, videos=(*known, *sorted(found.values(), key=lambda video: video.id)))


def update_video(before: Video, video: Video | None) -> Video:
    """A freshly indexed video with its known decoding results, if its file has not changed."""
    if video is None:
        reason = "it is not among the videos any more"
        return dataclasses.replace(before, label="", split="", status="removed", reason=reason)
    if before.status == "removed" or before.identity != video.identity:
        return video
    if (before.label, before.split, before.group) == (video.label, video.split, video.group):
        return before
    return dataclasses.replace(before, label=video.label, split=video.split, group=video.group)


def is_work(folder: Path) -> bool:
    """Whether a folder is a WORK folder, intact or damaged."""
    frames = (path for name in ("stage", "00000") for path in folder.glob(f"frames/*-*/{name}.json"))
    return manifest_path(folder).exists() or any(frames)


def place_note(data: Path, work: Path) -> str:
    """A warning if WORK is inside the folder of the videos; otherwise nothing.

    Raises ConfigurationError if it is the folder of the videos itself.
    """
    videos, results = data.resolve(), work.resolve()
    if videos == results:
        raise ConfigurationError(
            f"-o {work} is the folder of the videos.", "Choose a separate folder for the results."
        )
    if not results.is_relative_to(videos):
        return ""
    return f"{work} is inside {data}: files written there may be mistaken for videos. Choose one next to it."


def manifest_path(work: Path) -> Path:
    return work / "manifest.csv"


def source_path(work: Path) -> Path:
    return work / "source.json"


def write_manifest(work: Path, manifest: Manifest) -> None:
    """Write ``manifest.csv`` and ``source.json``, each atomically."""
    text = io.StringIO()
    minimal = csv.writer(text, lineterminator="\n")
    quoted = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    minimal.writerow(COLUMNS)
    for video in manifest.videos:
        row = values_of(video)
        # Before Python 3.13, csv does not quote a value with only a carriage return.
        (quoted if any("\r" in value for value in row if isinstance(value, str)) else minimal).writerow(row)
    # The list is signed in source.json: a kill between the two writes leaves a mismatch, which is reported.
    source = {**manifest.source, "root": str(manifest.root)}
    texts = {key: to_text(value) if isinstance(value, str) else value for key, value in source.items()}
    write_sealed(source_path(work), {**texts, LIST_SEAL: list_seal(text.getvalue())})
    write_text(manifest_path(work), text.getvalue())


def list_seal(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def read_manifest(work: Path) -> Manifest:
    """Read the videos of a WORK folder with label, split, length and status, as found by ``fame extract``.

    Raises ArtefactError if the manifest is missing or damaged.
    """
    try:
        return read_once(work)
    except DamagedManifestError:
        time.sleep(REWRITE_SECONDS)
        return read_once(work)


def read_once(work: Path) -> Manifest:
    path = source_path(work)
    try:
        source = read_sealed(path, seal_required=False)
        root = Path(to_disk(source["root"]))
        path = manifest_path(work)
        digest = hashlib.sha256()
        with path.open("rb") as lines:
            videos = parse(digest_lines(lines, digest))
        # Lists of older versions are not signed.
        if source.pop(LIST_SEAL, digest.hexdigest()) != digest.hexdigest():
            raise ValueError(f"it does not match {source_path(work).name}")
    except FileNotFoundError as error:
        if is_work(work):
            raise DamagedManifestError(f"{path} is missing.", list_again(work)) from error
        if any((work / sign).exists() for sign in RUN_SIGNS):
            raise ArtefactError(
                f"{work} is a RUN folder, of a pretraining or an evaluation; expected a WORK folder.", NO_WORK
            ) from error
        raise ArtefactError(
            f"{work} is not a WORK folder: it has no {manifest_path(work).name}.", NO_WORK
        ) from error
    except (csv.Error, KeyError, TypeError, ValueError) as error:
        raise DamagedManifestError(f"{path} cannot be read: {error}.", list_again(work)) from error
    return Manifest(root, source, videos)


def digest_lines(lines: Iterable[bytes], digest: "hashlib._Hash") -> Iterator[str]:
    """Decode lines one by one, adding them to ``digest``."""
    for line in lines:
        digest.update(line)
        yield line.decode("utf-8", "surrogateescape")


def list_again(work: Path) -> str:
    """The hint for a lost list of videos."""
    if make := extract_command(work):
        return f"This rebuilds the list and keeps all intact frames: {make}"
    return "Extract the videos again into the same folder: all intact frames are kept."


def parse(lines: Iterable[str]) -> tuple[Video, ...]:
    """The rows of ``manifest.csv``; raises ValueError or csv.Error naming a damaged line."""
    rows = csv.reader(lines, strict=True)
    columns = next(rows, [])
    if columns != COLUMNS[: max(len(columns), len(FIRST_COLUMNS))]:
        raise ValueError("its first line does not name the columns")
    videos = []
    with pause_garbage_collection():
        for row in rows:
            try:
                videos.append(parse_row(row, columns))
            except ValueError as error:
                raise ValueError(f"line {rows.line_num}: {error}") from error
    if len({video.id for video in videos}) < len(videos):
        raise ValueError("two rows have the same id")
    return tuple(videos)


def parse_row(row: Sequence[str], columns: Sequence[str]) -> Video:
    if len(row) != len(columns):
        raise ValueError(f"{len(row)} values for {len(columns)} columns")
    values: list[Any] = list(row)
    for place, number in NUMBERS:
        values[place] = number(row[place])
    for place in REPEATED:
        if place >= len(row):
            continue
        values[place] = sys.intern(row[place])
    if row[0] == row[1]:
        values[1] = row[0]
    video = Video(*values)
    if not is_inside(video.path):
        raise ValueError(f"the path {video.path!r} points outside the indexed folder")
    if video.status not in STATUSES:
        raise ValueError(f"{video.id!r} has the unknown status {video.status!r}")
    return video


def is_inside(path: str) -> bool:
    """Whether a path stays below the folder that it is relative to.

    Symbolic links are not checked: those below the folder were put there by its owner, and indexing follows
    them.
    """
    if not path or "\0" in path or path.startswith("/"):
        return False
    return ".." not in path or ".." not in path.split("/")
