"""Whether a folder has all of a dataset: its videos, its lists, and folders where they tell the class.

The folder is read as ``fame extract`` reads it, so what is missing here would be missing there.
"""

import contextlib
import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path

from fame_cli.advice import command
from fame_cli.data.manifest import Video
from fame_cli.data.sources.catalogue import Dataset, spell_out
from fame_cli.data.sources.check import Finding, Indexed, NoMatchError, match
from fame_cli.data.sources.files import VideoFile, find_videos, is_folder, list_videos
from fame_cli.data.sources.index import index_source
from fame_cli.data.sources.kinetics import class_of
from fame_cli.data.sources.rosters import ROSTERS
from fame_cli.errors import ConfigurationError, InputError

INCOMPLETE = frozenset({"no video", "missing", "empty", "list", "layout", "archive"})
"""Findings after which something is to be got, moved or unpacked; the others leave nothing out."""

ARCHIVE = re.compile(r".*\.(zip|rar|7z|tgz|tar(\.\w+)?)|20bn-something-something-v2-\d\d", re.IGNORECASE)
ARCHIVE_OF_LISTS = re.compile(r"split|label", re.IGNORECASE)
LIST_SUFFIXES = (".txt", ".json", ".csv")
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")

FOLDERS_BESIDE = (
    "ucfTrainTestlist",
    "testTrainMulti_7030_splits",
    "test_train_splits",
    "annotations",
    "labels",
)
"""Names of folders with lists, where they stand beside that of the videos."""


@dataclass(frozen=True)
class Inspection:
    """What a folder has of a dataset."""

    dataset: Dataset
    folder: Path
    lists: Path | None
    """The folder of its lists; None where it has none, or none was found."""
    split: int | None
    """The only one of the numbered splits that was compared; None for all."""
    summary: tuple[str, ...]
    """A sentence for each split that was compared."""
    findings: tuple[Finding, ...]
    videos: tuple[Video, ...] = field(repr=False)
    """Those on disk, with class and split of the first split that was compared."""

    @property
    def complete(self) -> bool:
        return not any(finding.kind in INCOMPLETE for finding in self.findings)

    @property
    def next_command(self) -> str:
        """What reads the videos on disk; nothing where none was recognised."""
        if not self.videos:
            return ""
        where: list[object] = ["--annotations", self.lists] if self.lists else []
        where += ["--split", self.split] if self.split else []
        if self.dataset.source == "csv":
            words = command("datasets", "annotations", self.dataset.name, self.folder, *where)
            return f"{words} > {self.dataset.name}.csv"
        return command("extract", self.folder, "-o", "work", "--source", self.dataset.source, *where)


@dataclass
class Contents:
    """Files of a folder other than its videos."""

    lists: dict[Path, set[str]] = field(default_factory=dict)
    """Names that lists may have, by their folder."""
    archives: list[Path] = field(default_factory=list)
    images: int = 0


def inspect(
    dataset: Dataset, folder: Path, annotations: Path | None = None, split: int | None = None
) -> Inspection:
    """Compare a folder with a dataset's official lists.

    Args:
        dataset: what it should hold.
        folder: of the videos, or one that holds both videos and lists.
        annotations: folder of the lists; by default, they are searched for in and beside ``folder``.
        split: one of the numbered splits; by default, all of them.

    Raises InputError where something cannot be read, ConfigurationError for a split that there is not.
    """
    splits = splits_of(dataset, split)
    videos = list_videos(folder).videos
    contents = take_contents(folder)
    lists = annotations or find_lists(dataset, folder, contents, splits)
    absent = {number: absent_lists(dataset, lists, number) for number in splits}
    findings = [] if videos else [no_video(dataset, folder, contents)]
    findings += [no_bytes(videos), lists_missing(dataset, absent)]
    indexed: list[Indexed] = []
    if videos:
        try:
            indexed = [
                index_split(dataset, folder, lists, number)
                for number, names in absent.items()
                # Of Kinetics' lists any one can be read, and the folders without any.
                if not names or dataset.source == "kinetics"
            ]
        except NoMatchError as error:
            findings.append(of_other_names(dataset, videos, error))
    findings += [finding for found in indexed for finding in found.check.findings]
    findings += [without_class(found, lists) for found in indexed[:1]]
    merged = merge(findings)
    return Inspection(
        dataset=dataset,
        folder=folder,
        lists=lists,
        split=split,
        summary=tuple(found.check.summary for found in indexed),
        findings=tuple(merge([*merged, still_packed(dataset, folder, contents, merged)])),
        videos=indexed[0].videos if indexed else (),
    )


def splits_of(dataset: Dataset, split: int | None) -> Sequence[int | None]:
    if split is None:
        return dataset.numbered_splits or [None]
    if split not in dataset.numbered_splits:
        has = f"has {', '.join(map(str, dataset.numbered_splits))}" if dataset.numbered_splits else "has none"
        raise ConfigurationError(
            f"--split is {split}; of numbered splits, {dataset.title} {has}.", "Leave out --split."
        )
    return [split]


def take_contents(folder: Path) -> Contents:
    """Lists, archives and images below a folder; links to folders are followed, each once."""
    contents = Contents()
    seen: set[str] = set()
    pending = [str(folder)]
    while pending:
        place = pending.pop()
        if (real := os.path.realpath(place)) in seen:
            continue
        seen.add(real)
        with os.scandir(place) as entries:
            for entry in entries:
                name = entry.name.lower()
                if name.startswith("."):
                    continue
                if is_folder(entry):
                    pending.append(entry.path)
                elif name.endswith(LIST_SUFFIXES):
                    contents.lists.setdefault(Path(place), set()).add(entry.name)
                elif ARCHIVE.fullmatch(name):
                    contents.archives.append(Path(entry.path))
                elif name.endswith(IMAGE_SUFFIXES):
                    contents.images += 1
    contents.archives.sort()
    return contents


def is_among(name: str, files: Collection[str]) -> bool:
    """Whether a list is there, by one of its names."""
    return any(
        choice in files or ("*" in choice and any(fnmatchcase(file, choice) for file in files))
        for choice in name.split("|")
    )


def find_lists(
    dataset: Dataset, folder: Path, contents: Contents, splits: Sequence[int | None]
) -> Path | None:
    """The folder with most of a dataset's lists, in or beside the folder of videos."""
    names = [name for split in splits for name in dataset.list_names(split)]
    places = dict(contents.lists)
    above = folder.absolute().parent
    for place in (above, *(above / name for name in FOLDERS_BESIDE)):
        with contextlib.suppress(OSError):  # most of them are not there
            places.setdefault(place, set(os.listdir(place)))
    count = {place: sum(is_among(name, files) for name in names) for place, files in places.items()}
    best = max(count, key=lambda place: (count[place], -len(place.parts)), default=None)
    return best if best and count[best] else None


def absent_lists(dataset: Dataset, lists: Path | None, split: int | None) -> list[str]:
    try:
        files = set(os.listdir(lists)) if lists else set()
    except OSError as error:
        raise InputError(
            f"cannot read {lists}: {error.strerror}.", "Give the folder of the lists: --annotations FOLDER"
        ) from error
    return [name for name in dataset.list_names(split) if not is_among(name, files)]


def index_split(dataset: Dataset, folder: Path, lists: Path | None, split: int | None) -> Indexed:
    if dataset.name not in ROSTERS:
        return index_source(folder, dataset.source, lists, split)
    read, key = ROSTERS[dataset.name]
    named, listing = read(lists or folder), find_videos(folder)
    found = match(folder, {"source": "csv"}, dataset.title, listing, named, key)
    spellings: dict[str, str] = {}
    folders = {file.path: class_of(file, spellings) for file in listing.videos}
    videos = tuple(replace(video, label=video.label or folders[video.path]) for video in found.videos)
    found = replace(found, videos=videos)
    if any(video.split for video in named.videos.values()):
        return found
    # Without splits, the check takes every video for one that its split does not use.
    on_disk = {key(file) for file in listing.videos}
    absent = tuple(video.name for name, video in named.videos.items() if name not in on_disk)
    missing = Finding("missing", "named but not on disk", absent, "Get them, or continue without them.")
    summary = (
        f"{dataset.title} has {len(named.videos)} videos; {len(named.videos) - len(absent)} are on disk."
    )
    findings = (missing, *found.check.findings) if absent else found.check.findings
    return replace(found, check=replace(found.check, summary=summary, findings=findings))


def no_bytes(videos: Sequence[VideoFile]) -> Finding:
    names = tuple(video.path for video in videos if video.bytes == 0)
    return Finding("empty", "of no bytes", names, "Get or unpack them again.")


def no_video(dataset: Dataset, folder: Path, contents: Contents) -> Finding:
    images = f" The {contents.images} images in it are not read: frames are made of the videos."
    hint = f"Get the videos from {dataset.page}.{images if contents.images else ''}"
    return Finding("no video", "no video in", (str(folder),), hint)


def of_other_names(dataset: Dataset, videos: Sequence[VideoFile], error: NoMatchError) -> Finding:
    return Finding(
        "layout",
        f"videos on disk, none of them of {dataset.title}",
        tuple(video.path for video in videos),
        f"{error.hint.partition(';')[0]}. Is it the folder of another dataset, or were files renamed?",
    )


def lists_missing(dataset: Dataset, absent: Mapping[int | None, Sequence[str]]) -> Finding:
    names = dict.fromkeys(spell_out(name) for names in absent.values() for name in names)
    hint = f"Get them from {dataset.page}, or say where they are: --annotations FOLDER."
    return Finding("list", "official lists that were not found", tuple(names), hint)


def without_class(found: Indexed, lists: Path | None) -> Finding:
    """Videos whose class only a folder could tell."""
    nameless = tuple(video.path for video in found.videos if not video.label and (video.split or not lists))
    return Finding(
        "layout", "in no folder of a class", nameless, "Move each into a folder named as its class."
    )


def still_packed(dataset: Dataset, folder: Path, contents: Contents, findings: Sequence[Finding]) -> Finding:
    """Archives that may hold what is missing; one whose content is there is none of them."""
    kinds = {finding.kind: finding.names for finding in findings}
    packed = []
    for path in contents.archives:
        name, stem = path.name, path.name.partition(".")[0]
        if name in dataset.files and ARCHIVE_OF_LISTS.search(name):
            wanted = "list" in kinds
        elif stem in dataset.class_names and "no video" not in kinds:
            wanted = any(is_of_class(video, stem) for video in kinds.get("missing", ()))
        else:
            wanted = bool({"no video", "missing", "empty"} & kinds.keys())
        if wanted:
            packed.append(os.path.relpath(path, folder))
    return Finding(
        "archive", "archives that may hold what is missing", tuple(packed), f"Unpack them: {dataset.unpack}."
    )


def is_of_class(video: str, class_name: str) -> bool:
    """Whether a published name is of a class: ``walk/…`` or ``…_walk…``."""
    if "/" in video:
        return video.startswith(f"{class_name}/")
    return re.search(rf"_{class_name}(?![a-z])", video) is not None


def merge(findings: Iterable[Finding]) -> list[Finding]:
    """One finding of a kind and message for all splits, with the names of each once."""
    merged: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        message = re.sub(r" split \d$", "", finding.message)
        before = merged.get((finding.kind, message))
        names = tuple(dict.fromkeys([*(before.names if before else ()), *finding.names]))
        if names:
            merged[finding.kind, message] = replace(finding, message=message, names=names)
    return list(merged.values())
