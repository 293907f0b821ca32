"""Evaluations on videos of which only what masks keep is shown, such as the actors."""

import dataclasses
from typing import Any

from fame_cli.data.mask_folder import MaskFolder
from fame_cli.data.masked_frames import FILL, MaskedFrames
from fame_cli.evaluation.splits import LabelledVideos


def keep_only(videos: LabelledVideos, masks: MaskFolder) -> LabelledVideos:
    """The same videos, blanked outside their masks.

    Raises InputError where videos to learn from or to test on have no masks.
    """
    frames = videos.frames
    masks.require([frames.videos[video_index] for video_index in (*videos.train, *videos.test)])
    note = (
        f"Only what the masks in {masks.folder} keep was shown, to learn from and to test on; all else was "
        f"the mean colour, RGB {FILL}. This is not the authors' actor-HMDB51 (BE, Figure 5), which was never "
        "published: compare such figures with others on the same masks alone."
    )
    return dataclasses.replace(videos, frames=MaskedFrames(frames, masks), notes=(*videos.notes, note))


def describe_masks(videos: LabelledVideos) -> dict[str, Any] | None:
    """What a result tells of the masks that it was made with; None where there were none."""
    frames = videos.frames
    if not isinstance(frames, MaskedFrames):
        return None
    chosen = [frames.videos[video_index] for video_index in (*videos.train, *videos.test)]
    return {
        "masks": str(frames.masks.folder),
        "content": frames.masks.content(chosen),
        "fill": list(FILL),
    }
