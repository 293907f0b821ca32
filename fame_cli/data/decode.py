"""Reading video files: the only place that opens one.

Frames are decoded in order and counted as they come. Declared frame counts and seeking are not trusted: both
are wrong in common files, and time stamps of B-frame AVIs put frames in the wrong order.

PyAV reads first: it hands over the decoder's own planes of brightness and colour, so that a frame is scaled
and kept as JPEG without ever being turned into RGB. What PyAV cannot read goes to OpenCV. Both use the
decoders of FFmpeg, both turn frames upright, and both take a file's own colour matrix and range.
"""

import contextlib
import functools
import importlib.metadata
import itertools
import math
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from fame_cli.errors import InputError

Frame = np.ndarray[Any, np.dtype[np.uint8]]
Size = tuple[int, int]
"""Width and height in pixels."""

FASTEST_FPS = 500.0
"""Declared rates above this are those of a clock (1000 and 90000 are common), not of frames."""


class Picture(Protocol):
    """A decoded frame, not converted yet; it lasts until the next is decoded."""

    @property
    def seconds(self) -> float:
        """When it is shown, as far as the file tells."""

    @property
    def size(self) -> Size:
        """Its width and height upright."""

    def jpeg(self, size: Size, quality: int) -> Frame:
        """(bytes,) uint8: it upright, scaled to ``size``, as a JPEG with colour at half the resolution."""


@dataclass(frozen=True)
class Source:
    """A file as a reader opens it."""

    declared_fps: float
    declared_frames: int
    pictures: Iterator[Picture]


class DecodedVideo:
    """An opened video: what it declares, and its frames in order as ``pictures`` (each read once).

    Of more than ``max_fps`` frames a second, that many are kept, evenly spread: frame n where
    ⌊n · max_fps / fps⌋ is more than for the frame before. The count decides and not time stamps, so a
    variable rate is thinned by its mean. Frames that are left out are decoded and not converted.
    """

    def __init__(self, reader: str, source: Source, max_fps: float = 0.0) -> None:
        self.reader = reader
        """Name and version of what decodes it."""
        self.declared_fps = believable_rate(source.declared_fps)
        """0 where the file declares none, or one that cannot be: then all frames are kept."""
        self.declared_frames = source.declared_frames
        """What the file says; off by a few in about one file in thirty, and 0 where it says nothing."""
        self.max_fps = max_fps if 0 < max_fps < self.declared_fps else 0.0
        self.decoded = 0
        """Frames decoded so far, kept or not."""
        self.seconds = 0.0
        """When the last of them is shown."""
        self.pictures = self._kept(source.pictures)

    @property
    def fps(self) -> float:
        """Frames a second of those that are kept; 0 where it is not known."""
        return self.max_fps or self.declared_fps

    @property
    def ended_early(self) -> bool:
        """Whether clearly fewer frames came than the file declares: it is damaged or cut off.

        Some containers tell their length in seconds alone, so that the declared frames of a variable rate are
        more than there are: such a video ends when it should.
        """
        few = self.decoded < self.declared_frames - max(5, self.declared_frames // 20)
        return few and self.seconds * self.declared_fps < 0.95 * self.declared_frames

    def _kept(self, pictures: Iterator[Picture]) -> Iterator[Picture]:
        for number, picture in enumerate(pictures):
            self.decoded, self.seconds = number + 1, picture.seconds
            if self._keeps(number):
                yield picture

    def _keeps(self, number: int) -> bool:
        if not self.max_fps:
            return True
        due, before = (math.floor(n * self.max_fps / self.declared_fps) for n in (number, number - 1))
        return due > before


def believable_rate(fps: float) -> float:
    """A declared rate in frames a second, or 0 where it is none or cannot be one."""
    return fps if 0 < fps <= FASTEST_FPS else 0.0


def open_video(path: Path, max_fps: float = 0.0, readers: Sequence[str] | None = None) -> DecodedVideo:
    """Open a video for decoding from its first frame, with the first reader that gets a frame out of it.

    Raises InputError where none does.
    """
    for reader in READERS if readers is None else readers:
        source = READERS[reader](path)
        if source and (first := next(source.pictures, None)):
            pictures = itertools.chain([first], source.pictures)
            source = Source(source.declared_fps, source.declared_frames, pictures)
            return DecodedVideo(version_of(reader), source, max_fps)
    raise InputError(why_unreadable(path), "Replace or remove the file.")


def open_with_opencv(path: Path) -> Source | None:
    cv2.setNumThreads(1)  # many processes with one thread each are the fast way to read many videos
    with name_in_utf8(path) as name:
        capture = cv2.VideoCapture(name, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    if not capture.isOpened():
        return None
    return Source(
        float(capture.get(cv2.CAP_PROP_FPS)),
        max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT))),
        opencv_pictures(capture),
    )


@contextlib.contextmanager
def name_in_utf8(path: Path) -> Iterator[str]:
    """A name under which OpenCV can open a file: one that is not UTF-8 would crash it."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        try:
            with path.open("rb") as file:
                yield f"/dev/fd/{file.fileno()}"
        except OSError:
            yield ""
    else:
        yield str(path)


@dataclass(frozen=True)
class OpenCvPicture:
    capture: cv2.VideoCapture
    seconds: float

    @functools.cached_property
    def frame(self) -> Frame:
        """(H, W, 3) uint8 BGR."""
        there, frame = self.capture.retrieve()
        if not there:
            raise InputError("OpenCV cannot convert its frames")
        return frame  # type: ignore[return-value]

    @property
    def size(self) -> Size:
        height, width = self.frame.shape[:2]
        return width, height

    def jpeg(self, size: Size, quality: int) -> Frame:
        flags = [cv2.IMWRITE_JPEG_QUALITY, quality]
        return cv2.imencode(".jpg", scale(self.frame, size), flags)[1]  # type: ignore[return-value]


def scale(frame: Frame, size: Size) -> Frame:
    """Scale a frame to (width, height): by area where it shrinks by 2 or more, else bilinear.

    Below a factor of 2 bilinear interpolation still sees every pixel and costs a quarter as much.
    """
    width, height = size
    if frame.shape[:2] == (height, width):
        return frame
    shrinks = frame.shape[1] >= 2 * width and frame.shape[0] >= 2 * height
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)  # type: ignore[return-value]


def opencv_pictures(capture: cv2.VideoCapture) -> Iterator[Picture]:
    try:
        while capture.grab():
            yield OpenCvPicture(capture, capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    finally:
        capture.release()


def open_with_pyav(path: Path) -> Source | None:
    from fame_cli.data import pyav_reader

    return pyav_reader.open_file(path)


READERS: dict[str, Callable[[Path], Source | None]] = {"pyav": open_with_pyav, "opencv": open_with_opencv}
"""Each opens a file, or returns None where it cannot; in the order in which they are tried."""


def version_of(reader: str) -> str:
    return f"opencv {cv2.__version__}" if reader == "opencv" else f"pyav {importlib.metadata.version('av')}"


def decoder_versions() -> str:
    return ", ".join(version_of(reader) for reader in READERS)


def why_unreadable(path: Path) -> str:
    """The most telling reason why no frame could be read from a file."""
    try:
        with path.open("rb") as file:
            if not file.read(1):
                return "the file is empty"
    except OSError as error:
        return f"the file cannot be opened: {error.strerror}"
    return "not a video that the decoders can read"


def reader_that_survives(path: Path) -> str:
    """The first reader that decodes a whole video, each tried in a process of its own.

    Raises InputError with the signal that killed a reader, or where none gets a frame out of the video.
    """
    crashes = []
    for reader in READERS:
        program = "import sys; from fame_cli.data import decode; decode.read_through(*sys.argv[1:])"
        result = subprocess.run(
            [sys.executable, "-c", program, str(path), reader], capture_output=True, check=False
        )
        if result.returncode == 0:
            return reader
        if result.returncode < 0:
            crashes.append(f"{version_of(reader)}: {signal.Signals(-result.returncode).name}")
    if crashes:
        raise InputError(f"the decoder crashed on it ({', '.join(crashes)})")
    raise InputError(why_unreadable(path))


def read_through(path: str, reader: str) -> None:
    for picture in open_video(Path(path), readers=[reader]).pictures:
        picture.jpeg(picture.size, quality=95)
