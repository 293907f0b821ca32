"""Statistics of one clip, and how they are computed from its frames.

They cover whole frames; training crops the maps. A map's pixels are square and start at the frame's corner;
the last column and row may extend beyond the frame's edge.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from fame_cli.config import Motion, StatisticsConfig
from fame_cli.data.clips import Indices
from fame_cli.data.picture import Frame
from fame_cli.foreground import kernels

Array = np.ndarray[Any, np.dtype[Any]]
Frames = Sequence[Frame] | Frame
"""Frames one by one, or all in one array (T, H, W, 3)."""
Align = Callable[[Frame, Frame], Frame]
"""Maps (previous, current) frames to the previous one as seen by the camera of the current one."""

SEED_LEVELS = 63
"""Steps of a stored seed's square root; more would not bring masks closer (docs/statistics.md)."""


@dataclass(frozen=True)
class ClipStatistics:
    """The statistics of one clip, over whole frames."""

    seed: Array
    """(h, w) float32, Eq. 2 in [0, 3], averaged over the pixels that a map pixel covers."""
    bins: Array
    """(h, w) uint16 in [0, 1000), the colour bin of the clip's mean over time."""
    foreground: Array
    """(1000,) int32, counts of each colour where the blurred seed is largest (50 %)."""
    background: Array
    """(1000,) int32, counts of each colour where the blurred seed is smallest (10 %)."""


def statistics_of_clip(frames: Frames, config: StatisticsConfig) -> ClipStatistics:
    """Statistics of one clip given as its frames, by the same code as the store's pass.

    ``frames``: two or more (H, W, 3) uint8 RGB of the same size; ``config.clip_frames``, ``frame_stride`` and
    ``hop_frames`` are ignored.
    """
    return with_counts(*maps_of_clip(frames, config))


def maps_of_clip(frames: Frames, config: StatisticsConfig) -> tuple[Array, Array]:
    """Only seed (not quantised) and bins of ``statistics_of_clip``: all that a mask needs."""
    sums = RunningSums(frames[0], len(frames), config.motion)
    before = sums.colour.copy(), sums.change.copy()
    if config.motion == "plain":
        rows = np.ascontiguousarray(frames).reshape(len(frames), -1)
        kernels.add_clip(rows, sums.colour, sums.change, sums.limit)
    else:
        for frame in frames:
            sums.add(frame)
    return maps_of_sums(sums, before, len(frames), config)


def statistics_of_frames(
    frames: Iterable[Frame], starts: Indices, config: StatisticsConfig
) -> Iterator[ClipStatistics]:
    """Statistics of the clips that start at each of ``starts``, indices into ``frames``; they may overlap.

    One pass serves all clips: each pair of frames is differenced once, and a clip's sums are the difference
    of two running sums.
    """
    frames = iter(frames)
    first = next(frames)
    sums = RunningSums(first, config.clip_frames, config.motion)
    begins = set(starts.tolist())
    begun: dict[int, tuple[Array, Array]] = {}
    for place, frame in enumerate(itertools.chain([first], frames)):
        colour_before = sums.colour.copy() if place in begins else sums.colour
        sums.add(frame)
        if place in begins:
            # The change leading to a clip's first frame does not belong to the clip.
            begun[place] = colour_before, sums.change.copy()
        if (begin := place - config.clip_frames + 1) in begun:
            yield with_counts(*maps_of_sums(sums, begun.pop(begin), config.clip_frames, config))


class RunningSums:
    """Sums (H·W·3,) of frames and of the absolute differences of neighbours.

    They wrap around, but a clip's difference of two of them is exact, however long the video is.
    """

    def __init__(self, first: Frame, clip_frames: int, motion: Motion) -> None:
        self.size = first.shape[0], first.shape[1]
        self.last: Frame = np.ascontiguousarray(first)
        self.align, self.limit = aligner(motion)
        kind = np.uint16 if 255 * clip_frames < 2**16 else np.uint32
        self.colour, self.change = np.zeros(first.size, kind), np.zeros(first.size, kind)

    def add(self, frame: Frame) -> None:
        frame = np.ascontiguousarray(frame)
        last = self.last if self.align is None or self.last is frame else self.align(self.last, frame)
        kernels.add_frame(frame.reshape(-1), last.reshape(-1), self.colour, self.change, self.limit)
        self.last = frame


def aligner(motion: Motion) -> tuple[Align | None, int]:
    """What removes camera motion in one pass over a video, and the limit on each change.

    For "plain", camera motion is not removed and changes are not limited, as in Eq. 2.
    """
    if motion == "plain":
        return None, 255
    from fame_cli.foreground.motion import CHANGE_LIMIT, CameraMotion

    return CameraMotion().align, CHANGE_LIMIT


def maps_of_sums(
    sums: RunningSums, before: tuple[Array, Array], frames: int, config: StatisticsConfig
) -> tuple[Array, Array]:
    """Seed (h, w) float32 and bins (h, w) uint16 of a clip, from the sums after and ``before`` it."""
    planes = np.empty((4, *sums.size), np.float32)
    rows = planes.reshape(4, -1)
    kernels.seed_and_mean(sums.colour, sums.change, *before, frames, rows[0], rows[1:])
    planes = shrink(planes, config.map_short_side_px)
    bins = np.empty(planes.shape[1:], np.uint16)
    factor = 1.0 if config.hue == "correct" else math.tau
    kernels.colour_bins(planes[1:].reshape(3, -1), factor, bins.ravel())
    return planes[0], bins


def shrink(planes: Array, short_side_px: int) -> Array:
    """Float32 images (n, H, W), averaged to a shorter side of ``short_side_px``; never enlarged."""
    height, width = planes.shape[1:]
    pitch = min(height, width) / short_side_px
    if pitch <= 1:
        return planes
    # Only whole square pixels: where the last ones extend beyond the edge, the edge is repeated.
    size = math.ceil(width / pitch - 1e-6), math.ceil(height / pitch - 1e-6)
    over_x, over_y = (round(count * pitch) - side for count, side in zip(size, (width, height), strict=True))
    covered = (cv2.copyMakeBorder(plane, 0, over_y, 0, over_x, cv2.BORDER_REPLICATE) for plane in planes)
    return np.stack([cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in covered])


def with_counts(seed: Array, bins: Array) -> ClipStatistics:
    """A clip's statistics from its maps; counts use the stored seed, so that they agree with it."""
    kept, counts = np.empty(seed.shape, np.float32), np.zeros((1, 3, kernels.COLOUR_BINS), np.int32)
    most = math.floor(kernels.FOREGROUND_SHARE * seed.size)
    least = math.floor(kernels.BACKGROUND_SHARE * seed.size)
    keep(seed, bins, kernels.blur_weights(*seed.shape), most, least, kept, counts)
    return ClipStatistics(kept, bins, counts[0, 0], counts[0, 2])


@kernels.compile_kernel
def keep(
    seed: Array, bins: Array, weights: Array, foreground: int, background: int, kept: Array, counts: Array
) -> None:
    """Quantise the seed (h, w) into ``kept``; count the bins (h, w) by it into ``counts`` (1, 3, 1000)."""
    greatest = np.float32(0)
    for value in seed.ravel():
        greatest = max(greatest, value)
    for y in range(seed.shape[0]):
        for x in range(seed.shape[1]):
            kept[y, x] = seed_of(level_of(seed[y, x], greatest), greatest)
    blurred = np.empty(seed.shape, np.float32)
    kernels.blur(kept.reshape((1, *seed.shape)), weights, blurred.reshape((1, *seed.shape)))
    kernels.colour_counts(blurred.reshape((1, -1)), bins.reshape((1, -1)), foreground, background, counts)


@kernels.compile_kernel
def level_of(seed: Any, greatest: Any) -> Any:
    """The level 0 to 63 of a seed's square root, since quiet regions need finer steps."""
    share = seed / greatest if greatest > 0 else np.float32(0)
    return np.int32(np.rint(np.float32(SEED_LEVELS) * np.sqrt(share)))


@kernels.compile_kernel
def seed_of(level: Any, greatest: Any) -> Any:
    root = np.float32(level) * np.float32(1 / SEED_LEVELS)
    return root * root * greatest
