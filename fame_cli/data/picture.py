"""What a reader of video files gives: a file's frames one after another, decoded and not converted yet."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from fame_cli.errors import InputError

Frame = np.ndarray[Any, np.dtype[np.uint8]]
Size = tuple[int, int]
"""Width and height in pixels."""
Shape = tuple[float, float]
"""Width and height in square pixels; not necessarily whole if the file's pixels are not square."""

OBLONGEST_PIXEL = 8.0
"""Pixel aspect ratios above this, or below its inverse, are damage: real ones are within 32:11."""

FASTEST_FPS = 500.0
"""Declared rates above this are clock rates (1000 and 90000 are common), not frame rates."""


class NoVideoError(InputError):
    """A file was read but contains nothing to decode, whatever the reader."""


class ScaledPicture(Protocol):
    """An upright, scaled frame, valid as long as it is referenced."""

    def jpeg(self, quality: int) -> Frame:
        """The frame as JPEG, (bytes,) uint8, with chroma at half resolution."""


class Picture(Protocol):
    """A decoded frame before conversion, valid until the next one is decoded."""

    @property
    def seconds(self) -> float:
        """Its timestamp, as far as the file has one."""

    @property
    def shape(self) -> Shape:
        """Its displayed width and height: upright, in square pixels."""

    def scale(self, size: Size) -> ScaledPicture:
        """The frame upright, at width and height ``size``."""


@dataclass(frozen=True)
class Source:
    """A file opened by a reader."""

    declared_fps: float
    declared_frames: int
    pictures: Iterator[Picture]
    notes: list[str] = field(default_factory=list)
    """Decisions made about the file, for its row in the manifest."""
    seek: Callable[[float], Iterator[Picture]] | None = None
    """The pictures starting at a key frame at or before a time in seconds, if the reader supports it."""


def believable_rate(fps: float) -> float:
    """A declared rate in frames per second, or 0 if it is missing or impossible."""
    return fps if 0 < fps <= FASTEST_FPS else 0.0


def believable_aspect(aspect: float, width: int) -> float:
    """Pixel aspect ratio of a file; 1 if it is missing, impossible, or changes the width by no pixel."""
    oblong = 1 / OBLONGEST_PIXEL <= aspect <= OBLONGEST_PIXEL and round(width * aspect) != width
    return aspect if oblong else 1.0


def whole(shape: Shape) -> Size:
    """The nearest size in whole pixels."""
    width, height = shape
    return max(1, round(width)), max(1, round(height))
