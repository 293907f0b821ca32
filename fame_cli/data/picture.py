"""What a reader of video files gives: a file's frames one after another, decoded and not converted yet."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

Frame = np.ndarray[Any, np.dtype[np.uint8]]
Size = tuple[int, int]
"""Width and height in pixels."""

FASTEST_FPS = 500.0
"""Declared rates above this are those of a clock (1000 and 90000 are common), not of frames."""


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
    def size(self) -> Size:
        """Its width and height upright."""

    def scaled(self, size: Size) -> ScaledPicture:
        """It upright, with the width and height ``size``."""


@dataclass(frozen=True)
class Source:
    """A file as a reader opens it."""

    declared_fps: float
    declared_frames: int
    pictures: Iterator[Picture]


def believable_rate(fps: float) -> float:
    """A declared rate in frames a second, or 0 where it is none or cannot be one."""
    return fps if 0 < fps <= FASTEST_FPS else 0.0
