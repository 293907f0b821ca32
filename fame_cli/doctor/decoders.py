"""What reads videos and makes JPEGs of them."""

from collections.abc import Iterator

from fame_cli.doctor.finding import Finding, judge
from fame_cli.doctor.installation import pip

CODECS = ("h264", "hevc", "mpeg4", "mpeg2video", "vp8", "vp9", "av1", "mjpeg", "wmv2")
"""What nearly all data sets of videos are made of."""


def look_at_decoders() -> Iterator[Finding]:
    yield from look_at_pyav()
    yield from look_at_opencv()
    yield from look_at_jpeg()


def look_at_pyav() -> Iterator[Finding]:
    import av

    missing = [name for name in CODECS if not has_decoder(name)]
    told = f"without {', '.join(missing)}" if missing else f"reads {', '.join(CODECS)}"
    yield judge(
        "pyav",
        f"{av.__version__}, {told}",
        f"Videos of these go to OpenCV, or fail. The wheel has them: {pip('--force-reinstall', 'av')}",
        wrong=bool(missing),
    )


def has_decoder(name: str) -> bool:
    from av.codec import Codec

    try:
        Codec(name, "r")
    except ValueError:  # av.error.UnknownCodecError is one
        return False
    return True


def look_at_opencv() -> Iterator[Finding]:
    import cv2

    ffmpeg = cv2.CAP_FFMPEG in cv2.videoio_registry.getBackends()
    yield judge(
        "opencv",
        f"{cv2.__version__}, {'with' if ffmpeg else 'without'} FFmpeg",
        f"It reads what PyAV cannot: {pip('--force-reinstall', 'opencv-python-headless')}",
        wrong=not ffmpeg,
    )


def look_at_jpeg() -> Iterator[Finding]:
    import numpy as np
    import simplejpeg

    grey = np.full((16, 16, 3), 128, np.uint8)
    same = abs(int(simplejpeg.decode_jpeg(simplejpeg.encode_jpeg(grey)).mean()) - 128) <= 1
    advice = pip("--force-reinstall", "simplejpeg")
    yield judge("jpeg", f"simplejpeg {simplejpeg.__version__}", advice, wrong=not same, state="problem")
