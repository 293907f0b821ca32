"""Gaussian noise added to a clip (BE: Wang et al. 2021, Table 4)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fame_cli.distraction.distraction import Distraction, Extras, Reads


class GaussianNoise(Distraction):
    """Adds one image of noise to every frame of a clip: x_j ← x_j + n, n ~ N(0, σ²) for each pixel.

    The image is the same in all frames, as the other rows of Table 4 that leave the motion in place.

    Args:
        sigma: σ in units of the normalised clip (1 in the published code).
    """

    augmented = True
    reads = Reads()

    def __init__(self, *, sigma: float) -> None:
        self.sigma = sigma

    def draw(self, generator: np.random.Generator) -> dict[str, Any]:
        """The seed of the sample's noise, which is made on the device."""
        return {"noise_seed": generator.integers(2**63)}

    def apply(
        self,
        clips: Tensor,
        drawn: Mapping[str, Tensor],
        extras: Extras,  # noqa: ARG002, nothing else is read
        partners: Tensor | None,  # noqa: ARG002
    ) -> Tensor:
        shape = (clips.shape[1], 1, *clips.shape[3:])
        # A generator a sample, on its device: a sample's noise depends neither on its batch nor on its rank.
        images = [
            torch.randn(shape, generator=torch.Generator(clips.device).manual_seed(seed), device=clips.device)
            for seed in drawn["noise_seed"].tolist()
        ]
        return clips.add(torch.stack(images).to(clips.dtype), alpha=self.sigma)
