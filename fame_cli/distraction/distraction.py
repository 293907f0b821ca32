"""What a distraction is: a change of a clip that an encoder is to see through.

It works in two phases, as augmentation does: choices are drawn in the loader's workers, clips are changed on
the training device.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from fame_cli.foreground.of_clips import Maps
from fame_cli.method import Hue


@dataclass(frozen=True)
class Reads:
    """What a distraction needs beside a clip. Only this is loaded, cropped and exchanged."""

    maps: bool = False
    """The clip's cached seed and colour bins (``fame masks``), in the crop of the clip."""
    hue: Hue = "correct"
    """How the hue of those colour bins was computed."""
    other_time: bool = False
    """A clip of another time of the same video, in the same crop."""
    partner: bool = False
    """The clip of another video of the global batch, in a crop of its own."""


@dataclass(frozen=True)
class Extras:
    """What was read of each clip's own video; None where the distraction did not ask for it."""

    maps: Maps | None = None
    """Seed and colour bins, (B, h, w) each, as fine as the clips or coarser."""
    other_time: Tensor | None = None
    """(B, C, T, H, W) in [0, 1]."""


class Distraction:
    """Base of all distractions; one is a file with a class that says three things.

        class Darker(Distraction):
            reads = Reads()

            def draw(self, generator):
                return {"share": generator.uniform(0.5, 1)}

            def apply(self, clips, drawn, extras, partners):
                return clips * drawn["share"].view(-1, 1, 1, 1, 1)

    It goes to loader processes, so it holds what can be pickled, and no GPU tensors.
    """

    reads: Reads = Reads()
    augmented: bool = False
    """Whether it is applied to clips that are augmented and normalised already, as in BE, rather than to
    pixels in [0, 1], as in FAME."""

    def draw(self, generator: np.random.Generator) -> Mapping[str, Any]:  # noqa: ARG002
        """The random choices of one clip, by name: numbers or arrays of one shape for all clips.

        The generator has an address of its own, (seed, epoch, video, view): what is drawn here moves no other
        choice, and is the same in any process.
        """
        return {}

    def apply(
        self, clips: Tensor, drawn: Mapping[str, Tensor], extras: Extras, partners: Tensor | None
    ) -> Tensor:
        """The distracted clips, (B, C, T, H, W) float as those given, which may be overwritten.

        Args:
            clips: (B, C, T, H, W) float32, cropped: in [0, 1], neither augmented nor normalised, or both if
                the distraction is ``augmented``. So are the partners and ``extras.other_time``.
            drawn: what ``draw`` drew, (B, …) by name, on the device of the clips; floats are float32.
            extras: what ``reads`` asks for of each clip's own video.
            partners: (B, C, T, H, W) the clips of other videos, if ``reads`` asks for them.
        """
        raise NotImplementedError
