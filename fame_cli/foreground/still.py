"""The static factor of a clip: what its pixels show most of the time."""

import torch
from torch import Tensor


@torch.no_grad()
def static_factor(clips: Tensor) -> Tensor:
    """The median over time of each pixel and channel of clips: (B, C, T, H, W) to (B, C, 1, H, W).

    What covers a pixel in fewer than half of the frames leaves nothing in it, where a mean would keep a
    shadow. Of an even number of frames it is the lower of the two in the middle, so that each value is one of
    the clip's own.
    """
    return clips.median(dim=2, keepdim=True).values
