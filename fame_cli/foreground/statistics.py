"""The statistics that FAME takes from a clip: where it moves (Eq. 2) and which colours move (section 3.2).

Ding et al. 2022, "Motion-aware Contrastive Video Representation Learning via Foreground-background Merging".
Everything is batched, stays on the device of its input and never synchronises with it.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor

from fame_cli.foreground import kernels
from fame_cli.foreground.kernels import BACKGROUND_SHARE, FOREGROUND_SHARE
from fame_cli.foreground.kernels import COLOUR_BINS as COLOUR_BINS
from fame_cli.method import Hue


def seed_region(clips: Tensor) -> Tensor:
    """Seed region S: how much each pixel changes from frame to frame (Eq. 2).

    S = 1/(T-1) Σ_c Σ_t |X_{t+1} − X_t|, without the blur that the published code includes.

    ``clips`` (B, C, T, H, W) in [0, 1], T at least 2. Returns (B, H, W) in [0, C].
    """
    frames = clips.unbind(2)
    # Frame by frame: a volume of all differences would cost more memory traffic than arithmetic.
    change = torch.zeros_like(frames[0])
    for earlier, later in pairwise(frames):
        change += (later - earlier).abs_()
    return change.sum(1) / (len(frames) - 1)


def rgb_to_hsv(images: Tensor) -> Tensor:
    """``images`` (..., 3, H, W) RGB in [0, 1] to hue in [0, 1) turns, saturation and value in [0, 1].

    Hue is 0 where saturation is 0, as in Python's colorsys.
    """
    red, green, blue = images.unbind(-3)
    value = torch.maximum(torch.maximum(red, green), blue)
    chroma = value - torch.minimum(torch.minimum(red, green), blue)
    divisor = torch.where(chroma > 0, chroma, 1)
    sextant = torch.where(
        red == value,
        (green - blue) / divisor,
        torch.where(green == value, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
    )
    hue = fraction(sextant / 6)
    return torch.stack((hue, chroma / torch.where(value > 0, value, 1), value), -3)


def fraction(values: Tensor) -> Tensor:
    """``values`` minus their floor, in place, in [0, 1): ten times as fast as ``remainder``."""
    values.sub_(values.floor())
    # A value just below 0 rounds up to 1; the second pass turns it into 0.
    return values.sub_(values.floor())


def colour_bins(images: Tensor, hue: Hue) -> Tensor:
    """Colour x of each pixel, as the index of a bin: x + 10·y + 100·v.

    The levels are round(9·l + 1) − 1 of l = (s·cos h + 1)/2, (s·sin h + 1)/2 and v, as in the published code:
    halves round to the even number of 1 to 10, so exact grey, with l = ½, has level 5. ``hue="published"``
    also reproduces a defect of that code, which multiplies a hue already in radians by 2π.

    ``images`` (B, 3, H, W) RGB in [0, 1], a clip's mean over time. Returns (B, H, W) int64 in [0, 1000).
    """
    turns, saturation, value = rgb_to_hsv(images).unbind(-3)
    angle = turns * (math.tau if hue == "correct" else math.tau**2)
    x, y = ((saturation * part + 1) / 2 for part in (angle.cos(), angle.sin()))
    levels = [(9 * level + 1).round_() - 1 for level in (x, y, value)]
    return (levels[0] + 10 * levels[1] + 100 * levels[2]).long()


def compilable(maps: Tensor) -> bool:
    """Whether the compiled ``kernels`` support these maps."""
    return maps.device.type == "cpu" and maps.dtype == torch.float32 and not maps.requires_grad


def rows_of(maps: Tensor) -> kernels.Array:
    """``maps`` (B, H, W) on a CPU as (B, H·W), without a copy if possible."""
    rows: kernels.Array = maps.flatten(1).contiguous().numpy()
    return rows


def top_pixels(maps: Tensor, count: int) -> Tensor:
    """Mark the ``count`` largest values of each map; ties go to the first in row-major order.

    ``maps`` (B, H, W), ``count`` in 0..H·W. Returns (B, H, W) bool with exactly ``count`` True in each map.
    """
    if compilable(maps):
        marked = torch.empty(maps.shape, dtype=torch.bool)
        kernels.top_pixels(rows_of(maps), count, rows_of(marked))
        return marked
    values = maps.flatten(1)
    if count == 0:
        return torch.zeros_like(maps, dtype=torch.bool)
    # Selecting and counting ties gives the stable order at a quarter of the cost of a sort.
    threshold = values.topk(count, dim=1, sorted=False).values.amin(1, keepdim=True)
    above, equal = values > threshold, values == threshold
    room = count - above.sum(1, keepdim=True)
    return (above | (equal & (equal.cumsum(1) <= room))).view(maps.shape)


def colour_counts(
    seed: Tensor,
    bins: Tensor,
    foreground_share: float = FOREGROUND_SHARE,
    background_share: float = BACKGROUND_SHARE,
) -> tuple[Tensor, Tensor]:
    """N_x of foreground and background: counts of each colour where the seed is largest and smallest.

    Pixels are ranked by seed, ties in row-major order; the first ⌊0.5·H·W⌋, at least one, are foreground, the
    last ⌊0.1·H·W⌋ background (section 3.2).

    ``seed`` (B, H, W), ``bins`` (B, H, W) of ``colour_bins``. Returns two float (B, 1000) of pixel counts.
    """
    pixels = seed.shape[1] * seed.shape[2]
    most, least = max(1, math.floor(foreground_share * pixels)), math.floor(background_share * pixels)
    if compilable(seed):
        counts = torch.zeros(len(seed), 3, COLOUR_BINS, dtype=torch.int32)
        kernels.colour_counts(rows_of(seed), rows_of(bins), most, least, counts.numpy())
        return counts[:, 0].float(), counts[:, 2].float()
    foreground, background = top_pixels(seed, most), ~top_pixels(seed, pixels - least)
    return _count(bins, foreground), _count(bins, background)


def _count(bins: Tensor, chosen: Tensor) -> Tensor:
    counts = torch.zeros(len(bins), COLOUR_BINS, device=bins.device)
    return counts.scatter_add_(1, bins.flatten(1), chosen.flatten(1).float())
