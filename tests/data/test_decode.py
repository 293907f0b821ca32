"""Reading videos: in order, counted, upright, thinned to a rate, and alike by both readers."""

import itertools
import math
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from conftest import moving_square, write_video
from made_videos import encode_video, turn

from fame_cli.data import decode
from fame_cli.data.decode import DecodedVideo, open_video
from fame_cli.data.picture import Frame, Shape, Size, Source, whole

pytestmark = pytest.mark.libraries

RED = (220, 20, 20)


@dataclass(frozen=True)
class ShownAt:
    """A picture of which only the time is looked at."""

    seconds: float
    shape: Shape = (1.0, 1.0)

    def jpeg(self, size: Size, quality: int) -> Frame:
        raise AssertionError(f"nobody asked for {size} at {quality}")


def number_files(count: int, fps: float, declared: int, max_fps: float = 0.0) -> DecodedVideo:
    """A video whose frame n is shown at n / 25 seconds."""
    return DecodedVideo("made", Source(fps, declared, (ShownAt(n / 25) for n in range(count))), max_fps)


def kept(count: int, fps: float, max_fps: float) -> list[int]:
    return [round(25 * picture.seconds) for picture in number_files(count, fps, count, max_fps).pictures]


@pytest.mark.parametrize(
    ("fps", "max_fps", "expected"),
    [
        (30, 10, [0, 3, 6, 9]),
        (30, 20, [0, 2, 3, 5, 6, 8, 9, 11]),
        (25, 12.5, [0, 2, 4, 6, 8, 10]),
        (30000 / 1001, 15, [0, 2, 4, 6, 8, 10]),
        (25, 25, list(range(12))),
        (25, 60, list(range(12))),
        (25, 0, list(range(12))),
    ],
)
def test_frame_is_kept_where_the_count_of_kept_ones_advances(
    fps: float, max_fps: float, expected: list[int]
) -> None:
    assert kept(12, fps, max_fps) == expected


@pytest.mark.parametrize("fps", [23.976, 24.0, 29.97, 50.0, 59.94])
@pytest.mark.parametrize("max_fps", [5.0, 7.3, 15.0, 23.0])
def test_kept_frames_are_as_many_as_asked_for_and_evenly_spread(fps: float, max_fps: float) -> None:
    frames = kept(200, fps, max_fps)
    assert len(frames) == math.floor(199 * max_fps / fps) + 1
    gaps = {later - earlier for earlier, later in itertools.pairwise(frames)}
    assert gaps <= {math.floor(fps / max_fps), math.ceil(fps / max_fps)}


@pytest.mark.parametrize("fps", [0.0, -1.0, math.nan, math.inf, 1000.0, 90000.0])
def test_rate_that_cannot_be_is_not_known_and_drops_nothing(fps: float) -> None:
    video = number_files(9, fps, 9, max_fps=2)
    assert len(list(video.pictures)) == 9
    assert video.fps == 0


def test_rate_of_what_is_kept_is_told() -> None:
    assert number_files(1, 30, 1, max_fps=10).fps == 10
    assert number_files(1, 30, 1, max_fps=60).fps == 30
    assert number_files(1, 30, 1).fps == 30


def test_frames_left_out_are_counted() -> None:
    video = number_files(10, 30, 10, max_fps=10)
    assert len(list(video.pictures)) == 4
    assert video.decoded == 10


@pytest.mark.parametrize(
    ("decoded", "declared", "max_fps", "early"),
    [
        (100, 103, 0, False),
        (100, 105, 0, False),
        (100, 106, 0, True),
        (100, 106, 5, True),
        (900, 1000, 0, True),
    ],
)
def test_clear_shortfall_of_decoded_frames_is_an_early_end(
    decoded: int, declared: int, max_fps: float, early: bool
) -> None:
    video = number_files(decoded, 25, declared, max_fps)
    for _ in video.pictures:
        pass
    assert video.ended_early == early


def test_variable_rate_that_runs_to_its_end_is_whole() -> None:
    """MKV tells seconds alone: 2 s at a mean of 25 a second would be 50 frames."""
    pictures = (ShownAt(seconds) for seconds in (0.0, 0.1, 0.9, 1.96))
    video = DecodedVideo("made", Source(25, 50, pictures))
    assert len(list(video.pictures)) == 4
    assert not video.ended_early


def test_reader_is_named_with_its_version(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", moving_square(3, RED, seed=0))
    assert open_video(path).reader == f"pyav {av.__version__}"
    assert open_video(path, readers=["opencv"]).reader == f"opencv {cv2.__version__}"


@pytest.mark.parametrize(
    "name", ["with space [1] (2) +!'\".avi", "видео 映像.avi", os.fsdecode(b"caf\xe9 \xff.avi")]
)
@pytest.mark.skipif(sys.platform == "darwin", reason="names there are always UTF-8")
def test_video_is_read_whatever_its_name(tmp_path: Path, name: str) -> None:
    plain = write_video(tmp_path / "a.avi", moving_square(3, RED, seed=0))
    os.rename(plain, os.fsencode(tmp_path / name))
    assert len(list(open_video(tmp_path / name).pictures)) == 3


def test_metadata_that_is_not_utf8_is_no_reason_for_pyav_to_refuse_a_video(tmp_path: Path) -> None:
    path = encode_video(tmp_path / "a.mp4", moving_square(6, RED, seed=5), title="café")
    content = path.read_bytes()
    assert content.count("café".encode()) == 1
    path.write_bytes(content.replace("café".encode(), "café ".encode("latin-1")))
    video = open_video(path, readers=["pyav"])
    assert len(list(video.pictures)) == 6


def test_what_pyav_cannot_read_goes_to_opencv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "a.avi", moving_square(6, RED, seed=0))
    monkeypatch.setitem(decode.READERS, "pyav", lambda _: None)
    video = open_video(path)
    assert video.reader.startswith("opencv ")
    assert len(list(video.pictures)) == video.decoded == 6


def test_what_pyav_opens_without_a_frame_goes_to_opencv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "a.avi", moving_square(6, RED, seed=0))
    monkeypatch.setitem(decode.READERS, "pyav", lambda _: Source(25, 6, iter(())))
    assert open_video(path).reader.startswith("opencv ")


def stored(path: Path, reader: str, size: Size | None = None) -> np.ndarray:
    """(T, H, W, 3) uint8 RGB frames as they are kept, at the best quality."""
    pictures = open_video(path, readers=[reader]).pictures
    jpegs = (picture.scale(size or whole(picture.shape)).jpeg(100) for picture in pictures)
    return np.stack([cv2.imdecode(jpeg, cv2.IMREAD_COLOR_RGB) for jpeg in jpegs])


def by_both(path: Path, size: Size | None = None) -> tuple[np.ndarray, np.ndarray]:
    return stored(path, "pyav", size), stored(path, "opencv", size)


def differ_by(first: np.ndarray, second: np.ndarray) -> float:
    """Mean difference, of 255."""
    return float(np.abs(first.astype(int) - second).mean())


@pytest.mark.parametrize(
    ("suffix", "codec", "pixels", "size", "options"),
    [
        (".mp4", "libx264", "yuv420p", (64, 48), {}),
        (".mp4", "libx264", "yuv420p", (64, 48), {"colorspace": 1}),
        (".mp4", "libx264", "yuv420p", (64, 48), {"color_range": 2}),
        (".mp4", "libx264", "yuv444p", (123, 77), {}),
        (".avi", "mpeg4", "yuv420p", (123, 77), {}),
        (".mkv", "ffv1", "yuv420p10le", (64, 48), {}),
        (".mkv", "ffv1", "gray", (64, 48), {}),
        (".mpg", "mpeg2video", "yuv422p", (64, 48), {}),
        (".avi", "rawvideo", "bgr24", (64, 48), {}),
    ],
)
@pytest.mark.parametrize("half", [False, True])
def test_both_readers_keep_the_colours_of_a_video(
    tmp_path: Path,
    suffix: str,
    codec: str,
    pixels: str,
    size: tuple[int, int],
    options: dict[str, int],
    half: bool,
) -> None:
    frames = moving_square(12, RED, seed=5, size=size)
    frames = np.stack([cv2.GaussianBlur(frame, (0, 0), 12) for frame in frames])
    path = encode_video(tmp_path / f"a{suffix}", frames, codec, pixels, **options)
    target = (size[0] // 2, size[1] // 2) if half else size
    truth = np.stack([cv2.resize(frame, target, interpolation=cv2.INTER_AREA) for frame in frames])
    if pixels == "gray":
        truth = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in truth])[..., None]
    first, second = by_both(path, target)
    assert first.shape == second.shape == (12, target[1], target[0], 3)
    # Of the two, PyAV's is the nearer: OpenCV's way over BGR rounds green down.
    assert differ_by(first, second) < 1.9
    assert max(differ_by(first, truth), differ_by(second, truth)) < 3


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_both_readers_turn_a_film_upright(tmp_path: Path, degrees: int) -> None:
    straight = encode_video(tmp_path / "a.mp4", moving_square(6, RED, seed=5))
    turned = by_both(turn(straight, degrees, tmp_path / "b.mp4"))
    clockwise = np.rot90(stored(straight, "pyav"), -degrees // 90, axes=(1, 2))
    for frames in turned:
        assert frames.shape == clockwise.shape
        assert differ_by(frames, clockwise) < 5 < differ_by(frames[:, ::-1, ::-1], clockwise)


def test_both_readers_pass_over_damage(tmp_path: Path) -> None:
    content = bytearray(write_video(tmp_path / "a.avi", moving_square(30, RED, seed=1)).read_bytes())
    for at in range(9000, len(content) // 2, 700):
        content[at : at + 40] = b"\x55" * 40
    (tmp_path / "a.avi").write_bytes(content)
    first, second = by_both(tmp_path / "a.avi")
    # What a damaged frame looks like is each reader's own affair.
    assert 5 <= len(first) <= 30
    assert 5 <= len(second) <= 30


@pytest.mark.real
@pytest.mark.parametrize("pattern", ["hmdb51/*/*.avi", "kinetics/*/*", "ucf101/*/*_g01_*.avi"])
def test_both_readers_give_the_same_frames_of_real_clips(real_data: Path, pattern: str) -> None:
    paths = sorted(real_data.glob(pattern))[:4]
    assert paths
    for path in paths:
        first, second = by_both(path)
        assert first.shape == second.shape
        assert differ_by(first, second) < 4, path
        assert differ_by(first[1:], second[:-1]) > differ_by(first, second)
