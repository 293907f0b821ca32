"""Reading video files with PyAV, frame by frame as the decoder's own luma and chroma planes."""

import contextlib
import itertools
import math
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import simplejpeg
from av import FFmpegError, VideoFrame
from av.container import InputContainer
from av.stream import Disposition
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter
from av.video.stream import VideoStream

from fame_cli.data.orientation import UPRIGHT, Orientation, of_matrix, of_rotation
from fame_cli.data.picture import (
    Frame,
    NoVideoError,
    Picture,
    Shape,
    Size,
    Source,
    believable_aspect,
    believable_rate,
)
from fame_cli.errors import InputError

# Titles and comments in old encodings are no reason to refuse a video. Without this option, PyAV 17 and 18
# refuse the file; PyAV 19 reads any encoding and no longer accepts the option.
ANY_METADATA: dict[str, Any] = {"metadata_errors": "ignore"} if int(av.__version__.split(".")[0]) < 19 else {}

COVER = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
"""Streams that are still pictures next to a film."""


def open_container(path: Path) -> InputContainer:
    """Open a file; raises FFmpegError if FFmpeg cannot read it."""
    container: InputContainer = av.open(str(path), **ANY_METADATA)
    return container


def open_file(path: Path) -> Source | None:
    try:
        container = open_container(path)
    except (FFmpegError, OSError, ValueError):
        return None
    try:
        return source(container)
    except BaseException:
        container.close()
        raise


def holds_video(path: Path) -> bool:
    """Whether a file is a video: two frames decode, or would if there were a decoder for its codec."""
    try:
        with open_container(path) as container:
            films = [stream for stream in container.streams.video if not stream.disposition & COVER]
            if films and all(stream.codec_context is None for stream in films):
                return True
            stream, _ = choose_stream(container.streams.video)
            return len(list(itertools.islice(decode_frames(container, stream), 2))) == 2
    except Exception:  # noqa: BLE001
        return False


def source(container: InputContainer) -> Source:
    """The film in a container; raises NoVideoError if there is none."""
    stream, notes = choose_stream(container.streams.video)
    stream.codec_context.thread_count = 1
    rate = float(stream.average_rate or stream.guessed_rate or 0)
    declared, shown = declared_frames(container, stream, believable_rate(rate))
    if shown < declared:
        notes.append(f"edit list: about {shown} of {declared} frames are shown")
    # A Fraction or, since PyAV 19, a class of PyAV's own: both have these two.
    shape = stream.sample_aspect_ratio or Fraction(1)
    aspect = believable_aspect(shape.numerator / shape.denominator, stream.codec_context.width)
    if aspect != 1:
        notes.append(f"pixel aspect {shape.numerator}:{shape.denominator}")

    def seek(seconds: float) -> Iterator[Picture]:
        unit = stream.time_base or Fraction(1, av.time_base)
        container.seek(math.floor(seconds / unit), stream=stream)
        return pictures(container, stream, aspect, [])

    return Source(rate, shown, pictures(container, stream, aspect, notes), notes, seek)


def choose_stream(streams: Sequence[VideoStream]) -> tuple[VideoStream, list[str]]:
    """The main video stream, and a note on the choice if there was one.

    Never a cover; of several films, the one marked as default, then the one with the most pixels, then the
    first. A single picture among films counts as a cover, whether it is marked as one or not.

    Raises NoVideoError if no stream can be decoded.
    """
    films = [stream for stream in streams if not stream.disposition & COVER]
    if not films:
        what = "no video stream, only a cover picture" if streams else "no video stream"
        raise NoVideoError(f"it holds {what}")
    # A stream with a codec unknown to FFmpeg has no decoder at all.
    known = [stream for stream in films if stream.codec_context is not None]
    if not known:
        raise NoVideoError("there is no decoder for its codec")

    def merit(stream: VideoStream) -> tuple[bool, bool, int]:
        is_default = bool(stream.disposition & Disposition.default)
        return stream.frames != 1, is_default, stream.codec_context.width * stream.codec_context.height

    chosen = max(known, key=merit)
    return chosen, [f"stream {chosen.index}, of {len(streams)} with pictures"] if len(streams) > 1 else []


def declared_frames(container: InputContainer, stream: VideoStream, rate: float) -> tuple[int, int]:
    """The number of frames that a file declares, and how many of them it shows.

    They differ if an edit list leaves some out, as in a clip that was cut without re-encoding: all packets
    are counted, but its duration is that of the clip.
    """
    by_time = round(seconds_of(container, stream) * rate)
    if not stream.frames:  # some containers only declare their duration
        return by_time, by_time
    clearly_fewer = 0 < by_time < stream.frames - max(5, stream.frames // 20)
    has_edit_list = clearly_fewer and "mov" in container.format.name
    return stream.frames, by_time if has_edit_list else stream.frames


def seconds_of(container: InputContainer, stream: VideoStream) -> float:
    """The declared duration of a stream, or else of the whole file, which sound may make longer."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    # Matroska files by FFmpeg and mkvmerge have the duration of each stream in a tag.
    if tag := re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", "")):
        hours, minutes, seconds = map(float, tag.groups())
        return 3600 * hours + 60 * minutes + seconds
    return (container.duration or 0) / av.time_base


def pictures(
    container: InputContainer, stream: VideoStream, aspect: float, notes: list[str]
) -> Iterator[Picture]:
    """All frames in order; the orientation of the first one is added to the notes."""
    reformatter = VideoReformatter()
    orientations: dict[int, Orientation] = {}
    with container:
        for number, frame in enumerate(decode_frames(container, stream)):
            picture = PyavPicture(frame, reformatter, aspect, orientations)
            if number == 0 and picture.orientation != UPRIGHT:
                notes.append(str(picture.orientation))
            yield picture


def decode_frames(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Frames in order; a packet that does not decode is skipped, as in OpenCV.

    Frames that an edit list leaves out are decoded if others need them, but not returned.
    """
    with contextlib.suppress(FFmpegError):
        for packet in container.demux(stream):
            with contextlib.suppress(FFmpegError):
                yield from packet.decode()


@dataclass(frozen=True)
class PyavPicture:
    frame: VideoFrame
    reformatter: VideoReformatter
    """Shared by the whole video, because it caches its setup for one size."""
    aspect: float
    """Pixel aspect ratio, width by height, as in the file."""
    orientations: dict[int, Orientation]
    """Orientations of the video, by the angle that comes with each frame."""

    @property
    def seconds(self) -> float:
        return self.frame.time or 0.0

    @property
    def orientation(self) -> Orientation:
        angle = self.frame.rotation
        if angle not in self.orientations:
            self.orientations[angle] = orientation_of(self.frame)
        return self.orientations[angle]

    @property
    def shape(self) -> Shape:
        return self.orientation.size(self.frame.width * self.aspect, self.frame.height)

    def scale(self, size: Size) -> "ScaledPyavPicture":
        way = self.orientation
        if way == UPRIGHT:
            return ScaledPyavPicture(self.planes(size))
        width, height = size
        lying = (height, width) if way.transposed else size
        # The last of an odd number of columns or rows has its own chroma sample. After a rotation it would
        # come first, shifting all chroma by half a step; in that case use chroma at full resolution.
        between = width % 2 or height % 2
        planes = [
            way.turn_upright(plane) for plane in self.planes(lying, "yuvj444p" if between else "yuvj420p")
        ]
        if between:
            planes[1:] = [halve(plane) for plane in planes[1:]]
        return ScaledPyavPicture([np.ascontiguousarray(plane) for plane in planes])

    def planes(self, size: Size, pixels: str = "yuvj420p") -> list[Frame]:
        """Luma (h, w) and the two chroma planes (⌈h/2⌉, ⌈w/2⌉) as in JPEG: full range, BT.601.

        Oriented as in the file, not upright. With ``pixels`` "yuvj444p", the chroma planes are (h, w) too.
        """
        try:
            scaled = self.reformatter.reformat(
                self.frame,
                *size,
                pixels,
                dst_colorspace=Colorspace.ITU601,
                # Area averaging uses every pixel, however much the frame shrinks.
                interpolation=Interpolation.AREA,
                threads=1,
            )
        except (FFmpegError, ValueError) as error:
            raise InputError(f"PyAV cannot convert its frames: {error}") from error
        return [
            np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, -1)[:, : plane.width]
            for plane in scaled.planes
        ]


@dataclass(frozen=True)
class ScaledPyavPicture:
    planes: list[Frame]
    """Luma and the two chroma planes."""

    def jpeg(self, quality: int) -> Frame:
        brightness, *colours = self.planes
        planes = with_even_surroundings(brightness), *colours
        return np.frombuffer(simplejpeg.encode_jpeg_yuv_planes(*planes, quality), np.uint8)


def with_even_surroundings(plane: Frame) -> Frame:
    """The same (h, w) as a view of an array of even height and width, with its last row and column repeated.

    The encoder reads as much luma as the halved chroma covers, which is one more for an odd size.
    """
    height, width = plane.shape
    if height % 2 == width % 2 == 0:
        return plane
    whole = np.empty((height + height % 2, width + width % 2), np.uint8)
    whole[:height, :width] = plane
    whole[:height, width:] = plane[:, -1:]
    whole[height:] = whole[height - 1]
    return whole[:height, :width]


def orientation_of(frame: VideoFrame) -> Orientation:
    """How a frame is rotated and mirrored.

    Do not call this for every frame: PyAV's side data forms a reference cycle with the frame, so its memory
    is only freed by the cyclic garbage collector.
    """
    try:
        matrix = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV returns nothing if there is other side data that it has no name for
        return of_rotation(frame.rotation)
    return of_matrix(struct.unpack("=9i", memoryview(matrix))) if matrix else UPRIGHT  # type: ignore[arg-type]


def halve(plane: Frame) -> Frame:
    """(h, w) to (⌈h/2⌉, ⌈w/2⌉): means of 2×2 squares, with the last row and column repeated."""
    height, width = plane.shape
    even = np.pad(plane, ((0, height % 2), (0, width % 2)), "edge").astype(np.uint16)
    sums = even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]
    return ((sums + 2) // 4).astype(np.uint8)
