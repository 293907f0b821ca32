"""Reading video files with OpenCV, frame by frame as BGR."""

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2

from fame_cli.data.picture import Frame, Picture, Shape, Size, Source, believable_aspect
from fame_cli.errors import InputError
from fame_cli.names import to_text


def open_file(path: Path) -> Source | None:
    cv2.setNumThreads(1)  # many processes with one thread each are the fast way to read many videos
    with name_in_utf8(path) as name:
        capture = cv2.VideoCapture(name, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    if not capture.isOpened():
        return None
    return Source(
        float(capture.get(cv2.CAP_PROP_FPS)),
        max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT))),
        pictures(capture, pixel_aspect(capture)),
    )


def pixel_aspect(capture: cv2.VideoCapture) -> float:
    """Pixel aspect ratio of a file after OpenCV has rotated its frames upright."""
    wide, high = (capture.get(name) for name in (cv2.CAP_PROP_SAR_NUM, cv2.CAP_PROP_SAR_DEN))
    aspect = believable_aspect(wide / high if high > 0 else 1.0, int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)))
    return 1 / aspect if capture.get(cv2.CAP_PROP_ORIENTATION_META) % 180 else aspect


@contextlib.contextmanager
def name_in_utf8(path: Path) -> Iterator[str]:
    """A name by which OpenCV can open a file; one that is not UTF-8 would crash it."""
    name = to_text(str(path))
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        try:
            with path.open("rb") as file:
                yield f"/dev/fd/{file.fileno()}"
        except OSError:
            yield ""
    else:
        yield name


@dataclass(frozen=True)
class OpenCvPicture:
    capture: cv2.VideoCapture
    seconds: float
    aspect: float

    @functools.cached_property
    def frame(self) -> Frame:
        """(H, W, 3) uint8 BGR."""
        there, frame = self.capture.retrieve()
        if not there:
            raise InputError("OpenCV cannot convert its frames")
        return frame  # type: ignore[return-value]

    @property
    def shape(self) -> Shape:
        height, width = self.frame.shape[:2]
        return width * self.aspect, height

    def scale(self, size: Size) -> "ScaledOpenCvPicture":
        return ScaledOpenCvPicture(scale(self.frame, size))


@dataclass(frozen=True)
class ScaledOpenCvPicture:
    frame: Frame
    """(h, w, 3) uint8 BGR."""

    def jpeg(self, quality: int) -> Frame:
        flags = [cv2.IMWRITE_JPEG_QUALITY, quality]
        return cv2.imencode(".jpg", self.frame, flags)[1]  # type: ignore[return-value]


def scale(frame: Frame, size: Size) -> Frame:
    """Scale a frame to (width, height): by area averaging if it shrinks by 2 or more, else bilinearly.

    Below a factor of 2, bilinear interpolation still uses every pixel and costs a quarter as much.
    """
    width, height = size
    if frame.shape[:2] == (height, width):
        return frame
    shrinks = frame.shape[1] >= 2 * width and frame.shape[0] >= 2 * height
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)  # type: ignore[return-value]


def pictures(capture: cv2.VideoCapture, aspect: float) -> Iterator[Picture]:
    try:
        while capture.grab():
            yield OpenCvPicture(capture, capture.get(cv2.CAP_PROP_POS_MSEC) / 1000, aspect)
    finally:
        capture.release()
