"""What a training step is made of: two clips of each video, and what a merge needs to know of them."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import cv2
import numpy as np
from torch.utils.data import Dataset, Sampler

from fame_cli.config import PretrainConfig
from fame_cli.data.clips import clip_indices, clip_span, generator_for, random_resized_crop, random_start
from fame_cli.data.frames import FrameStore
from fame_cli.data.picture import Frame
from fame_cli.data.statistics import StatisticsStore
from fame_cli.data.views import draw_view

Array = np.ndarray[Any, np.dtype[Any]]
Box = tuple[int, int, int, int]
"""Top, left, height, width in pixels of the stored frame."""

VIEWS = 2

MAP_PX = 112
"""Side at most of a crop of the cached maps: a finer one brings masks no closer to those of the pixels."""


class PretrainClips(Dataset[dict[str, Any]]):
    """Samples of a pretraining, addressed by (epoch, place of the video in the manifest).

    A sample is made of uint8 arrays and of what was drawn for each of its two views:

    - ``clips`` (2, T, H, W, 3) uint8: two random clips of the video, each with a random resized crop;
    - ``seed`` (2, h, w) float32 and ``bins`` (2, h, w) int64: cached statistics in the same crops, if cached;
    - ``backgrounds`` (2, T, H, W, 3) uint8: other times of the video in the same crops, if intra-video;
    - ``views``: for each view the choices of its augmentation.

    Every choice comes from (seed, epoch, video, view), so a sample is the same in any process and order.
    """

    def __init__(
        self, frames: FrameStore, statistics: StatisticsStore | None, config: PretrainConfig
    ) -> None:
        self.frames = frames
        self.statistics = statistics
        self.config = config
        self.merged_views = VIEWS if config.branch == "both" else 1

    def __getitem__(self, index: tuple[int, int]) -> dict[str, Any]:
        epoch, position = index
        sample = self._room()
        views = [self._view(epoch, position, number, sample) for number in range(VIEWS)]
        return {**sample, "views": views}

    def _room(self) -> dict[str, Array]:
        """A sample's arrays, still empty: views that fill parts of them cost no copy."""
        config = self.config
        clip = (config.clip_frames, config.crop_px, config.crop_px, 3)
        side = min(config.crop_px, MAP_PX)
        room: dict[str, Array] = {"clips": np.empty((VIEWS, *clip), np.uint8)}
        if config.merges and self.statistics is not None:
            room["seed"] = np.empty((self.merged_views, side, side), np.float32)
            room["bins"] = np.empty((self.merged_views, side, side), np.int64)
        if config.merges and config.background == "intra":
            room["backgrounds"] = np.empty((self.merged_views, *clip), np.uint8)
        return room

    def _view(self, epoch: int, position: int, number: int, sample: dict[str, Array]) -> dict[str, Any]:
        """Fill the rows of one view; returns what was drawn for its augmentation."""
        config = self.config
        video = self.frames.videos[position]
        generator = generator_for(config.seed, "view", epoch, video.id, number)
        span = clip_span(config.clip_frames, config.frame_stride)
        start = random_start(video.frame_count, span, generator)
        other_start = random_start(video.frame_count, span, generator)
        frames = self._read(position, start)
        first = next(frames)
        H, W = first.shape[:2]
        box = random_resized_crop(H, W, config.crop_scale_min, generator)
        crop_frames(itertools.chain([first], frames), box, sample["clips"][number])
        if number < self.merged_views:
            if "seed" in sample:
                assert self.statistics is not None
                seed, bins = self.statistics.read_maps(position, start)
                side = sample["seed"].shape[-1]
                sample["seed"][number] = crop_map(seed, box, (H, W), side, cv2.INTER_LINEAR)
                sample["bins"][number] = crop_map(bins, box, (H, W), side, cv2.INTER_NEAREST)
            if "backgrounds" in sample:
                crop_frames(self._read(position, other_start), box, sample["backgrounds"][number])
        return draw_view(generator, config.color_jitter, config.flip_probability)

    def _read(self, position: int, start: int) -> Iterator[Frame]:
        config = self.config
        count = self.frames.videos[position].frame_count
        indices = clip_indices(start, config.clip_frames, config.frame_stride, count)
        return self.frames.each_frame(position, indices)


def crop_clip(frames: Frame, box: Box, side_px: int) -> Frame:
    """The box of each frame, scaled bilinearly to a square: (T, H, W, 3) to (T, side, side, 3) uint8."""
    clip = np.empty((len(frames), side_px, side_px, 3), np.uint8)
    crop_frames(frames, box, clip)
    return clip


def crop_frames(frames: Iterable[Frame], box: Box, clip: Frame) -> None:
    """The same into ``clip``, frame by frame: one that is cropped as it is decoded is still in the cache."""
    top, left, height, width = box
    size = clip.shape[2], clip.shape[1]
    for frame, target in zip(frames, clip, strict=True):
        region = frame[top : top + height, left : left + width]
        cv2.resize(region, size, dst=target, interpolation=cv2.INTER_LINEAR)


def crop_map(values: Array, box: Box, frame_size: tuple[int, int], side: int, interpolation: int) -> Array:
    """The box of a map (h, w) that covers a frame (H, W), as a square (side, side).

    Pixel centres of the square are looked up in the map, by cv2's ``interpolation``: bilinear for amounts,
    nearest for colour bins, which are names. A map's pixels are square and begin at the frame's corner, so
    that the last ones may hang over its far edge.
    """
    top, left, height, width = box
    scale = min(values.shape) / min(frame_size)
    to_map = scale * np.array(
        [[width / side, 0, left + width / side / 2], [0, height / side, top + height / side / 2]]
    )
    to_map[:, 2] -= 0.5
    flags = interpolation | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(values, to_map, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)


class StepSampler(Sampler[list[tuple[int, int]]]):
    """The videos of each training step, from any step on: (epoch, position) pairs, one list a step.

    Each epoch is a permutation of the videos drawn from (seed, epoch); what does not fill a last batch is
    left out of that epoch.
    """

    def __init__(
        self, positions: list[int], batch_size: int, seed: int, first_step: int, total_steps: int
    ) -> None:
        self.positions = np.array(positions)
        self.batch_size = batch_size
        self.seed = seed
        self.first_step = first_step
        self.total_steps = total_steps
        self.steps_per_epoch = len(positions) // batch_size

    def __len__(self) -> int:
        return max(0, self.total_steps - self.first_step)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        order, ordered_epoch = self.positions, -1
        for step in range(self.first_step, self.total_steps):
            epoch, batch = divmod(step, self.steps_per_epoch)
            if epoch != ordered_epoch:
                order = generator_for(self.seed, "order", epoch).permutation(self.positions)
                ordered_epoch = epoch
            first = batch * self.batch_size
            yield [(epoch, int(position)) for position in order[first : first + self.batch_size]]
