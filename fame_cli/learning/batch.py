"""From a loaded batch to the views that an objective asks for, on the training device."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from fame_cli.config import PretrainConfig
from fame_cli.data.clips import generator_for
from fame_cli.data.role import Role
from fame_cli.data.views import augment, normalise, to_clips
from fame_cli.distraction.merge import cyclic_partners, merge
from fame_cli.foreground.of_clips import Maps, maps_of_clips, masks_of_maps
from fame_cli.learning.distributed import gather, own_rows
from fame_cli.learning.objectives.objective import View, Views

Loaded = Mapping[str, Any]
"""The parts of one role's view (``PretrainClips``), collated."""


def make_views(
    batch: Mapping[str, Loaded],
    roles: Sequence[Role],
    config: PretrainConfig,
    step: int,
    device: torch.device,
) -> Views:
    """The view of each role: merged if it is to be, augmented and normalised, on the device."""
    views = {}
    for number, role in enumerate(roles):
        loaded = batch[role.name]
        frames = loaded["frames"].to(device, non_blocking=True)
        clips, partners = to_clips(frames, device), None
        if config.merges and role.distracted:
            behind, partners = background(loaded, frames, number, config, step)
            clips = merge(clips, make_mask(loaded, clips, config), behind)
        clips = normalise(augment(clips, loaded["augmentation"]))
        views[role.name] = View(
            clips.contiguous(memory_format=torch.channels_last_3d),
            partners=partners,
            apart=to_device(loaded["apart"], device) if "apart" in loaded else None,
            drawn={name: to_device(values, device) for name, values in loaded.get("asked", {}).items()},
        )
    return views


def to_device(values: Tensor, device: torch.device) -> Tensor:
    """Drawn values on the device; Python's floats are collated to float64, which clips are not."""
    dtype = torch.float32 if values.is_floating_point() else values.dtype
    return values.to(device, dtype, non_blocking=True)


def make_mask(loaded: Loaded, clips: Tensor, config: PretrainConfig) -> Tensor:
    """Foreground masks (B, H, W) of a view's clips, from cached statistics or from the clips themselves."""
    if "seed" in loaded:
        kept = (loaded[part].to(clips.device, non_blocking=True) for part in Maps._fields)
        maps = Maps(*kept)
    else:
        maps = maps_of_clips(clips, config.hue)
    return masks_of_maps(maps, config.crop_px, config.beta, config.variant).hard


def background(
    loaded: Loaded, frames: Tensor, number: int, config: PretrainConfig, step: int
) -> tuple[Tensor, Tensor | None]:
    """Where each clip's new background comes from: another video of the batch, or another time (Table 4).

    ``frames`` (B, T, H, W, 3) uint8 are those of the view. The partners are drawn for the global batch, of
    which a rank looks up its own; their rows are returned too.
    """
    if config.background == "intra":
        return to_clips(loaded["other_time"], frames.device), None
    everyone = gather(frames)
    partners = cyclic_partners(len(everyone), generator_for(config.seed, "background", step, number))
    own = torch.from_numpy(partners[own_rows(len(frames))]).to(frames.device, non_blocking=True)
    return to_clips(everyone[own], frames.device), own
