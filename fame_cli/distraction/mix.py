"""A clip mixed with that of another video: the rows "video mixup" and "video CutMix" of BE's Table 4.

Zhang et al. 2018 (mixup) and Yun et al. 2019 (CutMix) mix labels as well; here the clip keeps its own, since
what is mixed in is to be ignored.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fame_cli.distraction.distraction import Distraction, Extras, Reads


class Mixup(Distraction):
    """Adds the whole clip of another video: x ← (1 − λ)·x + λ·y, λ even in [0, gamma).

    The other clip moves, so this changes motion as well as background.

    Args:
        gamma: bound of λ, 0.3 as for a still frame; the published code leaves it open.
    """

    augmented = True
    reads = Reads(partner=True)

    def __init__(self, *, gamma: float) -> None:
        self.gamma = gamma

    def draw(self, generator: np.random.Generator) -> dict[str, Any]:
        """λ."""
        return {"weight": np.float32(self.gamma * generator.random())}

    def apply(
        self,
        clips: Tensor,
        drawn: Mapping[str, Tensor],
        extras: Extras,  # noqa: ARG002, nothing else is read
        partners: Tensor | None,
    ) -> Tensor:
        assert partners is not None
        return clips.lerp(partners, drawn["weight"].view(-1, 1, 1, 1, 1))


class CutMix(Distraction):
    """Puts a box of another video's clip on the clip, in the same place in every frame.

    The box has the aspect of the frame and the area 1 − λ of it, λ even in [0, 1) (Yun et al. 2019, section
    3.1, α = 1), and lies around a point drawn evenly from the frame; what hangs over the edge is cut off.
    """

    augmented = True
    reads = Reads(partner=True)

    def draw(self, generator: np.random.Generator) -> dict[str, Any]:
        """The box's side as a share of the frame's, and its middle (2,) in shares of height and width."""
        return {
            "side": np.float32(np.sqrt(1 - generator.random())),
            "middle": generator.random(2).astype(np.float32),
        }

    def apply(
        self,
        clips: Tensor,
        drawn: Mapping[str, Tensor],
        extras: Extras,  # noqa: ARG002, nothing else is read
        partners: Tensor | None,
    ) -> Tensor:
        assert partners is not None
        B, _, _, H, W = clips.shape
        side, middle = drawn["side"].view(B, 1), drawn["middle"]
        # A pixel is in the box where its centre is, along either axis.
        rows, columns = (
            (((torch.arange(length, device=clips.device) + 0.5) / length) - middle[:, axis, None]).abs()
            <= side / 2
            for axis, length in enumerate((H, W))
        )
        box = rows[:, :, None] & columns[:, None, :]
        return torch.where(box[:, None, None], partners, clips)
