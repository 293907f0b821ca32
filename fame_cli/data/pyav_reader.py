"""Reading video files with PyAV, frame by frame as the decoder's own planes of brightness and colour."""

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

# Titles and comments in old encodings are no reason to refuse a video. PyAV 17 and 18 refuse the file without
# this option; PyAV 19 reads any encoding and no longer takes it.
ANY_METADATA: dict[str, Any] = {"metadata_errors": "ignore"} if int(av.__version__.split(".")[0]) < 19 else {}

COVER = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
"""Streams that are pictures beside a film, and not a film."""


def open_container(path: Path) -> InputContainer:
    """Open a file; raises FFmpegError where it is none of FFmpeg's."""
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
    """Whether a file is a video: it gives two frames, or would if there were a decoder for its codec."""
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
    """The film in a container; raises NoVideoError where there is none."""
    stream, notes = choose_stream(container.streams.video)
    stream.codec_context.thread_count = 1
    rate = float(stream.average_rate or stream.guessed_rate or 0)
    declared, shown = declared_frames(container, stream, believable_rate(rate))
    if shown < declared:
        notes.append(f"edit list: about {shown} of {declared} frames are shown")
    aspect = believable_aspect(float(stream.sample_aspect_ratio or 1), stream.codec_context.width)
    if aspect != 1:
        wide, high = stream.sample_aspect_ratio.as_integer_ratio()  # type: ignore[union-attr]
        notes.append(f"pixel aspect {wide}:{high}")

    def seek(seconds: float) -> Iterator[Picture]:
        unit = stream.time_base or Fraction(1, av.time_base)
        container.seek(math.floor(seconds / unit), stream=stream)
        return pictures(container, stream, aspect, [])

    return Source(rate, shown, pictures(container, stream, aspect, notes), notes, seek)


def choose_stream(streams: Sequence[VideoStream]) -> tuple[VideoStream, list[str]]:
    """The stream that people mean, and what there is to say of the choice.

    Never a cover; of several films the one that the file marks as its default, then the one with the most
    pixels, then the first. One picture among films counts as a cover, whether it is marked as one or not.

    Raises NoVideoError where there is none that can be decoded.
    """
    films = [stream for stream in streams if not stream.disposition & COVER]
    if not films:
        what = "no video stream, only a cover picture" if streams else "no video stream"
        raise NoVideoError(f"it holds {what}")
    # A stream of a codec that FFmpeg does not know has no decoder at all.
    known = [stream for stream in films if stream.codec_context is not None]
    if not known:
        raise NoVideoError("there is no decoder for its codec")

    def merit(stream: VideoStream) -> tuple[bool, bool, int]:
        is_default = bool(stream.disposition & Disposition.default)
        return stream.frames != 1, is_default, stream.codec_context.width * stream.codec_context.height

    chosen = max(known, key=merit)
    return chosen, [f"stream {chosen.index}, of {len(streams)} with pictures"] if len(streams) > 1 else []


def declared_frames(container: InputContainer, stream: VideoStream, rate: float) -> tuple[int, int]:
    """How many frames a file says that it holds, and how many of them that it shows.

    They differ where an edit list leaves some out, as in a piece that was cut without encoding it again: its
    packets are all counted, and its length in time is that of the piece.
    """
    by_time = round(seconds_of(container, stream) * rate)
    if not stream.frames:  # some containers tell their length in time alone
        return by_time, by_time
    clearly_fewer = 0 < by_time < stream.frames - max(5, stream.frames // 20)
    has_edit_list = clearly_fewer and "mov" in container.format.name
    return stream.frames, by_time if has_edit_list else stream.frames


def seconds_of(container: InputContainer, stream: VideoStream) -> float:
    """How long a stream is by what the file says, or else all of the file, which sound may make longer."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    # Matroska as FFmpeg and mkvmerge write it tells the length of each stream in a tag.
    if tag := re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", "")):
        hours, minutes, seconds = map(float, tag.groups())
        return 3600 * hours + 60 * minutes + seconds
    return (container.duration or 0) / av.time_base


def pictures(
    container: InputContainer, stream: VideoStream, aspect: float, notes: list[str]
) -> Iterator[Picture]:
    """All frames in order; how the first one is turned goes to the notes."""
    reformatter = VideoReformatter()
    orientations: dict[int, Orientation] = {}
    with container:
        for number, frame in enumerate(decode_frames(container, stream)):
            picture = PyavPicture(frame, reformatter, aspect, orientations)
            if number == 0 and picture.orientation != UPRIGHT:
                notes.append(str(picture.orientation))
            yield picture


def decode_frames(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Frames in order; a packet that does not decode is passed over, as OpenCV does.

    What an edit list leaves out is decoded where other frames need it, and does not come out.
    """
    with contextlib.suppress(FFmpegError):
        for packet in container.demux(stream):
            with contextlib.suppress(FFmpegError):
                yield from packet.decode()


@dataclass(frozen=True)
class PyavPicture:
    frame: VideoFrame
    reformatter: VideoReformatter
    """Of the whole video, since it keeps what it worked out for one size."""
    aspect: float
    """Width by height of the pixels as they lie in the file."""
    orientations: dict[int, Orientation]
    """Of the whole video, by the angle that comes with each frame."""

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
        # The last of an odd number of columns or rows has a colour of its own. Turned, it would be first, and
        # all colours half a step beside their brightness; so there they are taken at full resolution.
        between = width % 2 or height % 2
        planes = [
            way.turn_upright(plane) for plane in self.planes(lying, "yuvj444p" if between else "yuvj420p")
        ]
        if between:
            planes[1:] = [halve(plane) for plane in planes[1:]]
        return ScaledPyavPicture([np.ascontiguousarray(plane) for plane in planes])

    def planes(self, size: Size, pixels: str = "yuvj420p") -> list[Frame]:
        """Brightness (h, w) and the two colours (⌈h/2⌉, ⌈w/2⌉) as JPEG has them: full range, BT.601.

        They lie as in the file, not upright. With ``pixels`` "yuvj444p", the colours are (h, w) too.
        """
        try:
            scaled = self.reformatter.reformat(
                self.frame,
                *size,
                pixels,
                dst_colorspace=Colorspace.ITU601,
                # Every pixel counts, however much the frame shrinks.
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
    """Brightness and the two colours."""

    def jpeg(self, quality: int) -> Frame:
        brightness, *colours = self.planes
        planes = with_even_surroundings(brightness), *colours
        return np.frombuffer(simplejpeg.encode_jpeg_yuv_planes(*planes, quality), np.uint8)


def with_even_surroundings(plane: Frame) -> Frame:
    """The same (h, w) as part of an array of even height and width, where its last row and column go on.

    The encoder reads as much brightness as the halved colours cover, which is one more of an odd number.
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
    """How a frame is turned and mirrored.

    Not to be asked of every frame: PyAV ties what comes beside a frame to it in a circle, so that its memory
    is not free until Python looks for circles.
    """
    try:
        matrix = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV gives nothing where there is anything else that it has no name for
        return of_rotation(frame.rotation)
    return of_matrix(struct.unpack("=9i", memoryview(matrix))) if matrix else UPRIGHT  # type: ignore[arg-type]


def halve(plane: Frame) -> Frame:
    """(h, w) to (⌈h/2⌉, ⌈w/2⌉): the means of squares of four, where the last row and column go on."""
    height, width = plane.shape
    even = np.pad(plane, ((0, height % 2), (0, width % 2)), "edge").astype(np.uint16)
    sums = even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]
    return ((sums + 2) // 4).astype(np.uint8)
