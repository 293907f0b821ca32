"""Kinetics-400, -600 and -700: the published CSV files, or class folders only (Kay et al. 2017)."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from fame_cli.data.sources.annotations import (
    SPLIT_NAMES,
    Annotations,
    Named,
    gather,
    read_table,
    read_text,
    same_class,
    unreadable,
)
from fame_cli.data.sources.check import Check, Finding, Indexed, match, no_videos
from fame_cli.data.sources.files import Listing, VideoFile, find_videos
from fame_cli.data.sources.folder import summary
from fame_cli.errors import InputError

CLIP = re.compile(r"(?P<id>[\w-]{11})_(?P<start>\d+)_(?P<end>\d+)", re.ASCII)
YOUTUBE_ID = re.compile(r"[\w-]{11}", re.ASCII)
SPLIT_FOLDER = re.compile(
    rf"(?:(?:kinetics|k\d|videos)[\w-]*[_-])?({'|'.join(SPLIT_NAMES)})(?:[_-]?\d+p?)?",
    re.ASCII | re.IGNORECASE,
)
"""Matches train, videos_val, kinetics-400_test or train_256, but not the class battle_rope_training."""


def index_kinetics(root: Path, annotations: Path | None) -> Indexed:
    """Index Kinetics by its CSV files, or by its folders if no ``annotations`` are given.

    ``annotations`` is a CSV file with the column youtube_id and, optionally, label, time_start, time_end and
    split, or a folder of such files. Files are matched by the name ``<id>_<start>_<end>`` or, if the CSV has
    only one clip of a YouTube video, ``<id>``, in any folder.
    """
    files = find_videos(root)
    if annotations is None:
        return index_folders(root, files)
    classes: dict[str, str] = {}
    paths = csv_files(annotations)
    named = gather(video for path in paths for video in read_clips(path, classes))
    source = {"source": "kinetics", "annotations": str(annotations)}
    title = f"Kinetics ({', '.join(path.name for path in paths)})"
    return match(
        root, source, title, files, named, keys_among(named), label=lambda file: class_of(file, classes)
    )


def csv_files(annotations: Path) -> list[Path]:
    if not annotations.is_dir():
        return [annotations]
    paths = [
        path
        for path in sorted(annotations.glob("*.csv"))
        if "youtube_id" in read_text(path).partition("\n")[0]
    ]
    if not paths:
        raise InputError(
            f"{annotations} holds no CSV file with a column youtube_id.",
            "Give Kinetics' CSV file, or a folder of them: --annotations train.csv",
        )
    return paths


def read_clips(path: Path, classes: dict[str, str]) -> Iterator[tuple[str, Named]]:
    split_of_file = split_of(path.stem)
    for line, blanks in read_table(path, ["youtube_id"]):
        row = {column: value.strip() for column, value in blanks.items()}
        name = row["youtube_id"]
        try:
            if row.get("time_start") and row.get("time_end"):
                name += f"_{round(float(row['time_start'])):06d}_{round(float(row['time_end'])):06d}"
        except (ValueError, OverflowError) as error:
            raise unreadable(path, line, str(error)) from error
        split = row.get("split", "").lower() or split_of_file
        if not split:
            raise unreadable(path, line, "there is no column split, and the file's name does not give one")
        yield name, Named(name, class_name(row.get("label", ""), classes), SPLIT_NAMES.get(split, split))


def class_name(name: str, classes: dict[str, str]) -> str:
    """A class's name with spaces, in the first spelling found."""
    return classes.setdefault(same_class(name), name.replace("_", " ")) if name else ""


def split_of(name: str) -> str:
    """The split in the name of a folder or file, or nothing."""
    found = SPLIT_FOLDER.fullmatch(name)
    return SPLIT_NAMES[found[1].lower()] if found else ""


def clip_name(file: VideoFile) -> str:
    """The file's name without suffix, with both times in six digits."""
    clip = CLIP.fullmatch(file.stem)
    return f"{clip['id']}_{int(clip['start']):06d}_{int(clip['end']):06d}" if clip else file.stem


def keys_among(named: Annotations) -> Callable[[VideoFile], str]:
    """Matches a file's name to a listed clip: by id and times, or by an id with only one clip."""
    ids = {key: CLIP.fullmatch(key) for key in named.videos}
    clips = Counter(clip["id"] for clip in ids.values() if clip)
    alone = {clip["id"]: key for key, clip in ids.items() if clip and clips[clip["id"]] == 1}

    def key(file: VideoFile) -> str:
        if (name := file.stem) in named.videos or (name := clip_name(file)) in named.videos:
            return name
        clip = CLIP.fullmatch(name)
        return clip["id"] if clip else alone.get(name, name)

    return key


def index_folders(root: Path, listing: Listing) -> Indexed:
    """Index ``root/class/video`` or ``root/split/class/video`` by the names of the folders."""
    classes: dict[str, str] = {}
    holders: dict[str, str] = {}
    videos, again = [], []
    for file in listing.videos:
        split = next((split for folder in file.folders if (split := split_of(folder))), "")
        videos.append(file.video(class_of(file, classes), split))
        name = clip_name(file)
        known = CLIP.fullmatch(name) or YOUTUBE_ID.fullmatch(name)
        if known and holders.setdefault(name, file.path) != file.path:
            again.append(file.path)
    twice = Finding(
        "repeated",
        "with the same name as another clip",
        tuple(again),
        "They are extracted as well: remove one of each.",
    )
    findings = tuple(finding for finding in (twice, no_videos(listing)) if finding.names)
    check = Check(summary(videos), findings)
    return Indexed(root, {"source": "kinetics", "annotations": ""}, tuple(videos), check)


def class_of(file: VideoFile, classes: dict[str, str]) -> str:
    """The class named by the innermost folder, unless it is a split folder."""
    return "" if split_of(file.folder) else class_name(file.folder, classes)
