"""Stripes: drawn from their numbers, pixel by pixel."""

import math

import numpy as np
import pytest

from fame_cli.evaluation.bias.stripes import Stripes, draw_stripes, paint_stripes

WAVES = Stripes((0.2, 0.4, 0.8), 10.0, 40.0, 30.0, 100.0, 20.0, 35.0)


def paint_slowly(stripes: Stripes, side: int) -> np.ndarray:
    """y = A·sin(ωx + φ) + 128 and its copies above and below, within the half width of a curve."""
    picture = np.zeros((side, side, 3), np.uint8)
    turn, omega = math.radians(stripes.turn_degrees), 2 * math.pi / stripes.period_px
    for row in range(side):
        for column in range(side):
            x, y = ((place + 0.5) * 256 / side - 128 for place in (column, row))
            along = x * math.cos(turn) + y * math.sin(turn) + 128
            across = y * math.cos(turn) - x * math.sin(turn) + 128
            curve = stripes.amplitude_px * math.sin(omega * along + omega * stripes.shift_px) + 128
            nearest = min(abs(across - curve - copy * stripes.spacing_px) for copy in range(-20, 21))
            inside = nearest < stripes.half_width_px
            picture[row, column] = [round(255 * (1 - c if inside else c)) for c in stripes.colour]
    return picture


@pytest.mark.parametrize("seed", [None, 0, 1])
def test_stripes_are_those_of_the_formula(seed: int | None) -> None:
    stripes = WAVES if seed is None else draw_stripes(np.random.default_rng(seed))
    assert np.array_equal(paint_stripes(stripes, 24), paint_slowly(stripes, 24))


def test_colour_meets_its_complement_and_both_are_there() -> None:
    colours = np.unique(paint_stripes(WAVES, 64).reshape(-1, 3), axis=0)
    assert colours.tolist() == [[51, 102, 204], [204, 153, 51]]


def test_numbers_stay_within_those_of_the_benchmark() -> None:
    drawn = [draw_stripes(np.random.default_rng(seed)) for seed in range(200)]
    assert all(5 <= one.half_width_px <= 20 for one in drawn)
    assert all(2.999 <= one.spacing_px / one.half_width_px <= 5.001 for one in drawn)
    assert all(10 <= one.amplitude_px <= 110 for one in drawn)
    assert max(one.turn_degrees for one in drawn) > 300
