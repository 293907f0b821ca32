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
"""Width and height in square pixels, which need not be whole where those of the file are not square."""

OBLONGEST_PIXEL = 8.0
"""Pixel aspects above this, or below its inverse, are damage: those of films are within 32:11."""

FASTEST_FPS = 500.0
"""Declared rates above this are those of a clock (1000 and 90000 are common), not of frames."""


class NoVideoError(InputError):
    """A file was read and holds nothing to decode, whichever reader tries."""


class ScaledPicture(Protocol):
    """A frame upright and scaled, which lasts as long as it is wanted."""

    def jpeg(self, quality: int) -> Frame:
        """(bytes,) uint8: it as a JPEG with colour at half the resolution."""


class Picture(Protocol):
    """A decoded frame, not converted yet; it lasts until the next is decoded."""

    @property
    def seconds(self) -> float:
        """When it is shown, as far as the file tells."""

    @property
    def shape(self) -> Shape:
        """Its width and height as it is shown: upright, in square pixels."""

    def scale(self, size: Size) -> ScaledPicture:
        """It upright, with the width and height ``size``."""


@dataclass(frozen=True)
class Source:
    """A file as a reader opens it."""

    declared_fps: float
    declared_frames: int
    pictures: Iterator[Picture]
    notes: list[str] = field(default_factory=list)
    """What was decided about the file, for its row of the manifest."""
    seek: Callable[[float], Iterator[Picture]] | None = None
    """The pictures from some key frame at or before a time in seconds on, where the reader can."""


def believable_rate(fps: float) -> float:
    """A declared rate in frames a second, or 0 where it is none or cannot be one."""
    return fps if 0 < fps <= FASTEST_FPS else 0.0


def believable_aspect(aspect: float, width: int) -> float:
    """Width by height of a file's pixels: 1 where it is none, cannot be one, or moves no edge by a pixel."""
    oblong = 1 / OBLONGEST_PIXEL <= aspect <= OBLONGEST_PIXEL and round(width * aspect) != width
    return aspect if oblong else 1.0


def whole(shape: Shape) -> Size:
    """The nearest size in whole pixels."""
    width, height = shape
    return max(1, round(width)), max(1, round(height))
