"""Which test video meets which background: drawn once, kept as a file, the same for every network.

A pairing knows videos by their ids and stripes by numbers, and nothing of the networks, clips or masks of an
evaluation, so that checkpoints on different machines can meet the same clips.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from fame_cli.config import fingerprint
from fame_cli.data.clips import generator_for
from fame_cli.errors import ArtefactError, InputError
from fame_cli.evaluation.bias.stripes import Stripes, draw_stripes
from fame_cli.evaluation.splits import LabelledVideos, first_few
from fame_cli.sealed import read_sealed, write_sealed

SCHEMA_VERSION = 1
FOLDER = "pairings"
"""In WORK."""


@dataclass(frozen=True)
class Pair:
    """The backgrounds that one test video meets."""

    same: str | None
    """Id of another video of its class, of another group where there is one; None where there is none."""
    other: str | None
    """Id of a video of another class."""
    stripes: Stripes


@dataclass(frozen=True)
class Pairing:
    """The backgrounds of all test videos, by their ids."""

    seed: int
    pairs: Mapping[str, Pair]

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint({name: asdict(pair) for name, pair in sorted(self.pairs.items())})


def draw_pairing(videos: LabelledVideos, seed: int) -> Pairing:
    """Draw a background of the same and of another class for each test video, and stripes.

    Backgrounds are of test videos too: those of training videos were seen when the classifier learned, and
    would win more often. They are of classes that were learned, and of another group (film, person) than the
    video where there is one. Each draw has the address (seed, "bias", kind, video).
    """
    known = [
        (video.id, video.label, group)
        for video, group in sorted(
            zip(
                (videos.frames.videos[video_index] for video_index in videos.test),
                videos.groups(videos.test),
                strict=True,
            ),
            key=lambda one: one[0].id,
        )
    ]
    learned = set(videos.class_names)
    pairs = {}
    for name, label, group in known:
        same = [one for one in known if one[1] == label and one[0] != name]
        other = [one for one in known if one[1] != label and one[1] in learned]
        pairs[name] = Pair(
            choose_partner(same, group, seed, "same", name),
            choose_partner(other, group, seed, "other", name),
            draw_stripes(generator_for(seed, "bias", "stripes", name)),
        )
    return Pairing(seed, pairs)


def choose_partner(
    candidates: Sequence[tuple[str, str, str]], group: str, seed: int, kind: str, name: str
) -> str | None:
    """One of the candidates (id, label, group), of another group if there is one."""
    best = [one for one in candidates if not group or one[2] != group] or candidates
    if not best:
        return None
    return best[int(generator_for(seed, "bias", kind, name).integers(len(best)))][0]


def pairing_path(work: Path, videos: LabelledVideos, seed: int) -> Path:
    """Where the pairing of some test videos is kept, whoever tests on them."""
    shown = [videos.frames.videos[video_index] for video_index in videos.test]
    groups = videos.groups(videos.test)
    named = sorted([video.id, video.label, group] for video, group in zip(shown, groups, strict=True))
    return work / FOLDER / f"pairing-{fingerprint([SCHEMA_VERSION, seed, videos.class_names, named])}.json"


def keep_pairing(path: Path, videos: LabelledVideos, seed: int) -> Pairing:
    """The pairing in a file, or one that is drawn and written there."""
    if path.exists():
        return read_pairing(path)
    pairing = draw_pairing(videos, seed)
    pairs = {name: asdict(pair) for name, pair in pairing.pairs.items()}
    write_sealed(path, {"schema_version": SCHEMA_VERSION, "seed": seed, "pairs": pairs})
    return pairing


def read_pairing(path: Path) -> Pairing:
    """The pairing that ``keep_pairing`` wrote; raises ArtefactError where it is missing or was changed."""
    hint = "Copy it again, or evaluate without --pairing: the same test videos give the same pairing."
    try:
        values = read_sealed(path)
        if (found := values["schema_version"]) != SCHEMA_VERSION:
            raise ValueError(f"its schema version is {found}, this version reads {SCHEMA_VERSION}")
        pairs = {
            name: Pair(
                pair["same"],
                pair["other"],
                Stripes(**{**pair["stripes"], "colour": tuple(pair["stripes"]["colour"])}),
            )
            for name, pair in values["pairs"].items()
        }
        return Pairing(values["seed"], pairs)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtefactError(f"{path}: cannot be read as a pairing ({error}).", hint) from error


def require_videos(pairing: Pairing, videos: LabelledVideos, path: Path) -> None:
    """Raise InputError where a pairing lacks a test video, or names a background that is not there."""
    there = {videos.frames.videos[video_index].id for video_index in videos.test}
    if lacking := sorted(there - pairing.pairs.keys()):
        raise InputError(
            f"{path} pairs other videos: it has no background for {len(lacking)} of {len(there)} test videos "
            f"({first_few(lacking)}).",
            "Give the pairing of this test split, or leave --pairing out.",
        )
    named = {name for test in there for name in (pairing.pairs[test].same, pairing.pairs[test].other) if name}
    usable = {video.id for video in videos.frames.videos if video.usable}
    if gone := sorted(named - usable):
        raise InputError(
            f"{path} names {len(gone)} videos as backgrounds that are not here, or could not be read: "
            f"{first_few(gone)}.",
            "Extract them too, or leave --pairing out.",
        )
