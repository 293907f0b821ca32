"""From a loaded batch to the two views of each video, on the training device."""

from typing import Any

import torch
from torch import Tensor

from fame_cli.config import PretrainConfig
from fame_cli.data.clips import generator_for
from fame_cli.data.views import augment, normalise, to_clips
from fame_cli.distraction.merge import cyclic_partners, merge
from fame_cli.foreground.mask import soft_mask, top_share
from fame_cli.foreground.statistics import colour_bins, seed_region
from fame_cli.learning.distributed import gather, own_rows


def make_views(
    batch: dict[str, Any], config: PretrainConfig, step: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """The two views of each video, merged, augmented and normalised: (B, 3, T, H, W) each, on the device."""
    frames = batch["clips"].to(device, non_blocking=True)
    views = []
    for number, drawn in enumerate(batch["views"]):
        view = to_clips(frames[:, number], device)
        if config.merges and (number == 0 or config.branch == "both"):
            mask = make_mask(batch, view, number, config)
            view = merge(view, mask, background(batch, frames[:, number], number, config, step))
        views.append(normalise(augment(view, drawn)).contiguous(memory_format=torch.channels_last_3d))
    return views[0], views[1]


def make_mask(batch: dict[str, Any], clips: Tensor, number: int, config: PretrainConfig) -> Tensor:
    """Foreground masks (B, H, W) of a view's clips, from cached statistics or from the clips themselves."""
    if "seed" in batch:
        seed = batch["seed"][:, number].to(clips.device, non_blocking=True)
        bins = batch["bins"][:, number].to(clips.device, non_blocking=True)
    else:
        seed, bins = seed_region(clips), colour_bins(clips.mean(2), config.hue)
    return top_share(soft_mask(seed, bins, config.variant, config.crop_px), config.beta)


def background(
    batch: dict[str, Any], frames: Tensor, number: int, config: PretrainConfig, step: int
) -> Tensor:
    """Where each clip's new background comes from: another video of the batch, or another time (Table 4).

    ``frames`` (B, T, H, W, 3) uint8 are those of the view. The partners are drawn for the global batch, of
    which a rank looks up its own.
    """
    if config.background == "intra":
        return to_clips(batch["backgrounds"][:, number], frames.device)
    everyone = gather(frames)
    partners = cyclic_partners(len(everyone), generator_for(config.seed, "background", step, number))
    own = torch.from_numpy(partners[own_rows(len(frames))])
    return to_clips(everyone[own.to(frames.device, non_blocking=True)], frames.device)
