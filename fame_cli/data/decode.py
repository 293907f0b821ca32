"""Reading video files with the first reader that can.

Frames are decoded in order and counted as they come. Declared frame counts and seeking are not trusted: both
are wrong in common files, and timestamps of B-frame AVIs put frames in the wrong order.

PyAV is tried first: it provides the decoder's own luma and chroma planes, so a frame is scaled and stored as
JPEG without conversion to RGB. Files that PyAV cannot read go to OpenCV. Both use FFmpeg's decoders, rotate
frames upright, and use the file's own colour matrix and range.
"""

import contextlib
import dataclasses
import errno
import importlib.metadata
import itertools
import math
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from fame_cli.data import opencv_reader
from fame_cli.data.picture import Frame, NoVideoError, Picture, Source, believable_rate, whole
from fame_cli.errors import InputError

RECENT = 16
"""Number of frames before a place by which it is recognised."""
SEEK_AHEAD_SECONDS = 1.0
"""How far before the first of them to seek: a key frame of another stream may lie in between."""
LIMITS_OF_THE_MACHINE = (errno.EMFILE, errno.ENFILE)
"""Too many open files, in the process or in the system."""


class DecodedVideo:
    """An opened video: its declared properties, and its frames in order as ``pictures`` (each read once).

    Above ``max_fps`` frames per second, frames are dropped evenly: frame n is kept if ⌊n · max_fps / fps⌋ is
    larger than for the frame before. This uses frame numbers instead of timestamps, so a variable rate is
    thinned by its mean. Dropped frames are decoded but not converted.
    """

    def __init__(self, reader: str, source: Source, max_fps: float = 0.0) -> None:
        self.reader = reader
        """Name and version of the reader."""
        self.declared_fps = believable_rate(source.declared_fps)
        """Declared rate; 0 if it is missing or impossible, in which case all frames are kept."""
        self.declared_frames = source.declared_frames
        """As declared by the file; off by a few in about one file in thirty, 0 if not declared."""
        self.max_fps = max_fps if 0 < max_fps < self.declared_fps else 0.0
        self.notes = source.notes
        """Decisions made about the file."""
        self.decoded = 0
        """Frames decoded so far, kept or dropped."""
        self.seconds = 0.0
        """Timestamp of the last of them."""
        self.recent: deque[float] = deque(maxlen=RECENT)
        """Timestamps of the last decoded frames."""
        self.source = source
        self.pictures = self._keep(source.pictures)

    @property
    def place(self) -> "Place":
        """The place of the last picture that was read."""
        return Place(self.reader, self.decoded, tuple(self.recent))

    @property
    def fps(self) -> float:
        """Rate of the kept frames per second; 0 if unknown."""
        return self.max_fps or self.declared_fps

    @property
    def ended_early(self) -> bool:
        """Whether clearly fewer frames were decoded than declared: the file is damaged or truncated.

        Some containers only declare their duration, so for a variable rate the declared count exceeds the
        actual one: such a video does not end early.
        """
        few = self.decoded < self.declared_frames - max(5, self.declared_frames // 20)
        return few and self.seconds * self.declared_fps < 0.95 * self.declared_frames

    def _keep(self, pictures: Iterator[Picture], start: int = 0) -> Iterator[Picture]:
        for number, picture in enumerate(pictures, start):
            self.decoded, self.seconds = number + 1, picture.seconds
            self.recent.append(picture.seconds)
            if self._keeps(number):
                yield picture

    def _keeps(self, number: int) -> bool:
        if not self.max_fps:
            return True
        due, before = (math.floor(n * self.max_fps / self.declared_fps) for n in (number, number - 1))
        return due > before

    def go_to(self, place: "Place", jpegs: Sequence[Frame], encode: Callable[[Picture], Frame]) -> bool:
        """Seek to a place; returns whether it was reached for certain. If not, do not use the video further.

        A seek is only trusted if it can be verified: the last frames before the place must come one by one at
        their former times, and the kept ones must reproduce the last of the ``jpegs``.
        """
        times = place.times
        if self.source.seek is None or len(times) < RECENT or list(times) != sorted(set(times)):
            return False
        numbers = range(place.decoded - len(times), place.decoded)
        kept = (number for number in reversed(numbers) if self._keeps(number))
        known = dict(zip(kept, reversed(jpegs), strict=False))
        pictures = self.source.seek(times[0] - SEEK_AHEAD_SECONDS)
        pictures = itertools.dropwhile(lambda picture: picture.seconds < times[0], pictures)
        for number, seconds in zip(numbers, times, strict=True):
            picture = next(pictures, None)
            if picture is None or picture.seconds != seconds:
                return False
            if number in known and not np.array_equal(encode(picture), known[number]):
                return False
        self._go_on(pictures, place)
        return True

    def pass_over(self, place: "Place") -> None:
        """Continue from a place by decoding everything before it, without conversion."""
        for _ in itertools.islice(self.source.pictures, place.decoded):
            pass
        self._go_on(self.source.pictures, place)

    def _go_on(self, pictures: Iterator[Picture], place: "Place") -> None:
        self.decoded, self.seconds = place.decoded, place.times[-1]
        self.recent.extend(place.times)
        self.pictures = self._keep(pictures, place.decoded)


@dataclass(frozen=True)
class Place:
    """A place within a video, from which decoding can resume."""

    reader: str
    """Name and version of the reader that decoded it."""
    decoded: int
    """Number of frames before it."""
    times: tuple[float, ...]
    """Timestamps of the last of these, in seconds."""


def open_video(path: Path, max_fps: float = 0.0, readers: Sequence[str] | None = None) -> DecodedVideo:
    """Open a video for decoding from its first frame, with the first reader that can decode a frame.

    Raises InputError if none can.
    """
    why = ""
    for reader in READERS if readers is None else readers:
        try:
            with decoder_errors():
                source = READERS[reader](path)
                first = next(source.pictures, None) if source else None
        except NoVideoError:
            raise
        except InputError as error:
            why = why or error.message
            continue
        if source and first:
            pictures = itertools.chain([first], source.pictures)
            return DecodedVideo(version_of(reader), dataclasses.replace(source, pictures=pictures), max_fps)
    raise InputError(why or why_unreadable(path), "Replace or remove the file.")


@contextlib.contextmanager
def decoder_errors() -> Iterator[None]:
    """Turn any error of a decoder into an InputError: it concerns only this video.

    Errors about the machine's limits are not the video's fault and pass unchanged.
    """
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in LIMITS_OF_THE_MACHINE:
            raise
        what = " ".join(str(error).split()) or "no reason given"
        raise InputError(f"the decoder failed: {what} ({type(error).__name__})") from error


def resume_video(
    path: Path,
    max_fps: float,
    place: Place,
    jpegs: Sequence[Frame],
    encode: Callable[[Picture], Frame],
    *,
    seek: bool,
) -> DecodedVideo:
    """Open a video to continue from a place, by a verified seek if possible (``DecodedVideo.go_to``)."""
    readers = [place.reader.split()[0]]
    if seek:
        with contextlib.suppress(InputError):
            video = open_video(path, max_fps, readers)
            with decoder_errors():
                if video.go_to(place, jpegs, encode):
                    return video
    video = open_video(path, max_fps, readers)
    with decoder_errors():
        video.pass_over(place)
    return video


def open_with_pyav(path: Path) -> Source | None:
    from fame_cli.data import pyav_reader  # loading FFmpeg takes time, so only for reading video files

    return pyav_reader.open_file(path)


def holds_video(path: Path) -> bool:
    """Whether a file of any name is a video by its content: not text, audio or a single image."""
    from fame_cli.data import pyav_reader

    return pyav_reader.holds_video(path)


READERS: dict[str, Callable[[Path], Source | None]] = {
    "pyav": open_with_pyav,
    "opencv": opencv_reader.open_file,
}
"""Each opens a file or returns None, in the order in which they are tried."""


def version_of(reader: str) -> str:
    return f"opencv {cv2.__version__}" if reader == "opencv" else f"pyav {importlib.metadata.version('av')}"


def decoder_versions() -> str:
    return ", ".join(version_of(reader) for reader in READERS)


def why_unreadable(path: Path) -> str:
    """The most specific reason why no frame could be read from a file."""
    try:
        with path.open("rb") as file:
            if not file.read(1):
                return "the file is empty"
    except OSError as error:
        return f"the file cannot be opened: {error.strerror}"
    return "not a video that the decoders can read"


def reader_that_survives(path: Path) -> str:
    """The first reader that decodes a whole video, each tried in its own process.

    Raises InputError with the signal that killed a reader, or if none can decode a frame.
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
        picture.scale(whole(picture.shape)).jpeg(quality=95)
