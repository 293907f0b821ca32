"""From clips, or from their stored statistics, to foreground masks: every mask is made here."""

from typing import NamedTuple

import torch
from torch import Tensor

from fame_cli.foreground.mask import soft_mask, top_share
from fame_cli.foreground.statistics import colour_bins, seed_region
from fame_cli.method import Hue, Variant


class Maps(NamedTuple):
    """What a mask is computed from, (B, h, w) each: at the resolution of the clips, or coarser if stored."""

    seed: Tensor
    """How much each pixel changes from frame to frame (Eq. 2)."""
    bins: Tensor
    """The bin of each pixel's colour, int64."""


class Masks(NamedTuple):
    """The foreground of each clip, (B, H, W) each."""

    soft: Tensor
    """How likely each pixel is foreground, in [0, 1] (Eq. 3)."""
    hard: Tensor
    """Bool: exactly ⌊β·H·W⌋ pixels of each clip (Eq. 4)."""


@torch.no_grad()
def maps_of_clips(clips: Tensor, hue: Hue = "correct") -> Maps:
    """Seed and colour bins of clips (B, 3, T, H, W) in [0, 1], at their full resolution."""
    return Maps(seed_region(clips), colour_bins(clips.mean(2), hue))


@torch.no_grad()
def masks_of_maps(
    maps: Maps,
    size_px: int,
    beta: float,
    variant: Variant = "fame",
    counts: tuple[Tensor, Tensor] | None = None,
) -> Masks:
    """Masks (B, size_px, size_px) that keep the share ``beta`` of each clip as foreground.

    ``counts`` (B, 1000) of foreground and background colours are those stored with maps of whole frames; for
    a crop, leave them out, since its colours have to be counted again.
    """
    soft = soft_mask(*maps, variant, size_px, counts)
    return Masks(soft, top_share(soft, beta))
