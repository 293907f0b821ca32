"""The views that an objective requests of each video: frames, allowed changes, and drawn values."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from fame_cli.errors import ConfigurationError

Frames = Literal["random", "same", "apart", "after"]
Augmentation = Literal["grayscale", "jitter", "flip", "blur"]
AUGMENTATIONS: frozenset[Augmentation] = frozenset(get_args(Augmentation))


@dataclass(frozen=True)
class Role:
    """One view of each video, as requested by an objective; crop and augmentation are drawn for each view.

        query = Role("query", distracted=True)
        negative = Role("negative", frames="apart", gap_frames=15)
        turned = Role("turned", augmentations=AUGMENTATIONS - {"flip"}, draw=draw_turn)

    Roles are sent to data loader processes, so ``draw`` must be a function or bound method that can be
    pickled.
    """

    name: str
    frames: Frames = "random"
    """random: an independent time; same: the frames of the objective's first role; apart: a time at least
    ``gap_frames`` from that of the first role; after: exactly ``gap_frames`` after that of the first role,
    which then begins early enough."""
    gap_frames: int = 0
    """Distance, at least or exactly, between the starts of an "apart" or "after" clip and of the first
    role's, in frames of the video. If a video is too short, the clip is as far away as possible and
    ``View.apart`` is False."""
    distracted: bool = False
    """Whether the distraction, if any, is applied to the view."""
    square: bool = False
    """Whether the crop is square. Others have aspect ratios of 3/4 to 4/3 and are stretched, on landscape
    frames more often one way than the other, which reveals the orientation."""
    augmentations: frozenset[Augmentation] = AUGMENTATIONS
    """Those that the objective tolerates: one that predicts directions of motion does not allow flips."""
    draw: Callable[[np.random.Generator], Mapping[str, Any]] | None = None
    """Draws values for the objective for each clip (such as its rotation): plain values or arrays by name.
    They have their own random generator and reach the objective as ``View.drawn``."""


def require_roles(roles: Sequence[Role]) -> None:
    """Raise ConfigurationError unless samples can be made for these roles of one objective."""

    def require(holds: bool, message: str) -> None:
        if not holds:
            raise ConfigurationError(f"the roles of the objective do not fit together: {message}.")

    require(len(roles) > 0, "there is none")
    twice = [name for name, count in Counter(role.name for role in roles).items() if count > 1]
    require(not twice, f"{', '.join(map(repr, twice))} is there more than once")
    first = roles[0]
    require(
        first.frames == "random",
        f"the first, {first.name!r}, has frames={first.frames!r}, which is meant beside the first",
    )
    for role in roles:
        known = role.frames in get_args(Frames)
        require(known, f"{role.name!r} has frames={role.frames!r}; expected {', '.join(get_args(Frames))}")
        unknown = sorted(role.augmentations - AUGMENTATIONS)
        require(not unknown, f"{role.name!r} names augmentations that do not exist: {', '.join(unknown)}")
        apart = role.frames in ("apart", "after")
        require(
            role.gap_frames >= 1 if apart else role.gap_frames == 0,
            f"{role.name!r} has frames={role.frames!r} and gap_frames={role.gap_frames}; "
            f"expected {'1 or more' if apart else '0, since only apart and after have a gap'}",
        )
