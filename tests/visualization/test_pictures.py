"""Conversion, colour maps, overlays, strips, and files that are whole or absent."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fame_cli.errors import ArtefactError
from fame_cli.visualization.pictures import (
    heat,
    overlay,
    rescale,
    resize,
    save_gif,
    save_png,
    strip,
    to_rgb,
)


def test_bool_float_and_uint8_pictures_mean_the_same_gray_levels() -> None:
    expected = np.array([[[0, 0, 0], [255, 255, 255]]], dtype=np.uint8)
    for picture in (np.array([[False, True]]), np.array([[-0.5, 1.5]]), np.array([[0, 255]], dtype=np.uint8)):
        assert np.array_equal(to_rgb(picture), expected)


def test_rescale_is_min_max_and_a_constant_map_becomes_zeros() -> None:
    assert np.array_equal(rescale(np.array([[2, 3], [4, 6]])), np.float32([[0, 0.25], [0.5, 1]]))
    assert np.array_equal(rescale(np.full((2, 2), 7.0)), np.zeros((2, 2)))


def test_a_map_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ArtefactError, match="not finite"):
        rescale(np.array([[0.0, np.nan]]))


def test_heat_goes_from_blue_over_green_to_red() -> None:
    low, middle, high = heat(np.array([[0.1, 0.5, 0.95]]))[0].astype(int)
    assert low.argmax() == 2
    assert middle.argmax() == 1
    assert high.argmax() == 0


def test_resize_halves_by_the_mean_of_the_area() -> None:
    assert np.array_equal(resize(np.float32([[0, 2], [4, 6]]), 1, 1), np.float32([[3]]))


def test_overlay_is_nearly_gray_where_the_map_is_zero_and_red_where_it_is_one() -> None:
    frame = np.full((8, 8, 3), (200, 40, 120), dtype=np.uint8)
    unit_map = np.zeros((8, 8))
    unit_map[:, 4:] = 0.95
    laid = overlay(frame, unit_map).astype(int)
    assert np.ptp(laid[0, 0]) < 30
    assert laid[0, 7, 0] - laid[0, 7, 2] > 80


def test_overlay_of_strength_zero_is_the_gray_picture() -> None:
    frame = np.full((4, 4, 3), (10, 10, 10), dtype=np.uint8)
    assert np.array_equal(overlay(frame, np.ones((2, 2)), strength=0), frame)


def numbered_frames(count: int, side: int = 40) -> np.ndarray:
    return np.stack([np.full((side, side, 3), 10 * number, dtype=np.uint8) for number in range(count)])


@pytest.mark.parametrize(("count", "numbers"), [(1, [4]), (2, [0, 7]), (3, [0, 4, 7]), (99, list(range(8)))])
def test_strip_shows_frames_evenly_from_first_to_last(count: int, numbers: list[int]) -> None:
    film = strip(numbered_frames(8), count)
    assert film.shape == (40, 41 * len(numbers) - 1, 3)
    assert [film[0, 41 * place, 0] // 10 for place in range(len(numbers))] == numbers


def test_png_is_read_back_as_it_was_drawn(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    save_png(tmp_path / "new" / "picture.png", picture)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "new" / "picture.png")), picture)


@pytest.mark.parametrize(("fps", "milliseconds"), [(12.5, 80), (10, 100), (30, 30), (1000, 20)])
def test_gif_has_every_frame_with_its_duration_and_repeats(
    tmp_path: Path, fps: float, milliseconds: int
) -> None:
    save_gif(tmp_path / "clip.gif", numbered_frames(6), fps)
    with Image.open(tmp_path / "clip.gif") as gif:
        assert gif.n_frames == 6
        assert gif.info["duration"] == milliseconds
        assert gif.info["loop"] == 0


def test_gif_keeps_paper_white_among_many_nearly_white_colours(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(240, 256, (3, 64, 64, 3), dtype=np.uint8)
    frames[:, :8] = 255
    save_gif(tmp_path / "clip.gif", frames, 10)
    with Image.open(tmp_path / "clip.gif") as gif:
        for number in range(3):
            gif.seek(number)
            shown = np.asarray(gif.convert("RGB"))
            assert (shown[:8] == 255).all()
            assert np.abs(shown.astype(int) - frames[number]).mean() < 12
