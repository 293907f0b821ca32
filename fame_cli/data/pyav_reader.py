"""Reading video files with PyAV, frame by frame as the decoder's own planes of brightness and colour."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import simplejpeg
from av import FFmpegError, VideoFrame
from av.container import InputContainer
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter

from fame_cli.data.picture import Frame, Picture, Size, Source, believable_rate
from fame_cli.errors import InputError

# Titles and comments in old encodings are no reason to refuse a video. PyAV 17 and 18 refuse the file without
# this option; PyAV 19 reads any encoding and no longer takes it.
ANY_METADATA: dict[str, Any] = {"metadata_errors": "ignore"} if int(av.__version__.split(".")[0]) < 19 else {}


def open_file(path: Path) -> Source | None:
    try:
        container = av.open(str(path), **ANY_METADATA)
    except (FFmpegError, OSError, ValueError):
        return None
    if not container.streams.video:
        container.close()
        return None
    stream = container.streams.video[0]
    stream.codec_context.thread_count = 1
    rate = float(stream.average_rate or stream.guessed_rate or 0)
    # Some containers tell their length in time alone.
    declared = stream.frames or round((container.duration or 0) / av.time_base * believable_rate(rate))
    return Source(rate, declared, pictures(container))


def pictures(container: InputContainer) -> Iterator[Picture]:
    reformatter = VideoReformatter()
    with container:
        for frame in decoded(container):
            yield PyavPicture(frame, reformatter)


def decoded(container: InputContainer) -> Iterator[VideoFrame]:
    """Frames in order; a packet that does not decode is passed over, as OpenCV does."""
    with contextlib.suppress(FFmpegError):
        for packet in container.demux(container.streams.video[0]):
            with contextlib.suppress(FFmpegError):
                yield from packet.decode()


@dataclass(frozen=True)
class PyavPicture:
    frame: VideoFrame
    reformatter: VideoReformatter
    """Of the whole video, since it keeps what it worked out for one size."""

    @property
    def seconds(self) -> float:
        return self.frame.time or 0.0

    @property
    def quarter_turns(self) -> int:
        """Counter-clockwise, to have it upright."""
        return round(self.frame.rotation / 90)

    @property
    def size(self) -> Size:
        return turned((self.frame.width, self.frame.height), self.quarter_turns)

    def scaled(self, size: Size) -> "ScaledPyavPicture":
        turns = self.quarter_turns
        planes = self.planes(turned(size, turns))
        if turns % 4:
            planes = [np.ascontiguousarray(np.rot90(plane, turns)) for plane in planes]
        return ScaledPyavPicture(planes)

    def planes(self, size: Size) -> list[Frame]:
        """Brightness (h, w) and the two colours (⌈h/2⌉, ⌈w/2⌉) as JPEG has them: full range, BT.601."""
        try:
            scaled = self.reformatter.reformat(
                self.frame,
                *size,
                "yuvj420p",
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


def turned(size: Size, quarter_turns: int) -> Size:
    """Width and height after quarter turns."""
    width, height = size
    return (height, width) if quarter_turns % 2 else (width, height)
