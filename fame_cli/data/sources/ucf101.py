"""UCF101: class folders and the official split files (Soomro et al. 2012)."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from fame_cli.data.sources.annotations import (
    Named,
    find_annotations,
    gather,
    read_lines,
    same_class,
    unreadable,
)
from fame_cli.data.sources.check import Indexed, match
from fame_cli.data.sources.files import VIDEO_SUFFIXES, VideoFile, find_videos, stem
from fame_cli.errors import ConfigurationError

OFFICIAL_FOLDER = "ucfTrainTestlist"


def index_ucf101(root: Path, annotations: Path | None, split: int) -> Indexed:
    """Index UCF101 with official split 1, 2 or 3.

    ``annotations`` contains trainlist0N.txt, testlist0N.txt and, optionally, classInd.txt; by default
    ``ucfTrainTestlist`` in or beside ``root``. Videos are matched by name without suffix, in any folder,
    ignoring case.
    """
    require_split(split, "UCF101")
    files = find_videos(root)
    lists = annotations or find_annotations(root, [OFFICIAL_FOLDER], "trainlist*.txt", "UCF101")
    classes = read_classes(lists / "classInd.txt")
    named = gather(
        video
        for part in ("train", "test")
        for video in read_list(lists / f"{part}list{split:02d}.txt", part, classes)
    )

    def label(file: VideoFile) -> str:
        return classes.get(same_class(file.folder), file.folder)

    source = {"source": "ucf101", "split": split, "annotations": str(lists)}
    return match(root, source, f"UCF101 split {split}", files, named, key=name_of, label=label)


def require_split(split: int, dataset: str) -> None:
    if split not in (1, 2, 3):
        raise ConfigurationError(f"--split is {split}; {dataset} has the splits 1, 2 and 3.")


def name_of(file: VideoFile) -> str:
    return file.stem.casefold()


def read_classes(path: Path) -> dict[str, str]:
    """Class names of classInd.txt ("1 ApplyEyeMakeup"), by their normalised spelling."""
    if not path.exists():
        return {}
    names = [line.split(maxsplit=1)[-1] for _, line in read_lines(path)]
    return {same_class(name): name for name in names}


def read_list(path: Path, split: str, classes: dict[str, str]) -> Iterator[tuple[str, Named]]:
    """Videos of an official list: ``Class/video.avi``, optionally followed by a class number."""
    for number, line in read_lines(path):
        name = re.sub(r"\s+\d+$", "", line)
        if os.path.splitext(name)[1].lower() not in VIDEO_SUFFIXES:
            raise unreadable(path, number, f"{line!r} names no video")
        folder = name.rpartition("/")[0].rpartition("/")[2]
        yield stem(name).casefold(), Named(name, classes.get(same_class(folder), folder), split)
