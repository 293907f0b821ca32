"""Reading videos: in order, counted, upright, thinned to a rate, and alike by both readers."""

import itertools
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import moving_square, write_video
from made_videos import encode_video, turn

from fame_cli.data import decode
from fame_cli.data.decode import DecodedVideo, Picture, Source, open_video
from fame_cli.errors import InputError

RED = (220, 20, 20)


def numbered(count: int, fps: float, declared: int, max_fps: float = 0.0) -> DecodedVideo:
    """A video at 25 frames a second whose frames hold their number in one pixel."""
    pictures = (
        Picture(n / 25, lambda n=n: np.full((1, 1, 3), n % 256, np.uint8))  # type: ignore[misc]
        for n in range(count)
    )
    return DecodedVideo("made", Source(fps, declared, pictures), max_fps)


def kept(count: int, fps: float, max_fps: float) -> list[int]:
    return [int(frame[0, 0, 0]) for frame in numbered(count, fps, count, max_fps).frames]


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
    video = numbered(9, fps, 9, max_fps=2)
    assert len(list(video.frames)) == 9
    assert video.fps == 0


def test_rate_of_what_is_kept_is_told() -> None:
    assert numbered(1, 30, 1, max_fps=10).fps == 10
    assert numbered(1, 30, 1, max_fps=60).fps == 30
    assert numbered(1, 30, 1).fps == 30


def test_frames_left_out_are_counted_and_not_converted() -> None:
    converted = []

    def pictures() -> Iterator[Picture]:
        for number in range(10):
            yield Picture(0.0, lambda n=number: converted.append(n) or np.zeros((1, 1, 3), np.uint8))  # type: ignore[misc]

    video = DecodedVideo("made", Source(30, 10, pictures()), max_fps=10)
    assert len(list(video.frames)) == 4
    assert converted == [0, 3, 6, 9]
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
    video = numbered(decoded, 25, declared, max_fps)
    for _ in video.frames:
        pass
    assert video.ended_early == early


def test_variable_rate_that_runs_to_its_end_is_whole() -> None:
    """MKV tells seconds alone: 2 s at a mean of 25 a second would be 50 frames."""
    pictures = (Picture(seconds, lambda: np.zeros((1, 1, 3), np.uint8)) for seconds in (0.0, 0.1, 0.9, 1.96))
    video = DecodedVideo("made", Source(25, 50, pictures))
    assert len(list(video.frames)) == 4
    assert not video.ended_early


def test_reader_is_named_with_its_version(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", moving_square(3, RED, seed=0))
    assert open_video(path).reader == f"opencv {cv2.__version__}"


@pytest.mark.parametrize(
    "name", ["with space [1] (2) +!'\".avi", "видео 映像.avi", os.fsdecode(b"caf\xe9 \xff.avi")]
)
@pytest.mark.skipif(sys.platform == "darwin", reason="names there are always UTF-8")
def test_video_is_read_whatever_its_name(tmp_path: Path, name: str) -> None:
    plain = write_video(tmp_path / "a.avi", moving_square(3, RED, seed=0))
    os.rename(plain, os.fsencode(tmp_path / name))
    assert len(list(open_video(tmp_path / name).frames)) == 3


def test_without_pyav_the_reason_says_that_it_might_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.avi").write_text("no video " * 100)
    monkeypatch.setattr(decode, "available_readers", lambda: ["opencv"])
    with pytest.raises(InputError, match="PyAV reads some others, and is not installed"):
        open_video(tmp_path / "a.avi")


def test_what_opencv_cannot_read_goes_to_pyav(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("av")
    path = write_video(tmp_path / "a.avi", moving_square(6, RED, seed=0))
    monkeypatch.setitem(decode.READERS, "opencv", lambda _: None)
    video = open_video(path)
    assert video.reader.startswith("pyav ")
    assert len(list(video.frames)) == video.decoded == 6


def test_what_opencv_opens_without_a_frame_goes_to_pyav(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("av")
    path = write_video(tmp_path / "a.avi", moving_square(6, RED, seed=0))
    monkeypatch.setitem(decode.READERS, "opencv", lambda _: Source(25, 6, iter(())))
    assert open_video(path).reader.startswith("pyav ")


def by_both(path: Path) -> tuple[np.ndarray, np.ndarray]:
    first, second = (np.stack(list(open_video(path, readers=[name]).frames)) for name in ("opencv", "pyav"))
    return first, second


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
    ],
)
def test_both_readers_give_the_same_pixels(
    tmp_path: Path, suffix: str, codec: str, pixels: str, size: tuple[int, int], options: dict[str, int]
) -> None:
    pytest.importorskip("av")
    frames = moving_square(12, RED, seed=5, size=size)
    path = encode_video(tmp_path / f"a{suffix}", frames, codec, pixels, **options)
    first, second = by_both(path)
    assert np.array_equal(first, second)
    assert first.shape == frames.shape


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_both_readers_turn_a_film_upright(tmp_path: Path, degrees: int) -> None:
    pytest.importorskip("av")
    straight = encode_video(tmp_path / "a.mp4", moving_square(6, RED, seed=5))
    turned = by_both(turn(straight, degrees, tmp_path / "b.mp4"))
    assert np.array_equal(*turned)
    clockwise = np.rot90(by_both(straight)[0], -degrees // 90, axes=(1, 2))
    assert np.array_equal(turned[0], clockwise)


def test_both_readers_pass_over_damage(tmp_path: Path) -> None:
    pytest.importorskip("av")
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
def test_both_readers_give_the_same_pixels_of_real_clips(real_data: Path, pattern: str) -> None:
    pytest.importorskip("av")
    paths = sorted(real_data.glob(pattern))[:4]
    assert paths
    for path in paths:
        opened = [open_video(path, readers=[reader]).frames for reader in ("opencv", "pyav")]
        for first, second in itertools.zip_longest(*opened):
            assert np.array_equal(first, second), path
