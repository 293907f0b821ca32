"""Videos as people have them, made by PyAV: H.264, a variable rate, odd sizes, films held upright."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

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
    import av

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
