"""Samples of a training step: the views of each video, and what a distraction needs to know about them."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol

import cv2
import numpy as np
from torch.utils.data import Dataset, Sampler

from fame_cli.config import PretrainConfig
from fame_cli.data.clips import (
    clip_indices,
    clip_span,
    generator_for,
    random_resized_crop,
    random_start,
    random_start_apart,
    start_after,
)
from fame_cli.data.manifest import Video
from fame_cli.data.picture import Frame
from fame_cli.data.role import Role, require_roles
from fame_cli.data.views import draw_view
from fame_cli.distraction.distraction import Distraction
from fame_cli.errors import ConfigurationError

Array = np.ndarray[Any, np.dtype[Any]]
Box = tuple[int, int, int, int]
"""Top, left, height, width in pixels of the stored frame."""

Sample = dict[str, dict[str, Any]]
"""By the name of a role: the parts of one view of a video."""

MAP_PX = 112
"""Maximum side of a crop of the cached maps; larger ones bring masks no closer to online masks."""


class Videos(Protocol):
    """The part of a frame store that samples need."""

    @property
    def videos(self) -> Sequence[Video]: ...

    def each_frame(self, video_index: int, indices: Array) -> Iterator[Frame]: ...


class Maps(Protocol):
    """The part of a statistics store that samples need."""

    def read_maps(self, video_index: int, start: int) -> tuple[Array, Array]: ...


class PretrainClips(Dataset[Sample]):
    """Samples of a pretraining, indexed by (epoch, the video's index in the manifest).

    A sample contains, for each role by name,

    - ``frames`` (T, H, W, 3) uint8: a clip of the video, with its own random resized crop;
    - ``augmentation``: the choices of its photometric augmentation;
    - ``seed`` (h, w) float32 and ``bins`` (h, w) int64: cached statistics in the same crop, if they are read;
    - ``other_time`` (T, H, W, 3) uint8: another time of the video in the same crop, if it is read;
    - ``distraction``: the choices of the distraction, if the role is distracted;
    - ``video``: the video's index in the manifest;
    - ``apart``: whether the clip keeps the role's gap from the first role's clip, if it has one;
    - ``objective``: what the role draws for the objective, if anything.

    Every choice is keyed by (seed, epoch, video, number of the role), so a sample is the same in any process
    and order.

    Args:
        frames: source of the clips.
        statistics: cached statistics of the same videos, or None if the distraction reads none.
        config: how clips are cut and augmented.
        roles: the views that the objective needs.
        distraction: applied to the distracted roles, or None.

    Raises:
        ConfigurationError: the roles do not fit together, or statistics are needed but missing.
    """

    def __init__(
        self,
        frames: Videos,
        statistics: Maps | None,
        config: PretrainConfig,
        roles: Sequence[Role],
        distraction: Distraction | None,
    ) -> None:
        require_roles(roles)
        if distraction is not None and distraction.reads.maps and statistics is None:
            raise ConfigurationError(
                "the distraction needs clip statistics, but none are given.",
                "Run fame masks first and pass its store, or use --statistics online.",
            )
        self.frames = frames
        self.statistics = statistics
        self.config = config
        self.roles = tuple(roles)
        self.distraction = distraction
        self.reach = max((role.gap_frames for role in roles if role.frames == "after"), default=0)
        """Frames from the start of the first role's clip to that of the last one after it."""

    def __getitem__(self, index: tuple[int, int]) -> Sample:
        epoch, video_index = index
        cuts = Cuts(partial(self._read, video_index))
        sample: Sample = {}
        first_start = 0
        for number, role in enumerate(self.roles):
            address = (epoch, self.frames.videos[video_index].id, number)
            start, view = self._view(video_index, role, address, first_start, cuts)
            sample[role.name] = view
            first_start = first_start if number else start
        cuts.make()
        return sample

    def sample_bytes(self) -> int:
        """Bytes of the clips and maps of one sample."""
        config, distraction = self.config, self.distraction
        clip, maps = 3 * config.clip_frames * config.crop_px**2, 12 * min(config.crop_px, MAP_PX) ** 2
        total = len(self.roles) * clip
        if distraction is not None:
            reads = distraction.reads
            one = reads.maps * maps + reads.other_time * clip
            total += one * sum(role.distracted for role in self.roles)
        return total

    def _view(
        self, video_index: int, role: Role, address: tuple[int, str, int], first_start: int, cuts: "Cuts"
    ) -> tuple[int, dict[str, Any]]:
        """Start and parts of one view; its clips are filled when ``cuts`` are made."""
        config, view = self.config, dict[str, Any]()
        generator = generator_for(config.seed, "view", *address)
        count, span = (
            self.frames.videos[video_index].frame_count,
            clip_span(config.clip_frames, config.frame_stride),
        )
        # Both are drawn whether they are used or not, so that no option shifts the choices after them.
        reach = self.reach if role is self.roles[0] else 0
        start, other_start = (random_start(count, each, generator) for each in (span + reach, span))
        if role.frames == "same":
            start = first_start
        elif role.frames == "apart":
            apart = generator_for(config.seed, "apart", *address)
            start, view["apart"] = random_start_apart(count, span, first_start, role.gap_frames, apart)
        elif role.frames == "after":
            start, view["apart"] = start_after(count, span, first_start, role.gap_frames)
        size = cuts.frame_size(start)
        box = random_resized_crop(*size, config.crop_scale_min, generator, square=role.square)
        view["frames"] = cuts.add(start, box, config.clip_frames, config.crop_px)
        if self.distraction is not None and role.distracted:
            if self.distraction.reads.maps:
                assert self.statistics is not None
                seed, bins = self.statistics.read_maps(video_index, start)
                side = min(config.crop_px, MAP_PX)
                view["seed"] = crop_map(seed, box, size, side, cv2.INTER_LINEAR)
                view["bins"] = crop_map(bins, box, size, side, cv2.INTER_NEAREST).astype(np.int64)
            if self.distraction.reads.other_time:
                view["other_time"] = cuts.add(other_start, box, config.clip_frames, config.crop_px)
            drawn = self.distraction.draw(generator_for(config.seed, "distraction", *address))
            view["distraction"] = dict(drawn)
        view["augmentation"] = draw_view(
            generator, config.color_jitter, config.flip_probability, role.augmentations
        )
        if role.draw is not None:
            view["objective"] = dict(role.draw(generator_for(config.seed, "objective", *address)))
        view["video"] = video_index
        return start, view

    def _read(self, video_index: int, start: int) -> Iterator[Frame]:
        config = self.config
        count = self.frames.videos[video_index].frame_count
        indices = clip_indices(start, config.clip_frames, config.frame_stride, count)
        return self.frames.each_frame(video_index, indices)


class Cuts:
    """The crops requested from one video: a clip requested several times is decoded once.

    Args:
        read: returns the frames of the clip with a given start.
    """

    def __init__(self, read: Callable[[int], Iterator[Frame]]) -> None:
        self.read = read
        self.wanted: dict[int, list[tuple[Box, Frame]]] = {}
        self.begun: dict[int, Iterator[Frame]] = {}
        self.size: tuple[int, int] | None = None

    def frame_size(self, start: int) -> tuple[int, int]:
        """(H, W) of the video's frames, from the first frame of the clip at ``start``, which is kept."""
        if self.size is None:
            frames = self.read(start)
            first = next(frames)
            self.begun[start] = itertools.chain([first], frames)
            self.size = first.shape[0], first.shape[1]
        return self.size

    def add(self, start: int, box: Box, clip_frames: int, side_px: int) -> Frame:
        """Request the box of each frame of a clip as (T, side, side, 3) uint8, which ``make`` fills."""
        clip = np.empty((clip_frames, side_px, side_px, 3), np.uint8)
        self.wanted.setdefault(start, []).append((box, clip))
        return clip

    def make(self) -> None:
        """Decode every clip once, and fill the requested crops."""
        for start, crops in self.wanted.items():
            crop_frames(self.begun.pop(start) if start in self.begun else self.read(start), crops)


def crop_clip(frames: Frame, box: Box, side_px: int) -> Frame:
    """The box of each frame, scaled bilinearly to a square: (T, H, W, 3) to (T, side, side, 3) uint8."""
    clip = np.empty((len(frames), side_px, side_px, 3), np.uint8)
    crop_frames(frames, [(box, clip)])
    return clip


def crop_frames(frames: Iterable[Frame], crops: Sequence[tuple[Box, Frame]]) -> None:
    """The same into each clip, frame by frame: a frame cropped right after decoding is still in the cache."""
    for time, frame in enumerate(frames):
        for (top, left, height, width), clip in crops:
            region = frame[top : top + height, left : left + width]
            size = clip.shape[2], clip.shape[1]
            cv2.resize(region, size, dst=clip[time], interpolation=cv2.INTER_LINEAR)


def crop_map(values: Array, box: Box, frame_size: tuple[int, int], side: int, interpolation: int) -> Array:
    """Crop the box from a map (h, w) that covers a frame (H, W), as a square (side, side).

    Pixel centres of the square are looked up in the map by cv2's ``interpolation``: bilinear for quantities,
    nearest for colour bins, which are labels. A map's pixels are square and start at the frame's corner, so
    the last ones may extend beyond its far edge.
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
    """The videos of each training step, starting at any step: a list of (epoch, video_index) pairs per step.

    Each epoch is a permutation of the videos drawn from (seed, epoch); videos that do not fill the last batch
    are left out of that epoch.
    """

    def __init__(
        self, video_indices: list[int], batch_size: int, seed: int, first_step: int, total_steps: int
    ) -> None:
        self.video_indices = np.array(video_indices)
        self.batch_size = batch_size
        self.seed = seed
        self.first_step = first_step
        self.total_steps = total_steps
        self.steps_per_epoch = len(video_indices) // batch_size

    def __len__(self) -> int:
        return max(0, self.total_steps - self.first_step)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        order, ordered_epoch = self.video_indices, -1
        for step in range(self.first_step, self.total_steps):
            epoch, batch = divmod(step, self.steps_per_epoch)
            if epoch != ordered_epoch:
                order = generator_for(self.seed, "order", epoch).permutation(self.video_indices)
                ordered_epoch = epoch
            first = batch * self.batch_size
            yield [(epoch, int(video_index)) for video_index in order[first : first + self.batch_size]]
