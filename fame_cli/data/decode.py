"""Reading video files: the only place that opens one.

Frames are decoded in order and counted as they come. Declared frame counts and seeking are not trusted: both
are wrong in common files, and time stamps of B-frame AVIs put frames in the wrong order.
"""

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fame_cli.errors import InputError

Frame = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True)
class DecodedVideo:
    """An opened video: what it declares, and its frames in order (each read once)."""

    fps: float
    declared_frames: int
    """What the file says; off by a few in about one file in thirty, and 0 where it says nothing."""
    frames: Iterator[Frame]
    """(H, W, 3) uint8, BGR as decoded."""


def decoder_version() -> str:
    return f"opencv {cv2.__version__}"


def open_video(path: Path) -> DecodedVideo:
    """Open a video for decoding from its first frame; raises InputError where it cannot be read."""
    cv2.setNumThreads(1)  # many processes with one thread each are the fast way to read many videos
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    if not capture.isOpened():
        raise InputError(why_unreadable(path), "Replace or remove the file.")
    return DecodedVideo(
        fps=float(capture.get(cv2.CAP_PROP_FPS)),
        declared_frames=max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT))),
        frames=decoded_frames(capture),
    )


def decoded_frames(capture: cv2.VideoCapture) -> Iterator[Frame]:
    try:
        while True:
            there, frame = capture.read()
            if not there:
                return
            yield frame  # type: ignore[misc]
    finally:
        capture.release()


def why_unreadable(path: Path) -> str:
    """The most telling reason why a file could not be opened as a video."""
    try:
        with path.open("rb") as file:
            if not file.read(1):
                return "the file is empty"
    except OSError as error:
        return f"the file cannot be opened: {error.strerror}"
    return "not a video that the decoder can read"


def crash_of_decoder(path: Path) -> str:
    """Decode a whole video in a process of its own; returns the signal that killed it, or nothing."""
    program = "import sys; from pathlib import Path; from fame_cli.data.decode import open_video\n"
    program += "for frame in open_video(Path(sys.argv[1])).frames: pass"
    result = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, check=False)
    return signal.Signals(-result.returncode).name if result.returncode < 0 else ""
