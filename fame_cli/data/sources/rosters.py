"""All videos of the datasets that ``fame extract`` reads through a CSV file (``fame datasets annotations``).

Each roster gives every official video with class, split and group by the key that a file is found by.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from fame_cli.data.sources.annotations import Annotations, Named, gather, read_lines, read_text
from fame_cli.data.sources.catalogue import KTH_CLASSES, WEIZMANN_CLASSES
from fame_cli.data.sources.files import VideoFile
from fame_cli.data.sources.kinetics import CLIP
from fame_cli.errors import InputError

KTH_TRAIN = range(11, 19)
KTH_VAL = (1, 4, 19, 20, 21, 23, 24, 25)
KTH_NEVER_PUBLISHED = "person13_handclapping_d3_uncomp"

WEIZMANN_PERSONS = "daria denis eli ido ira lena lyova moshe shahar"
WEIZMANN_TWICE = ("run", "skip", "walk")
"""What one person, Lena, does in two videos."""


def kth(_lists: Path) -> Annotations:
    """KTH: all persons, actions and scenarios; the split goes by person (Schuldt et al. 2004)."""
    return gather(kth_videos())


def kth_videos() -> Iterator[tuple[str, Named]]:
    for action in KTH_CLASSES.split():
        for person in range(1, 26):
            split = "train" if person in KTH_TRAIN else "val" if person in KTH_VAL else "test"
            for scenario in range(1, 5):
                name = f"person{person:02d}_{action}_d{scenario}_uncomp"
                if name != KTH_NEVER_PUBLISHED:
                    yield name, Named(f"{name}.avi", action, split, group=f"person{person:02d}")


def weizmann(_lists: Path) -> Annotations:
    """Weizmann: all persons and actions, without a split."""
    return gather(weizmann_videos())


def weizmann_videos() -> Iterator[tuple[str, Named]]:
    for action in WEIZMANN_CLASSES.split():
        for person in WEIZMANN_PERSONS.split():
            takes = ("1", "2") if person == "lena" and action in WEIZMANN_TWICE else ("",)
            for take in takes:
                name = f"{person}_{action}{take}"
                yield name, Named(f"{name}.avi", action, "", group=person)


def something_something(lists: Path) -> Annotations:
    """Something-Something V2 by its JSON lists; the class is the template without its brackets."""
    return gather(
        video
        for split, name in (("train", "train.json"), ("val", "validation.json"))
        for prefix in ("", "something-something-v2-")
        if (path := lists / f"{prefix}{name}").exists()
        for video in read_templates(path, split)
    )


def read_templates(path: Path, split: str) -> Iterator[tuple[str, Named]]:
    try:
        for row in json.loads(read_text(path)):
            name, template = str(row["id"]), str(row["template"])
            yield name, Named(f"{name}.webm", template.replace("[", "").replace("]", ""), split)
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{path} is not a list of Something-Something V2: expected entries with id and template.",
            "Get it again from the page of the dataset.",
        ) from error


def mini_kinetics(lists: Path) -> Annotations:
    """Mini-Kinetics-200 by its lists of YouTube ids, without classes."""
    return gather(
        (line, Named(line, "", split))
        for split in ("train", "val")
        for path in sorted(lists.glob(f"*{split}_ytid_list.txt"))
        for _, line in read_lines(path)
    )


def stem_of(file: VideoFile) -> str:
    return file.stem.casefold()


def youtube_id_of(file: VideoFile) -> str:
    clip = CLIP.fullmatch(file.stem)
    return clip["id"] if clip else file.stem


ROSTERS: dict[str, tuple[Callable[[Path], Annotations], Callable[[VideoFile], str]]] = {
    "kth": (kth, stem_of),
    "weizmann": (weizmann, stem_of),
    "something-something-v2": (something_something, stem_of),
    "mini-kinetics-200": (mini_kinetics, youtube_id_of),
}
"""By dataset: how its videos are read from a folder of lists, and the key of a file."""
