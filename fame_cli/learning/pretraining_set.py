"""Which videos a pretraining learned from, so that a later test can tell whether it tests on them."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from fame_cli import record
from fame_cli.data.manifest import Manifest
from fame_cli.data.sources.files import stem
from fame_cli.disk import write_json
from fame_cli.errors import ArtefactError

SET_FILE = "pretraining_set.json"
SCHEMA_VERSION = 1
UNIQUE_NAMES = frozenset({"ucf101", "hmdb51", "diving48", "kinetics"})
"""Data sets that name each video once, whoever copied or recompressed it."""


@dataclass(frozen=True)
class PretrainingSet:
    """Videos by their place and size, as the manifest had them when the pretraining began."""

    root: str
    """The folder that was indexed."""
    source: str
    """How: folder, ucf101, …"""
    videos: Mapping[str, int]
    """Bytes of each video's file, by id."""
    earlier: "tuple[PretrainingSet, ...] | None" = ()
    """What the weights that it began with had seen before; None where nobody knows."""

    @property
    def parts(self) -> "list[PretrainingSet]":
        """This set and all earlier ones, as far as they are known."""
        return [self, *(part for one in self.earlier or () for part in one.parts)]

    def find_shared(self, manifest: Manifest, video_indices: Iterable[int]) -> tuple[str, ...]:
        """Ids of the videos at ``video_indices`` of a manifest that are in this set.

        Below the same folder a video that is still there is told by its id. Otherwise it is the same if file
        name (without folders and suffix, in capitals or not) and size are; of a data set that names each
        video once, the name is enough. Copies that were renamed, or recompressed outside those data sets, are
        not found.
        """
        indices = list(video_indices)
        seen = {name for part in self.parts for name in part.find_own(manifest, indices)}
        return tuple(video.id for index in indices if (video := manifest.videos[index]).id in seen)

    def find_own(self, manifest: Manifest, video_indices: Iterable[int]) -> tuple[str, ...]:
        """The same without what earlier sets hold."""
        videos = [manifest.videos[video_index] for video_index in video_indices]
        by_name = self.source in UNIQUE_NAMES and self.source == manifest.source.get("source")
        same: set[str] = set()
        if str(manifest.root) == self.root:
            same = {video.id for video in manifest.videos if video.status != "removed"} & self.videos.keys()
        # Beside one that is still in its place, another may have its name and size: each class counts from 1.
        moved = {name: size for name, size in self.videos.items() if by_name or name not in same}
        known = {(plain_stem(name), 0 if by_name else size) for name, size in moved.items()}
        return tuple(
            video.id
            for video in videos
            if video.id in same or (plain_stem(video.id), 0 if by_name else video.bytes) in known
        )


def plain_stem(path: str) -> str:
    """A file's name without what copies of a data set differ in: capitals, zeros before Kinetics' times."""
    return re.sub(r"_0+(?=\d)", "_", stem(path).casefold())


NOTHING = PretrainingSet("", "", {})
"""Of a network that was never trained."""


def describe_set(manifest: Manifest, video_indices: Sequence[int]) -> PretrainingSet:
    """The set of the videos at ``video_indices`` of a manifest."""
    videos = {
        manifest.videos[video_index].id: manifest.videos[video_index].bytes for video_index in video_indices
    }
    return PretrainingSet(str(manifest.root), str(manifest.source.get("source", "")), videos)


def write_set(path: Path, videos: PretrainingSet) -> None:
    write_json(path, {"schema_version": SCHEMA_VERSION, **asdict(videos)})


def read_set(path: Path) -> PretrainingSet | None:
    """The set that ``write_set`` wrote, or None; raises ArtefactError where it is damaged."""
    hint = "Copy it again from where the pretraining was made; without it, no test can tell what was seen."
    record.require_as_written(path, hint)
    if not path.exists():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if (found := values.pop("schema_version")) != SCHEMA_VERSION:
            raise ValueError(f"its schema version is {found}, this version reads {SCHEMA_VERSION}")
        return parse_set(values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtefactError(f"{path}: cannot be read ({error}).", hint) from error


def parse_set(values: Mapping[str, Any]) -> PretrainingSet:
    earlier = values.get("earlier", [])
    known = None if earlier is None else tuple(map(parse_set, earlier))
    return PretrainingSet(values["root"], values["source"], dict(values["videos"]), known)


def find_set(weights: Path) -> PretrainingSet | None:
    """The set behind a file of weights, where it lies as a run of this toolkit left it; None elsewhere.

    None too where it began with weights of which nobody knows what they had seen.
    """
    weights, found = weights.absolute(), None
    if fnmatch(weights.name, "backbone*.safetensors"):
        found = read_set(weights.parent / SET_FILE)
    elif weights.parts[-2:] == ("checkpoints", "last.pt"):
        found = read_set(weights.parent.parent / SET_FILE)
    return found if found and all(part.earlier is not None for part in found.parts) else None
