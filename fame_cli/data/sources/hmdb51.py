"""HMDB51: class folders and the official split files (Kuehne et al. 2011)."""

from collections.abc import Iterator
from pathlib import Path

from fame_cli.data.sources.annotations import (
    Named,
    find_annotations,
    gather,
    read_lines,
    unreadable,
)
from fame_cli.data.sources.check import Indexed, match
from fame_cli.data.sources.files import find_videos, stem
from fame_cli.data.sources.ucf101 import name_of, require_split
from fame_cli.errors import InputError

OFFICIAL_FOLDERS = ["testTrainMulti_7030_splits", "test_train_splits"]
SPLITS = {"0": "", "1": "train", "2": "test"}


def index_hmdb51(root: Path, annotations: Path | None, split: int) -> Indexed:
    """Index HMDB51 with official split 1, 2 or 3.

    ``annotations`` contains a file ``<class>_test_splitN.txt`` for each class; by default
    ``testTrainMulti_7030_splits`` in or beside ``root``. Videos unused by a split are indexed with an empty
    split. Videos are matched by name without suffix, in any folder, ignoring case.
    """
    require_split(split, "HMDB51")
    files = find_videos(root)
    ending = f"_test_split{split}.txt"
    lists = annotations or find_annotations(root, OFFICIAL_FOLDERS, f"*{ending}", "HMDB51")
    paths = sorted(lists.glob(f"*{ending}"))
    if not paths:
        raise InputError(
            f"{lists} holds no split file such as brush_hair{ending}.",
            "Give the folder of HMDB51's official split files: --annotations FOLDER",
        )
    named = gather(video for path in paths for video in read_list(path, path.name.removesuffix(ending)))
    source = {"source": "hmdb51", "split": split, "annotations": str(lists)}
    return match(
        root, source, f"HMDB51 split {split}", files, named, key=name_of, label=lambda file: file.folder
    )


def read_list(path: Path, label: str) -> Iterator[tuple[str, Named]]:
    """Videos of an official list: ``video.avi`` and 1 (train), 2 (test) or 0 (unused)."""
    for number, line in read_lines(path):
        name, *code = line.rsplit(maxsplit=1)
        if "".join(code) not in SPLITS:
            raise unreadable(path, number, f"{line!r} does not end in 0, 1 or 2")
        yield stem(name).casefold(), Named(f"{label}/{name}", label, SPLITS[code[0]])
