"""A frame store that shows only what masks keep: everything else is one colour."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fame_cli.config import fingerprint
from fame_cli.data.frames import FrameStore
from fame_cli.data.mask_folder import MaskFolder
from fame_cli.data.picture import Frame

Array = np.ndarray[Any, np.dtype[Any]]

FILL = (110, 101, 96)
"""What stands for all that is blanked: the mean colour of videos, as RGB (``views.MEAN`` in 256 levels)."""


class MaskedFrames(FrameStore):
    """Reads frames of which only the masked part is left.

    Usage::

        shown = MaskedFrames(frames, open_mask_folder(Path("MASKS")))
        shown.read(7, [0])  # (1, H, W, 3): FILL wherever the mask of frame 0 says background

    A network sees zeros there, once colours are normalised. Whatever reads clips from a frame store reads
    them from this one: crops, augmentation and features are those of blanked frames. Videos without masks
    cannot be read: they are not ``usable`` here. What is derived from it is kept apart, since its
    ``fingerprint`` is that of frames and masks.

    Args:
        frames: the store to read from.
        masks: of its videos; ``require`` tells whether they are there.

    Raises:
        InputError: masks are not those of a video, here or from the methods.
    """

    def __init__(self, frames: FrameStore, masks: MaskFolder) -> None:
        self.folder = frames.folder
        self.index = frames.index
        self.configuration = frames.configuration
        self.masks = masks
        shown = [video for video in frames.videos if video.usable and masks.has(video)]
        known = {video.id for video in shown}
        videos = (
            video
            if video.id in known
            else dataclasses.replace(video, status="failed", reason="it has no mask")
            for video in frames.videos
        )
        self.manifest = dataclasses.replace(frames.manifest, videos=tuple(videos))
        self.fingerprint = fingerprint([frames.fingerprint, masks.fingerprint(shown), FILL])

    def each_frame(self, video_index: int, indices: Sequence[int] | Array) -> Iterator[Frame]:
        """The frames one by one, (H, W, 3) uint8 RGB each, as in ``FrameStore``."""
        masks = self.masks.of(self.videos[video_index])
        for number, frame in zip(indices, super().each_frame(video_index, indices), strict=True):
            kept = masks.read(int(number), *frame.shape[:2])
            yield np.where(kept[..., None], frame, np.array(FILL, np.uint8))
