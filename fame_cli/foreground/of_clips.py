"""From clips, or from statistics that are kept of them, to foreground masks: every mask is made here."""

from typing import NamedTuple

import torch
from torch import Tensor

from fame_cli.foreground.mask import soft_mask, top_share
from fame_cli.foreground.statistics import colour_bins, seed_region
from fame_cli.method import Hue, Variant


class Maps(NamedTuple):
    """What a mask is made of, (B, h, w) each; as fine as the clips, or coarser where it was kept."""

    seed: Tensor
    """How much each pixel changes from frame to frame (Eq. 2)."""
    bins: Tensor
    """The bin of each pixel's colour, int64."""


class Masks(NamedTuple):
    """Where the foreground of each clip is, (B, H, W) each."""

    soft: Tensor
    """How much each pixel belongs to it, in [0, 1] (Eq. 3)."""
    hard: Tensor
    """Bool: exactly ⌊β·H·W⌋ pixels of each (Eq. 4)."""


@torch.no_grad()
def maps_of_clips(clips: Tensor, hue: Hue = "correct") -> Maps:
    """Seed and colour bins of clips (B, 3, T, H, W) in [0, 1], as fine as they are."""
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

    ``counts`` (B, 1000) of foreground and background colours are those that were kept with maps of whole
    frames; of a crop they have to be counted anew.
    """
    soft = soft_mask(*maps, variant, size_px, counts)
    return Masks(soft, top_share(soft, beta))
