"""Films upright, in square pixels and of one shape, with colours where their brightness is."""

from fractions import Fraction
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import moving_square
from made_videos import encode_video, with_matrix

from fame_cli.config import ExtractConfig
from fame_cli.data import pyav_reader
from fame_cli.data.decode import open_video
from fame_cli.data.film import Film, same_shape, scaled_size
from fame_cli.data.orientation import WORDS, Orientation, of_matrix, of_rotation
from fame_cli.data.picture import believable_aspect, whole
from fame_cli.data.pyav_reader import PyavPicture, halve

pytestmark = pytest.mark.libraries

STRAIGHT = [(x, 0, 0, y) for x, y in product((1, -1), repeat=2)]
ACROSS = [(0, y, x, 0) for x, y in product((1, -1), repeat=2)]
MATRICES = STRAIGHT + ACROSS
"""All eight, each as a, b, c, d: a point (x, y) is shown at (ax + cy, bx + dy)."""


def stored(path: Path, short_side_px: int = 1000, reader: str = "pyav") -> tuple[np.ndarray, dict[str, Any]]:
    """(T, H, W, 3) uint8 RGB frames of a video as they are kept, and what is told of it."""
    film = Film(open_video(path, readers=[reader]), ExtractConfig(short_side_px, jpeg_quality=100))
    frames = np.stack([cv2.imdecode(jpeg, cv2.IMREAD_COLOR_RGB) for group in film.groups() for jpeg in group])
    return frames, film.outcome()


def shown(frames: np.ndarray, matrix: tuple[int, ...]) -> np.ndarray:
    """The frames (T, H, W, 3) as the matrix says, pixel by pixel from its definition."""
    a, b, c, d = matrix
    height, width = frames.shape[1:3]
    y, x = np.mgrid[:height, :width]
    to_x, to_y = a * x + c * y, b * x + d * y
    to_x, to_y = to_x - to_x.min(), to_y - to_y.min()
    moved = np.zeros((len(frames), to_y.max() + 1, to_x.max() + 1, 3), np.uint8)
    moved[:, to_y, to_x] = frames
    return moved


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("size", [(64, 48), (62, 50)])
def test_film_is_stored_as_its_matrix_says(
    tmp_path: Path, matrix: tuple[int, ...], size: tuple[int, int]
) -> None:
    frames = moving_square(3, (220, 20, 20), seed=5, size=size)
    frames = np.stack([cv2.GaussianBlur(frame, (0, 0), 2) for frame in frames])
    straight = encode_video(tmp_path / "a.mp4", frames)
    plain, _ = stored(straight)
    turned, outcome = stored(with_matrix(straight, matrix, tmp_path / "b.mp4"))
    np.testing.assert_allclose(turned, shown(plain, matrix), atol=8)  # JPEG's blocks lie elsewhere
    assert outcome["notes"] == ("" if matrix == (1, 0, 0, 1) else str(orientation(matrix)))


def orientation(matrix: tuple[int, ...]) -> Orientation:
    a, b, c, d = matrix
    return of_matrix((a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30))


def test_each_matrix_has_an_orientation_of_its_own() -> None:
    assert {orientation(matrix) for matrix in MATRICES} == set(WORDS)
    assert set(WORDS) == {Orientation(*each) for each in product((False, True), repeat=3)}
    assert str(orientation((0, 1, -1, 0))) == "turned by 90° clockwise"


def test_matrix_of_nothing_or_of_an_odd_angle_takes_the_nearest() -> None:
    assert of_matrix((0,) * 9) == Orientation()
    assert of_matrix((60000, 9000, 0, -9000, 60000, 0, 0, 0, 1 << 30)) == Orientation()
    assert of_matrix((9000, 60000, 0, -60000, 9000, 0, 0, 0, 1 << 30)) == of_rotation(-90)


@pytest.mark.parametrize("degrees", [0, 90, -90, 180, -180])
def test_angle_alone_turns_where_pyav_withholds_the_matrix(degrees: int) -> None:
    class Withholding(SimpleNamespace):
        @property
        def side_data(self) -> dict[str, bytes]:
            raise ValueError("29 is not a valid Type")  # the views of a spatial film

    frame: Any = Withholding(rotation=degrees, width=64, height=48)
    plane = np.arange(12, dtype=np.uint8).reshape(3, 4)
    upright = PyavPicture(frame, None, 1.0, {}).orientation.turn_upright(plane)  # type: ignore[arg-type]
    assert np.array_equal(upright, np.rot90(plane, degrees // 90))


def test_matrix_is_asked_of_one_frame_since_that_keeps_it_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def asking(frame: object) -> Orientation:
        asked.append(frame)
        return Orientation()

    monkeypatch.setattr(pyav_reader, "orientation_of", asking)
    stored(encode_video(tmp_path / "a.mp4", moving_square(9, (220, 20, 20), seed=5)))
    assert len(asked) == 1


def centre(weights: np.ndarray) -> np.ndarray:
    """The mean (x, y) of an (H, W) array, in pixels."""
    y, x = np.mgrid[: weights.shape[0], : weights.shape[1]] + 0.5
    return np.array([(weights * x).sum(), (weights * y).sum()]) / weights.sum()


@pytest.mark.parametrize("matrix", MATRICES[1:])
@pytest.mark.parametrize("short_side_px", [128, 63, 85])
def test_colours_lie_where_their_brightness_lies_when_turned(
    tmp_path: Path, matrix: tuple[int, ...], short_side_px: int
) -> None:
    y, x = np.mgrid[:240, :320]
    bump = np.exp(-(((x - 290) / 8) ** 2) - ((y - 215) / 8) ** 2)
    frame = np.stack([60 + 180 * bump, 60 + 60 * bump, 60 + 60 * bump], -1).astype(np.uint8)
    straight = encode_video(tmp_path / "a.mp4", np.stack([frame] * 3), bit_rate=20_000_000)
    frames, _ = stored(with_matrix(straight, matrix, tmp_path / "b.mp4"), short_side_px)
    red, green = (frames[1, ..., channel].astype(float) for channel in (0, 1))
    brightness = np.clip(0.299 * red + 0.701 * green - 62, 0, None)
    apart = centre(np.clip(red - green - 10, 0, None)) - centre(brightness)
    # H.264's colours lie a quarter of a pixel to the left to begin with, which turns with the film.
    assert np.abs(apart).max() < 0.5


def test_colours_are_halved_by_the_mean_of_four() -> None:
    plane = np.array([[0, 4, 10], [8, 12, 20], [1, 2, 3]], np.uint8)
    assert halve(plane).tolist() == [[6, 15], [2, 3]]


@pytest.mark.parametrize("reader", ["pyav", "opencv"])
@pytest.mark.parametrize(
    ("size", "aspect", "shown_size", "stored_size"),
    [
        ((720, 480), Fraction(32, 27), (853, 480), (228, 128)),
        ((720, 576), Fraction(16, 15), (768, 576), (171, 128)),
        ((720, 480), Fraction(8, 9), (640, 480), (171, 128)),
        ((352, 576), Fraction(24, 11), (768, 576), (171, 128)),
        ((64, 48), Fraction(2, 1), (128, 48), (128, 48)),
    ],
)
def test_disc_of_oblong_pixels_is_round(
    tmp_path: Path,
    reader: str,
    size: tuple[int, int],
    aspect: Fraction,
    shown_size: tuple[int, int],
    stored_size: tuple[int, int],
) -> None:
    y, x = np.mgrid[: size[1], : size[0]]
    distance = np.hypot((x - size[0] / 2) * float(aspect), y - size[1] / 2)
    disc = np.repeat((255 * (distance < size[1] * 0.3)).astype(np.uint8)[..., None], 3, axis=2)
    path = encode_video(tmp_path / "a.mp4", np.stack([disc] * 2), sample_aspect_ratio=aspect)
    frames, outcome = stored(path, 128, reader)
    assert (outcome["width"], outcome["height"]) == shown_size
    assert frames.shape[2:0:-1] == stored_size
    bright = frames[0, ..., 0] > 127
    wide, high = bright.any(0).sum(), bright.any(1).sum()
    assert abs(int(wide) - int(high)) <= 1
    assert outcome["notes"] == (
        f"pixel aspect {aspect.numerator}:{aspect.denominator}" if reader == "pyav" else ""
    )


def test_oblong_pixels_of_a_turned_film_are_oblong_upwards(tmp_path: Path) -> None:
    frames = moving_square(2, (220, 20, 20), seed=5, size=(720, 480))
    path = encode_video(tmp_path / "a.mp4", frames, sample_aspect_ratio=Fraction(32, 27))
    turned, outcome = stored(with_matrix(path, (0, 1, -1, 0), tmp_path / "b.mp4"), 128)
    assert turned.shape[1:3] == (228, 128)
    assert outcome["notes"] == "pixel aspect 32:27; turned by 90° clockwise"


@pytest.mark.parametrize(
    ("aspect", "width", "expected"),
    [(0.0, 320, 1), (1.001, 320, 1), (1.01, 320, 1.01), (255.0, 320, 1), (0.001, 320, 1), (0.5, 320, 0.5)],
)
def test_pixel_aspect_that_cannot_be_is_square(aspect: float, width: int, expected: float) -> None:
    assert believable_aspect(aspect, width) == expected


def joined(path: Path, *sizes: tuple[int, int]) -> Path:
    """A transport stream of ten frames of each size, one after another."""
    parts = []
    for number, size in enumerate(sizes):
        frames = moving_square(10, (220, 20, 20), seed=5, size=size)
        parts.append(encode_video(path.with_name(f"{number}.ts"), frames, max_b_frames=0).read_bytes())
    path.write_bytes(b"".join(parts))
    return path


def test_what_comes_after_a_change_of_shape_is_left_out_and_told(tmp_path: Path) -> None:
    frames, outcome = stored(joined(tmp_path / "a.ts", (96, 64), (64, 96), (96, 64)))
    assert len(frames) == outcome["frames"] == 10
    assert outcome["status"] == "partial"
    assert outcome["reason"] == (
        "from frame 10 on, its shape is 64x96 instead of 96x64: only the frames before are kept"
    )


def test_change_of_size_that_keeps_the_shape_is_noted(tmp_path: Path) -> None:
    frames, outcome = stored(joined(tmp_path / "a.ts", (96, 64), (192, 128), (144, 96)))
    assert frames.shape == (30, 64, 96, 3)
    assert "status" not in outcome
    assert outcome["notes"] == "192x128 from frame 10 on"


def test_shapes_are_the_same_as_far_as_whole_pixels_can_tell() -> None:
    assert same_shape((640, 360), (426, 240))
    assert not same_shape((640, 360), (640, 480))
    assert not same_shape((360, 640), (640, 360))
    assert scaled_size(2560 / 3, 480, 128) == (228, 128)
    assert whole((0.2, 7.6)) == (1, 8)
