"""The base class of distractions: changes to a clip that an encoder should learn to ignore.

Like augmentations, they work in two phases: choices are drawn in the data loader, and clips are changed on
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
    """What a distraction needs besides the clip. Only this is loaded, cropped and exchanged.

    Usage::

        class Mixed(Distraction):
            reads = Reads(partner=True)

            def apply(self, clips, drawn, extras, partners):
                return (clips + partners) / 2
    """

    maps: bool = False
    """The clip's cached seed and colour bins (``fame masks``), in the crop of the clip."""
    hue: Hue = "correct"
    """How the hue of those colour bins was computed."""
    other_time: bool = False
    """A clip from another time of the same video, with the same crop."""
    partner: bool = False
    """The clip of another video of the global batch, with its own crop."""


@dataclass(frozen=True)
class Extras:
    """What was read from each clip's own video; None for what the distraction did not request.

    Usage::

        class Doubled(Distraction):
            reads = Reads(other_time=True)

            def apply(self, clips, drawn, extras, partners):
                return (clips + extras.other_time) / 2
    """

    maps: Maps | None = None
    """Seed and colour bins, (B, h, w) each, as fine as the clips or coarser."""
    other_time: Tensor | None = None
    """(B, C, T, H, W) in [0, 1]."""


class Distraction:
    """Base class of all distractions. Each defines up to three members.

        class Darker(Distraction):
            reads = Reads()

            def draw(self, generator):
                return {"share": generator.uniform(0.5, 1)}

            def apply(self, clips, drawn, extras, partners):
                return clips * drawn["share"].view(-1, 1, 1, 1, 1)

    It is sent to data loader processes, so it must be picklable and hold no GPU tensors.
    """

    reads: Reads = Reads()
    augmented: bool = False
    """Whether it applies to augmented and normalised clips, as in BE, or to pixels in [0, 1], as in FAME."""

    def draw(self, generator: np.random.Generator) -> Mapping[str, Any]:  # noqa: ARG002
        """The random choices of one clip, by name: numbers or arrays with the same shape for all clips.

        The generator is keyed by (seed, epoch, video, view): drawing here affects no other choice, and gives
        the same values in any process.
        """
        return {}

    def apply(
        self, clips: Tensor, drawn: Mapping[str, Tensor], extras: Extras, partners: Tensor | None
    ) -> Tensor:
        """The distracted clips, (B, C, T, H, W) float like the input, which may be overwritten.

        Args:
            clips: (B, C, T, H, W) float32, cropped: in [0, 1], neither augmented nor normalised, or both if
                the distraction is ``augmented``. So are the partners and ``extras.other_time``.
            drawn: what ``draw`` drew, (B, …) by name, on the device of the clips; floats are float32.
            extras: what ``reads`` requests from each clip's own video.
            partners: (B, C, T, H, W) the clips of other videos, if ``reads`` requests them.
        """
        raise NotImplementedError
