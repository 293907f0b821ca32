"""Annotation files: finding and reading them."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from fame_cli.errors import InputError

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "validate": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


class Named(NamedTuple):
    """A video as listed in annotations."""

    name: str
    """Name as published, for messages."""
    label: str
    split: str
    """Empty if the annotations list the video as unused."""
    frames: int = 0
    """Published length; 0 if not published."""
    group: str = ""
    """What it shares with other videos, if given in the annotations."""


@dataclass(frozen=True)
class Annotations:
    """All videos in the annotations, by the key that identifies a video."""

    videos: Mapping[str, Named]
    contradicted: tuple[str, ...]
    """Names listed more than once, with different splits or classes."""


def gather(named: Iterable[tuple[str, Named]]) -> Annotations:
    """Collect listed videos by key; if one is listed twice, the first is used."""
    videos: dict[str, Named] = {}
    contradicted = []
    for key, video in named:
        first = videos.setdefault(key, video)
        if (first.label, first.split) != (video.label, video.split):
            contradicted.append(video.name)
    return Annotations(videos, tuple(contradicted))


def find_annotations(root: Path, folders: Sequence[str], needed: str, dataset: str) -> Path:
    """The folder in or beside ``root`` with files like ``needed``; raises InputError if there is none."""
    for place in (root, root.parent):
        for folder in folders:
            if any((place / folder).glob(needed)):
                return place / folder
    looked_for = " or ".join(f"{folder}/{needed}".removeprefix("./") for folder in folders)
    raise InputError(
        f"found no {looked_for} in or beside {root}.",
        f"Give the folder of {dataset}'s official files: --annotations FOLDER. Where they are: fame datasets",
    )


def read_text(path: Path) -> str:
    """The text of an annotation file; bytes that are not UTF-8 are kept as in file names."""
    try:
        return path.read_bytes().decode("utf-8-sig", "surrogateescape")
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror}.", "Check --annotations and, if given, --split."
        ) from error


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Non-empty lines with their numbers."""
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            yield number, line.strip()


def read_table(path: Path, needed: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of a CSV file by column name, with line numbers; raises InputError if a column is missing."""
    rows = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    try:
        columns = [name.strip().lower() for name in next(rows, [])]
        if missing := [name for name in needed if name not in columns]:
            raise InputError(
                f"{path} has no column {', '.join(missing)}: its first line is {','.join(columns)!r}.",
                f"Expected a first line that names the columns, with {','.join(needed)} among them.",
            )
        for row in rows:
            if row and len(row) != len(columns):
                raise unreadable(path, rows.line_num, f"{len(row)} values for {len(columns)} columns")
            if row:
                yield rows.line_num, dict(zip(columns, row, strict=True))
    except csv.Error as error:
        raise unreadable(path, rows.line_num, str(error)) from error


def unreadable(path: Path, line: int, why: str) -> InputError:
    return InputError(f"{path}, line {line}: {why}.", "Correct the line, or get the file again.")


def same_class(name: str) -> str:
    """A class name normalised for comparison: spaces equal underscores, and case is ignored."""
    return name.replace("_", " ").casefold()
