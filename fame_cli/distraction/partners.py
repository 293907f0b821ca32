"""Which other clip of a batch each clip meets: any cyclic permutation, all equally likely."""

import numpy as np
import torch
from torch import Tensor

from fame_cli.errors import ConfigurationError


def cyclic_partners(count: int, generator: np.random.Generator) -> Tensor:
    """The partner of each clip of a batch: a cyclic permutation drawn from ``generator``.

    Returns (count,) int64 indices. Raises ConfigurationError for fewer than two clips.
    """
    if count < 2:
        raise ConfigurationError(
            f"a batch of {count} has no other clip to take a background from.",
            "Use a --batch-size of at least 2, or --background intra.",
        )
    return cycle(torch.from_numpy(generator.permutation(count)))


def cycle(order: Tensor) -> Tensor:
    """The cycle in which each clip follows the one before it in ``order``, the first the last.

    One cycle through the whole batch, so that no clip is its own partner. Each cyclic permutation arises from
    as many orders as there are clips, so orders that are equally likely make cycles that are.

    ``order`` (B,) is a permutation of 0 … B − 1. Returns (B,) int64.
    """
    return torch.empty_like(order).index_copy_(0, order, order.roll(1))
