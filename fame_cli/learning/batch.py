"""From a loaded batch to the views that an objective asks for, on the training device."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
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
    return {
        role.name: make_view(batch[role.name], role, number, distraction, seed, step, device, memory_format)
        for number, role in enumerate(roles)
    }


def make_view(
    loaded: Loaded,
    role: Role,
    number: int,
    distraction: Distraction | None,
    seed: int,
    step: int,
    device: torch.device,
    memory_format: torch.memory_format,
) -> View:
    """The view of one role, the ``number``-th of its objective."""
    frames = loaded["frames"].to(device, non_blocking=True)
    clips, rows = to_clips(frames, device), None
    augmentation = partial(augment_and_normalise, drawn=loaded["augmentation"])
    chosen = distraction if role.distracted else None
    if chosen is not None and chosen.reads.partner:
        (rows,) = move_together([partner_rows(len(frames), seed, step, number)], device)
    if chosen is not None and not chosen.augmented:
        clips = distract(chosen, clips, loaded, lambda: to_clips(gather(frames)[rows], device))
    augmented = clips = augmentation(clips)
    if chosen is not None and chosen.augmented:
        clips = distract(chosen, augmented, loaded, lambda: gather(augmented)[rows], augmentation)
    return View(
        clips.contiguous(memory_format=memory_format),
        partners=rows,
        apart=loaded["apart"].to(device, non_blocking=True) if "apart" in loaded else None,
        drawn=drawn_values(loaded.get("objective", {}), device),
        videos=loaded["video"].to(device, non_blocking=True),
    )


def augment_and_normalise(clips: Tensor, drawn: Mapping[str, Tensor]) -> Tensor:
    return normalise(augment(clips, drawn))


def partner_rows(share: int, seed: int, step: int, number: int) -> Tensor:
    """Which video of the global batch each of this rank's ``share`` clips of a view meets: (share,) int64.

    Drawn for the global batch, alike on all ranks, for each step and view of a number.
    """
    generator = generator_for(seed, "background", step, number)
    return cyclic_partners(share * rank_count(), generator)[own_rows(share)]


def distract(
    distraction: Distraction,
    clips: Tensor,
    loaded: Loaded,
    donors: Callable[[], Tensor],
    augmentation: Callable[[Tensor], Tensor] = lambda clips: clips,
) -> Tensor:
    """Apply the distraction to clips (B, C, T, H, W) with what it reads.

    ``donors`` gives the clips of the partners, which all ranks exchange where it reads them; what it reads of
    the clip's own video goes through ``augmentation``.
    """
    device, maps, other_time = clips.device, None, None
    partners = donors() if distraction.reads.partner else None
    if distraction.reads.maps:
        maps = Maps(*(loaded[part].to(device, non_blocking=True) for part in Maps._fields))
    if distraction.reads.other_time:
        other_time = augmentation(to_clips(loaded["other_time"], device))
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
