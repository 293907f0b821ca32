"""A still frame added to every frame of a clip (BE: Wang et al. 2021, section 3.1).

The frame is seen at every time, so it changes what the clip looks like and leaves its differences between
frames, its motion, in place: x_j ← (1 − λ)·x_j + λ·x_k.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from fame_cli.distraction.distraction import Distraction, Extras, Reads


class StillFrame(Distraction):
    """Adds one frame of the clip itself (``source`` "intra") or of another video's clip ("inter").

    BE mixes clips that are augmented and normalised already, and so is the frame.

    Args:
        gamma: λ is drawn evenly from [0, gamma) for each sample (0.3 in the published code).
        source: whose frame it is: "intra" or "inter".

        distraction = StillFrame(gamma=0.3, source="intra")
        drawn = default_collate([distraction.draw(generator) for _ in clips])
        distracted = distraction.apply(clips, drawn, Extras(), None)
    """

    augmented = True

    def __init__(self, *, gamma: float, source: str) -> None:
        self.gamma = gamma
        self.reads = Reads(partner=source == "inter")

    def draw(self, generator: np.random.Generator) -> dict[str, Any]:
        """λ, and the frame's place in the clip as a share of its length in [0, 1)."""
        return {
            "weight": np.float32(self.gamma * generator.random()),
            "place": generator.random(),
        }

    def apply(
        self,
        clips: Tensor,
        drawn: Mapping[str, Tensor],
        extras: Extras,  # noqa: ARG002, nothing else is read
        partners: Tensor | None,
    ) -> Tensor:
        B, _, T, _, _ = clips.shape
        frames = clips if partners is None else partners
        place = (drawn["place"] * T).long().clamp_max(T - 1)  # in float32 a place may round up to 1
        index = place.view(B, 1, 1, 1, 1).expand(-1, frames.shape[1], 1, *frames.shape[3:])
        return clips.lerp(frames.gather(2, index), drawn["weight"].view(B, 1, 1, 1, 1))
