"""Diving48 V2: videos and the JSON lists of October 2020 (Li, Li and Vasconcelos 2018)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fame_cli.data.sources.annotations import Named, find_annotations, gather, read_text
from fame_cli.data.sources.check import Indexed, match
from fame_cli.data.sources.files import find_videos
from fame_cli.errors import InputError

LIST = "Diving48_V2_{split}.json"
VOCABULARY = "Diving48_vocab.json"


def index_diving48(root: Path, annotations: Path | None) -> Indexed:
    """Index Diving48 with its V2 lists.

    ``annotations`` contains Diving48_V2_train.json, Diving48_V2_test.json and, for the names of the classes,
    Diving48_vocab.json; by default in or beside ``root``. Videos are matched by name without suffix.

    The released files are already cut: every range of the V2 lists starts at frame 0 and ends at the length
    of the file. Ranges are therefore only used to check the length of files. A range that starts later is
    refused, since it would belong to other files.
    """
    files = find_videos(root)
    lists = annotations or find_annotations(
        root, [".", "annotations"], LIST.format(split="train"), "Diving48 V2"
    )
    classes = read_vocabulary(lists / VOCABULARY)
    named = gather(
        video
        for split in ("train", "test")
        for video in read_list(lists / LIST.format(split=split), split, classes)
    )
    source = {"source": "diving48", "annotations": str(lists)}
    return match(root, source, "Diving48 V2", files, named, key=lambda file: file.stem, label=lambda _: "")


def read_list(path: Path, split: str, classes: list[str]) -> Iterator[tuple[str, Named]]:
    for place, row in enumerate(read_json(path)):
        try:
            name, number = str(row["vid_name"]), int(row["label"])
            start, end = int(row.get("start_frame", 0)), int(row.get("end_frame", 0))
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            raise wrong(
                path, f"entry {place} is {row!r}; expected vid_name, label, start_frame, end_frame"
            ) from error
        if start != 0:
            raise wrong(path, f"{name} begins at frame {start}; the released files are cut and begin at 0")
        yield name, Named(name, class_name(path, classes, number), split, frames=end)


def class_name(path: Path, classes: list[str], number: int) -> str:
    """The name of a class, or its two-digit number if there is no vocabulary."""
    if not classes:
        return f"{number:02d}"
    if not 0 <= number < len(classes):
        raise wrong(path, f"label {number} is not among the {len(classes)} of {VOCABULARY}")
    return classes[number]


def read_vocabulary(path: Path) -> list[str]:
    """Names such as Back_15som_05Twis_FREE: take-off, somersaults, twists, position."""
    if not path.exists():
        return []
    try:
        return ["_".join(parts) for parts in read_json(path)]
    except TypeError as error:
        raise wrong(path, "expected a list of lists of words") from error


def read_json(path: Path) -> list[Any]:
    try:
        content = json.loads(read_text(path))
    except ValueError as error:
        raise wrong(path, str(error)) from error
    if not isinstance(content, list):
        raise wrong(path, f"expected a list, found a {type(content).__name__}")
    return content


def wrong(path: Path, why: str) -> InputError:
    return InputError(f"{path}: {why}.", "Get the V2 lists again from the page of Diving48.")
