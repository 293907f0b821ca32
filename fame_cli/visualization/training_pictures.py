"""What a training is given, as a picture: some of its videos, masked, merged and augmented."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import default_collate

from fame_cli.data.clips import generator_for
from fame_cli.data.dataset import PretrainClips
from fame_cli.data.views import MEAN, STD, to_clips
from fame_cli.distraction.distraction import Extras
from fame_cli.distraction.fame import FAME
from fame_cli.distraction.partners import cyclic_partners
from fame_cli.foreground.of_clips import Maps
from fame_cli.learning.batch import augment_and_normalise, distract
from fame_cli.visualization.pictures import RGB, Picture, strip
from fame_cli.visualization.sheet import SheetRow, draw_sheet

VIDEOS = 4
"""The same ones in every picture of a training, spread evenly over its videos."""

FRAMES_SHOWN = 2


def training_pictures(
    clips: PretrainClips, video_indices: Sequence[int], epoch: int, step: int
) -> dict[str, RGB]:
    """A picture of what some videos look like on their way into the network, by its name."""
    places = np.unique(np.linspace(0, len(video_indices) - 1, VIDEOS).round().astype(int))
    shown = [video_indices[place] for place in places]
    columns = view_columns(clips, shown, epoch, step)
    rows = [
        SheetRow(
            clips.frames.videos[video_index].id,
            [
                column[place] if column.ndim == 3 else strip(column[place], FRAMES_SHOWN)
                for column in columns.values()
            ],
        )
        for place, video_index in enumerate(shown)
    ]
    sheet = draw_sheet(
        rows,
        list(columns),
        heading=f"Views at step {step}",
        explanation="White in a mask: what the clip keeps." if "mask" in columns else "",
        tile_height_px=112,
    )
    return {"views": sheet}


@torch.no_grad()
def view_columns(
    clips: PretrainClips, video_indices: Sequence[int], epoch: int, step: int
) -> dict[str, Picture]:
    """The first distracted view (the first, where none is) of videos, as it comes about.

    Clips and choices are those of the training's epoch; each clip's partner is one of the others given.

    Returns:
        By its title, clips (B, T, S, S, 3) uint8 or masks (B, S, S) bool.
    """
    number, role = next(
        ((number, role) for number, role in enumerate(clips.roles) if role.distracted), (0, clips.roles[0])
    )
    loaded = default_collate([clips[epoch, video_index][role.name] for video_index in video_indices])
    plain = to_clips(loaded["frames"], torch.device("cpu"))
    augmentation = partial(augment_and_normalise, drawn=loaded["augmentation"])
    distraction = clips.distraction if role.distracted else None
    rows = cyclic_partners(len(plain), generator_for(clips.config.seed, "background", step, number))
    columns: dict[str, Picture] = {"clip": to_pictures(plain)}
    if distraction is None:
        seen = augmentation(plain)
    elif distraction.augmented:
        augmented = augmentation(plain)
        seen = distract(distraction, augmented, loaded, lambda: augmented[rows], augmentation)
    else:
        changed = distract(distraction, plain, loaded, lambda: plain[rows])
        if isinstance(distraction, FAME):
            maps = Maps(*(loaded[part] for part in Maps._fields)) if distraction.reads.maps else None
            columns["mask"] = distraction.mask(plain, Extras(maps)).bool().numpy()
        columns["merged" if "mask" in columns else "distracted"] = to_pictures(changed)
        seen = augmentation(changed)
    columns["as the network gets it"] = to_pictures((seen * STD + MEAN).clamp(0, 1))
    return columns


def to_pictures(clips: Tensor) -> Picture:
    """Clips (B, 3, T, S, S) in [0, 1] as (B, T, S, S, 3) uint8."""
    pictures: Picture = (clips * 255).round().byte().permute(0, 2, 3, 4, 1).numpy()
    return pictures
