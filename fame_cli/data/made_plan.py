"""What the made videos show: a motion before a background, with a patch or none, and what those tell."""

from collections.abc import Iterator
from dataclasses import dataclass

from fame_cli.errors import ConfigurationError

# Number of turns in a video (0: a straight path), and the amplitudes of x and y in the path; y points down.
# A swing is a circle seen edge-on.
MOTIONS = {
    "move_left": (0, (-1, 0)),
    "move_right": (0, (1, 0)),
    "move_up": (0, (0, -1)),
    "move_down": (0, (0, 1)),
    "circle_clockwise": (1, (1, 1)),
    "circle_counterclockwise": (1, (1, -1)),
    "swing_horizontal": (2, (1, 0)),
    "swing_vertical": (2, (0, 1)),
}
PLACES = len(MOTIONS)
"""Number of backgrounds, and of patches, in the biased set: one for each motion."""


@dataclass(frozen=True)
class Dials:
    """How much of what is not the motion tells it where a network learns, from 0 to 1.

    wide turns the background, micro a patch that shows around the rim of the moving sprite and goes along
    with it. A dial is the share of the videos in which its cue tells

    - the video from all others, in the pretraining set: the rest of the videos share one background, or
      one patch;
    - the motion, in the biased training set: the rest have one of their own, which tells nothing.

    In the biased test set it tells another motion than that of the video, in every one, unless its dial is 0.
    Where micro is 0 nothing has a patch. In the neutral sets nothing tells, whatever the dials say.
    """

    wide: float = 1.0
    micro: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("wide", self.wide), ("micro", self.micro)):
            if not 0 <= value <= 1:
                raise ConfigurationError(f"the dial {name} is {value}; expected 0 to 1.")


DEMO = Dials()
"""The set of ``fame demo``: the background tells everything, and there is no patch."""


@dataclass(frozen=True)
class MadeVideo:
    """The content of one video: a motion in a place; videos with the same place share the same image."""

    path: str
    motion: str
    place: str
    patch: str = ""
    """Videos with the same patch share its image; empty for none."""


def plan_videos(
    pretrain_videos: int, train_per_motion: int, test_per_motion: int, dials: Dials = DEMO
) -> Iterator[MadeVideo]:
    """All videos of the set. By default only the biased part has places that occur more than once."""
    motions = list(MOTIONS)
    for index in range(pretrain_videos):
        path = f"pretrain/{index:04d}"
        # Each motion's videos are counted by themselves, so that no motion has more that tell than another.
        counted = index // len(motions)
        place, patch = (path if tells(counted, dial) else "pretrain" for dial in (dials.wide, dials.micro))
        yield made(path, motions[index % len(motions)], place, patch, dials)
    for split, count in (("train", train_per_motion), ("test", test_per_motion)):
        for number, motion in enumerate(motions):
            for index in range(count):
                name = f"{split}/{motion}/{index:03d}"
                yield made(f"neutral/{name}", motion, f"neutral/{name}", f"neutral/{name}", dials)
                path = f"biased/{name}"
                place, patch = (
                    f"biased/{(number + shift) % PLACES}" if shown else path
                    for shift, shown in cues(split, index, dials)
                )
                yield made(path, motion, place, patch, dials)


def cues(split: str, index: int, dials: Dials) -> Iterator[tuple[int, bool]]:
    """For background and patch of a biased video: how far it is from its own class's, if it is a class's.

    In the test the two are of different classes, so that they do not agree on a wrong one.
    """
    others = PLACES - 1
    for dial, offset in ((dials.wide, 0), (dials.micro, others // 2)):
        if split == "train":
            yield 0, tells(index, dial)
        else:
            yield 1 + (index + offset) % others, dial > 0


def tells(index: int, dial: float) -> bool:
    """Whether a cue tells in the ``index``-th of some videos: in a share of them that is spread evenly."""
    steps = round(1000 * dial)
    return (index + 1) * steps // 1000 > index * steps // 1000


def made(path: str, motion: str, place: str, patch: str, dials: Dials) -> MadeVideo:
    return MadeVideo(path, motion, place, patch if dials.micro > 0 else "")
