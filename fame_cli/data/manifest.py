"""The manifest: which videos there are, and what became of each (``WORK/manifest.csv``)."""

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
"""Videos in a shard of every stage: the most a killed worker has to do again."""

Status = Literal["pending", "ok", "partial", "failed", "removed"]
"""A removed video was listed once and is not now: it keeps its row, so that no other video's place moves,
without label and split, and its frames, so that they need not be decoded again should it come back."""
STATUSES = get_args(Status)


REWRITE_SECONDS = 0.1
"""In which ``fame extract``, which may be at it right now, has written both files."""

LIST_SEAL = "manifest_sha256"
"""What ``source.json`` calls the SHA-256 of the list that was written with it."""

RUN_SIGNS = ("config.toml", "record.json", "backbone.safetensors")
"""What a folder of the other kind is known by."""

NO_WORK = "Give the folder that fame extract made with -o, or make one from a folder of videos."


class DamagedManifestError(ArtefactError):
    """The list of a WORK folder's videos cannot be read; its stores may be whole."""


@dataclass(frozen=True)
class Video:
    """One row of the manifest. Frames, rate and size are those of the file, once it has been decoded."""

    id: str
    path: str
    """Relative to the folder that was indexed, with forward slashes; as ``names.to_text`` has it."""
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
    """What was decided about the file: which of its streams was read, how it was turned, and the like."""
    group: str = ""
    """What it has in common with others (a film, a person), where a CSV file says so; see ``group_of``."""

    @property
    def usable(self) -> bool:
        return self.status in ("ok", "partial")

    @property
    def identity(self) -> list[Any]:
        """What decides the pixels; label and split do not, so another split needs no new extraction."""
        return [self.id, self.path, self.bytes, self.modified_ns]


COLUMN_OF = {"frame_count": "frames"}
"""What the file calls a field, where that is another name."""
COLUMNS = [COLUMN_OF.get(column.name, column.name) for column in fields(Video)]
FIRST_COLUMNS = COLUMNS[: COLUMNS.index("reason") + 1]
"""Those that every manifest has; one that was written by an earlier version lacks others at the end."""
NUMBERS: list[tuple[int, type]] = [
    (place, column.type)
    for place, column in enumerate(fields(Video))
    if isinstance(column.type, type) and column.type is not str
]
"""Which columns hold numbers, and of what type."""
REPEATED = [COLUMNS.index(name) for name in ("label", "split", "status", "reason", "notes", "group")]
"""Which columns say the same of many videos: it is kept once, as is an id that is a path."""
values_of = attrgetter(*(column.name for column in fields(Video)))


@dataclass(frozen=True)
class Manifest:
    """All videos of a WORK folder, in an order that stays as videos are added."""

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
        """Which folder was indexed, and how, for the command that does it again."""
        given = {**self.source, "root": str(self.root)}
        return {
            name: to_text(value) if isinstance(value, str) else value
            for name, value in given.items()
            if name in (*INDEXING, "root")
        }

    @property
    def class_names(self) -> list[str]:
        """Labels in alphabetical order; a class's number is its place here."""
        return sorted({video.label for video in self.videos if video.label})

    def video_indices(self, split: str = "") -> list[int]:
        """Places of the usable videos, of one split or of all."""
        return [n for n, video in enumerate(self.videos) if video.usable and split in ("", video.split)]


@contextlib.contextmanager
def pause_garbage_collection() -> Iterator[None]:
    """Look for no garbage meanwhile: among many new objects that stay, Python would look again and again."""
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
    """The manifest of a WORK folder after indexing its videos anew: ``continued``, where there was one.

    Raises ArtefactError where WORK was made from other videos, or its manifest is damaged.
    """
    return carry_over(work, read_manifest(work), fresh) if is_work(work) else fresh


def carry_over(work: Path, old: Manifest, fresh: Manifest) -> Manifest:
    """The ``old`` manifest of a WORK folder after indexing its videos anew.

    Videos that were known keep their place, so that finished shards stay good, and what became of them; new
    ones come last. Raises ArtefactError where WORK was made from other videos.
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
    """A freshly indexed video with what is known of its decoding, if its file has not changed since."""
    if video is None:
        reason = "it is not among the videos any more"
        return dataclasses.replace(before, label="", split="", status="removed", reason=reason)
    if before.status == "removed" or before.identity != video.identity:
        return video
    if (before.label, before.split, before.group) == (video.label, video.split, video.group):
        return before
    return dataclasses.replace(before, label=video.label, split=video.split, group=video.group)


def is_work(folder: Path) -> bool:
    """Whether a folder is a WORK folder, whole or damaged."""
    frames = (path for name in ("stage", "00000") for path in folder.glob(f"frames/*-*/{name}.json"))
    return manifest_path(folder).exists() or any(frames)


def place_note(data: Path, work: Path) -> str:
    """What there is to say where WORK lies among the videos; nothing elsewhere.

    Raises ConfigurationError where it is the folder of the videos itself.
    """
    videos, results = data.resolve(), work.resolve()
    if videos == results:
        raise ConfigurationError(
            f"-o {work} is the folder of the videos.", "Give a folder of its own for what is made of them."
        )
    if not results.is_relative_to(videos):
        return ""
    return f"{work} lies inside {data}: what is drawn there may be taken for videos. Choose one beside it."


def manifest_path(work: Path) -> Path:
    return work / "manifest.csv"


def source_path(work: Path) -> Path:
    return work / "source.json"


def write_manifest(work: Path, manifest: Manifest) -> None:
    """Write ``manifest.csv`` and ``source.json``, each whole or not at all."""
    text = io.StringIO()
    minimal = csv.writer(text, lineterminator="\n")
    quoted = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    minimal.writerow(COLUMNS)
    for video in manifest.videos:
        row = values_of(video)
        # Before Python 3.13, a carriage return alone is not reason enough to quote a value.
        (quoted if any("\r" in value for value in row if isinstance(value, str)) else minimal).writerow(row)
    # The list is signed in source.json: after a kill between the two they do not agree, which is told.
    source = {**manifest.source, "root": str(manifest.root)}
    told = {key: to_text(value) if isinstance(value, str) else value for key, value in source.items()}
    write_sealed(source_path(work), {**told, LIST_SEAL: list_seal(text.getvalue())})
    write_text(manifest_path(work), text.getvalue())


def list_seal(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def read_manifest(work: Path) -> Manifest:
    """Read what ``fame extract`` found: the videos of a WORK folder with label, split, length and status.

    Raises ArtefactError where the manifest is missing or was damaged.
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
        # That of an older version is not signed.
        if source.pop(LIST_SEAL, digest.hexdigest()) != digest.hexdigest():
            raise ValueError(f"it is not the list that {source_path(work).name} was written with")
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
    """The text of lines as they stream by; ``digest`` has seen all of them in the end."""
    for line in lines:
        digest.update(line)
        yield line.decode("utf-8", "surrogateescape")


def list_again(work: Path) -> str:
    """What to say where the list of WORK's videos is lost."""
    if make := extract_command(work):
        return f"This lists the videos anew and makes no frames again that are whole: {make}"
    return "Extract the videos again into the same folder: no frames are made again that are whole."


def parse(lines: Iterable[str]) -> tuple[Video, ...]:
    """The rows of ``manifest.csv``; raises ValueError or csv.Error that says in which line it is damaged."""
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
    """Whether a path names something below the folder that it is relative to.

    Symbolic links are not looked at: those below the folder were put there by whoever owns it, and indexing
    follows them.
    """
    if not path or "\0" in path or path.startswith("/"):
        return False
    return ".." not in path or ".." not in path.split("/")
