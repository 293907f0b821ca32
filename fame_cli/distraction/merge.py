"""Put the foreground of one clip on the background of another (Ding et al. 2022, section 3.2)."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fame_cli.errors import ConfigurationError


def cyclic_partners(count: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Which clip of a batch gives each clip its background: a cyclic permutation, all equally likely.

    One cycle through the whole batch, so that no clip keeps its own background. The clips are put in random
    order and each takes the one before it, the first the last; each cyclic permutation arises from ``count``
    of the orders.

    Returns (count,) indices. Raises ConfigurationError for fewer than two clips.
    """
    if count < 2:
        raise ConfigurationError(
            f"a batch of {count} has no other clip to take a background from.",
            "Use a --batch-size of at least 2, or --background intra.",
        )
    order = generator.permutation(count)
    partners = np.empty(count, dtype=np.int64)
    partners[order] = np.roll(order, 1)
    return partners


def merge(clips: Tensor, mask: Tensor, backgrounds: Tensor) -> Tensor:
    """X_merge = X ⊗ M + Y ⊗ (1 − M): ``clips`` where ``mask`` is 1, ``backgrounds`` elsewhere (section 3.2).

    ``clips`` X and ``backgrounds`` Y (B, C, T, H, W), ``mask`` M (B, H, W) of 0 and 1 for all channels and
    frames. Returns (B, C, T, H, W).
    """
    return torch.where(mask.bool()[:, None, None], clips, backgrounds)
