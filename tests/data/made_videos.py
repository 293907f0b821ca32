"""Videos as people have them, made by PyAV: H.264, a variable rate, odd sizes, films held upright."""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

UPRIGHT = (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
TURNED = {
    90: (0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30),
    180: (-1 << 16, 0, 0, 0, -1 << 16, 0, 0, 0, 1 << 30),
    270: (0, -1 << 16, 0, 1 << 16, 0, 0, 0, 0, 1 << 30),
}
"""The matrix by which an MP4 says how its pictures are turned to be shown."""


def encode_video(
    path: Path,
    frames: np.ndarray,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    fps: int = 25,
    times_ms: Sequence[int] | None = None,
    title: str = "",
    **options: Any,
) -> Path:
    """Encode (T, H, W, 3) uint8 RGB frames, each shown at its time where times are given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        container.metadata["title"] = title
        stream = container.add_stream(codec, rate=fps, width=frames.shape[2], height=frames.shape[1])
        stream.pix_fmt = pixels
        for name, value in options.items():
            setattr(stream.codec_context, name, value)
        if times_ms:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number, pixels_of_frame in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels_of_frame, "rgb24")
            if times_ms:
                frame.pts, frame.time_base = times_ms[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def turn(video: Path, degrees: int, target: Path) -> Path:
    """The same MP4, to be shown turned by so many degrees, as a telephone held upright writes it."""
    content = video.read_bytes()
    old, new = (
        b"".join(value.to_bytes(4, "big", signed=True) for value in m) for m in (UPRIGHT, TURNED[degrees])
    )
    at = content.index(old, content.index(b"tkhd"))
    target.write_bytes(content[:at] + new + content[at + len(old) :])
    return target


def with_matrix(video: Path, matrix: Sequence[int], target: Path) -> Path:
    """The same MP4 with a, b, c, d of its display matrix replaced: (x, y) goes to (ax + cy, bx + dy)."""
    a, b, c, d = (value << 16 for value in matrix)
    content = bytearray(video.read_bytes())
    struct.pack_into(">9i", content, content.index(b"tkhd") + 44, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    target.write_bytes(content)
    return target


def encode_streams(path: Path, *streams: tuple[np.ndarray, str, int]) -> Path:
    """A file of several video streams: frames (T, H, W, 3) RGB, codec and disposition (as a number) each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        made = []
        for frames, codec, disposition in streams:
            stream = container.add_stream(codec, rate=25, width=frames.shape[2], height=frames.shape[1])
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            stream.disposition = disposition
            made.append(stream)
        for stream, (frames, *_) in zip(made, streams, strict=True):
            for pixels in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
            container.mux(stream.encode())
    return path


def cut(video: Path, first: int, target: Path) -> Path:
    """An MP4 from its frame ``first`` on, not encoded again: an edit list leaves out what comes before.

    What is left out is in the file from the key frame on that the rest needs.
    """
    with av.open(str(video)) as source, av.open(str(target), "w") as container:
        stream = source.streams.video[0]
        copy = container.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is None:
                continue
            shift = round(first / float(stream.average_rate) / stream.time_base)
            packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, copy
            container.mux(packet)
    return target
