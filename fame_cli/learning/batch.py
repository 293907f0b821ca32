"""From a loaded batch to the views that an objective asks for, on the training device."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from fame_cli.data.clips import generator_for
from fame_cli.data.role import Role
from fame_cli.data.transfer import move_together
from fame_cli.data.views import augment, normalise, to_clips
from fame_cli.distraction.distraction import Distraction, Extras
from fame_cli.distraction.partners import cyclic_partners
from fame_cli.errors import ConfigurationError
from fame_cli.foreground.of_clips import Maps
from fame_cli.learning.distributed import gather, own_rows, rank_count
from fame_cli.learning.objectives.objective import View, Views

Loaded = Mapping[str, Any]
"""The parts of one role's view (``PretrainClips``), collated."""


def make_views(
    batch: Mapping[str, Loaded],
    roles: Sequence[Role],
    distraction: Distraction | None,
    seed: int,
    step: int,
    device: torch.device,
    memory_format: torch.memory_format = torch.channels_last_3d,
) -> Views:
    """The view of each role: distracted if it is to be, augmented and normalised, on the device.

    Args:
        batch: collated samples, by role.
        roles: those of the objective, for which the samples were made.
        distraction: of the roles that take one.
        seed: of the training; with the step it decides who is whose partner.
        step: of the training, from 0.
        device: where the views are made.
        memory_format: of their clips.
    """
    views = {}
    for number, role in enumerate(roles):
        loaded = batch[role.name]
        frames = loaded["frames"].to(device, non_blocking=True)
        clips, rows = to_clips(frames, device), None
        if distraction is not None and role.distracted:
            if distraction.reads.partner:
                (rows,) = move_together([partner_rows(len(frames), seed, step, number)], device)
            clips = distract(distraction, clips, frames, rows, loaded)
        clips = normalise(augment(clips, loaded["augmentation"]))
        views[role.name] = View(
            clips.contiguous(memory_format=memory_format),
            partners=rows,
            apart=loaded["apart"].to(device, non_blocking=True) if "apart" in loaded else None,
            drawn=drawn_values(loaded.get("objective", {}), device),
        )
    return views


def partner_rows(share: int, seed: int, step: int, number: int) -> Tensor:
    """Which video of the global batch each of this rank's ``share`` clips of a view meets: (share,) int64.

    Drawn for the global batch, alike on all ranks, for each step and view of a number.
    """
    generator = generator_for(seed, "background", step, number)
    return cyclic_partners(share * rank_count(), generator)[own_rows(share)]


def distract(
    distraction: Distraction, clips: Tensor, frames: Tensor, rows: Tensor | None, loaded: Loaded
) -> Tensor:
    """Apply the distraction to clips (B, C, T, H, W) with what it reads.

    ``frames`` (B, T, H, W, 3) uint8 are those of the clips, which all ranks exchange where it reads partners;
    ``rows`` (B,) say whose each clip gets.
    """
    device, maps, other_time, partners = clips.device, None, None, None
    if rows is not None:
        partners = to_clips(gather(frames)[rows], device)
    if distraction.reads.maps:
        maps = Maps(*(loaded[part].to(device, non_blocking=True) for part in Maps._fields))
    if distraction.reads.other_time:
        other_time = to_clips(loaded["other_time"], device)
    drawn = drawn_values(loaded["distraction"], device)
    shape, dtype = clips.shape, clips.dtype
    distracted = distraction.apply(clips, drawn, Extras(maps, other_time), partners)
    if distracted.shape != shape or distracted.dtype != dtype:
        raise ConfigurationError(
            f"{type(distraction).__name__}.apply gave {tuple(distracted.shape)} {distracted.dtype}; "
            f"expected clips as it got them, {tuple(shape)} {dtype}."
        )
    return distracted


def drawn_values(drawn: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """Drawn values on the device; Python's floats are collated to float64, which clips are not."""
    values = [value.float() if value.is_floating_point() else value for value in drawn.values()]
    return dict(zip(drawn, move_together(values, device), strict=True))
