"""The frames and pixels of a clip, and the source of every random choice.

A video holds ``frame_count`` frames; a clip takes ``clip_frames`` of them, ``frame_stride`` apart, so it
covers ``span`` frames. A shorter video still gives a clip: its last frame is repeated.
"""

import hashlib
import math
import operator

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]

CROP_TRIES = 10
ASPECT_MIN, ASPECT_MAX = 3 / 4, 4 / 3


def clip_span(clip_frames: int, frame_stride: int) -> int:
    """Number of video frames from the first to the last of a clip: (clip_frames − 1)·frame_stride + 1."""
    return (clip_frames - 1) * frame_stride + 1


def clip_indices(start: int, clip_frames: int, frame_stride: int, frame_count: int) -> Indices:
    """Frame indices (T,) of the clip that starts at frame ``start``, all below ``frame_count``.

    T is ``clip_frames``, and ``frame_stride`` their distance in frames of the video. If the video ends early,
    its last frame is repeated.
    """
    assert 0 <= start < frame_count
    return np.minimum(start + frame_stride * np.arange(clip_frames, dtype=np.int64), frame_count - 1)


def last_start(frame_count: int, span: int) -> int:
    """The last start at which a clip still fits, or 0 if none does."""
    return max(frame_count - span, 0)


def random_start(frame_count: int, span: int, generator: np.random.Generator) -> int:
    """A start drawn uniformly from all at which the clip fits."""
    return int(generator.integers(last_start(frame_count, span) + 1))


def random_start_apart(
    frame_count: int, span: int, other: int, gap: int, generator: np.random.Generator
) -> tuple[int, bool]:
    """A start drawn uniformly from those at least ``gap`` frames from the start ``other``, and True.

    If there is none, the start farthest from ``other``, and False.
    """
    last = last_start(frame_count, span)
    before, after = max(other - gap + 1, 0), max(last - other - gap + 1, 0)
    if before + after == 0:
        return (last if last - other > other else 0), False
    drawn = int(generator.integers(before + after))
    return (drawn if drawn < before else other + gap + drawn - before), True


def start_after(frame_count: int, span: int, other: int, gap: int) -> tuple[int, bool]:
    """The start ``gap`` frames after the start ``other``, and True; the last there is, and False, if none."""
    last = last_start(frame_count, span)
    return min(other + gap, last), other + gap + span <= frame_count


def even_starts(frame_count: int, span: int, count: int) -> Indices:
    """Starts (count,) spread evenly over all at which the clip fits; a single one is central."""
    last = last_start(frame_count, span)
    spread = np.linspace(0, last, count) if count > 1 else np.array([last / 2])
    starts: Indices = np.rint(spread).astype(np.int64)
    return starts


def hop_starts(frame_count: int, span: int, hop: int) -> Indices:
    """Starts 0, hop, 2·hop … at which the clip fits; always at least the first."""
    return np.arange(0, last_start(frame_count, span) + 1, hop, dtype=np.int64)


def generator_for(seed: int, *parts: int | str) -> np.random.Generator:
    """The random generator keyed by ``parts``, such as (epoch, video, view): same parts, same values.

    The parts are formatted as a Python list before hashing, so that neither ("ab", "c") and ("a", "bc") nor
    1 and "1" share a generator; in ASCII, since what counts as printable beyond it differs between versions
    of Python.
    """
    plain = [str(part) if isinstance(part, str) else operator.index(part) for part in (seed, *parts)]
    digest = hashlib.blake2b(ascii(plain).encode("ascii"), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


def random_resized_crop(
    height: int, width: int, scale_min: float, generator: np.random.Generator, *, square: bool = False
) -> tuple[int, int, int, int]:
    """A crop (top, left, height, width) in pixels, drawn like torchvision's RandomResizedCrop.

    Its share of the frame's area is uniform in [scale_min, 1] and its aspect ratio log-uniform in [3/4, 4/3],
    or 1 for a ``square``. If ten tries do not fit into the frame, the largest central crop of an allowed
    aspect ratio is used.
    """
    narrowest, widest = (1.0, 1.0) if square else (ASPECT_MIN, ASPECT_MAX)
    for _ in range(CROP_TRIES):
        area = height * width * generator.uniform(scale_min, 1)
        aspect = math.exp(generator.uniform(math.log(narrowest), math.log(widest)))
        crop_height, crop_width = round(math.sqrt(area / aspect)), round(math.sqrt(area * aspect))
        if 0 < crop_height <= height and 0 < crop_width <= width:
            top = int(generator.integers(height - crop_height + 1))
            left = int(generator.integers(width - crop_width + 1))
            return top, left, crop_height, crop_width
    return central_square(height, width) if square else largest_central_crop(height, width)


def largest_central_crop(height: int, width: int) -> tuple[int, int, int, int]:
    """The largest centre crop (top, left, height, width) with an aspect ratio from 3/4 to 4/3."""
    crop_height = min(height, round(width / ASPECT_MIN))
    crop_width = min(width, round(height * ASPECT_MAX))
    return (height - crop_height) // 2, (width - crop_width) // 2, crop_height, crop_width


def central_square(height: int, width: int) -> tuple[int, int, int, int]:
    """The largest centred square (top, left, height, width) of a frame."""
    side = min(height, width)
    return (height - side) // 2, (width - side) // 2, side, side
