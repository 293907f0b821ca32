"""A still of stripes that says nothing of any action (Li et al. 2023, StillMix, "sinusoidal stripes")."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

SIDE_PX = 256
"""Side of the picture that all lengths are meant for."""
CENTRE_PX = SIDE_PX / 2


@dataclass(frozen=True)
class Stripes:
    """What a picture of stripes is drawn from: plain numbers, so that it looks the same everywhere.

    The stripes follow y = A·sin(ω·x + φ) + 128 on a square of 256 pixels, and are repeated above and below.
    """

    colour: tuple[float, float, float]
    """Red, green and blue between the stripes, in [0, 1]; the stripes have its complement."""
    half_width_px: float
    """5 to 20, to either side of the curve."""
    spacing_px: float
    """From one curve to the next, 3 to 5 times ``half_width_px``."""
    amplitude_px: float
    """A, 10 to 110."""
    period_px: float
    """2π / ω, 4 to 1004."""
    shift_px: float
    """φ / ω, -100 to 100."""
    turn_degrees: float
    """0 to 360."""


def draw_stripes(generator: np.random.Generator) -> Stripes:
    """Stripes drawn as in the benchmark's published program."""
    red, green, blue, width, spacing, amplitude, period, shift, turn = generator.random(9).tolist()
    half_width_px = 5 + 15 * width
    return Stripes(
        colour=(round(red, 4), round(green, 4), round(blue, 4)),
        half_width_px=round(half_width_px, 4),
        spacing_px=round((3 + 2 * spacing) * half_width_px, 4),
        amplitude_px=round(10 + 100 * amplitude, 4),
        period_px=round(4 + 1000 * period, 4),
        shift_px=round(200 * shift - 100, 4),
        turn_degrees=round(360 * turn, 4),
    )


def paint_stripes(stripes: Stripes, side_px: int) -> Array:
    """The picture (side_px, side_px, 3) uint8: a pixel is of a stripe where its centre is."""
    line = (np.arange(side_px) + 0.5) * SIDE_PX / side_px - CENTRE_PX
    y, x = np.meshgrid(line, line, indexing="ij")
    angle = math.radians(stripes.turn_degrees)
    along = x * math.cos(angle) + y * math.sin(angle) + CENTRE_PX
    across = y * math.cos(angle) - x * math.sin(angle) + CENTRE_PX
    phase = 2 * math.pi * (along + stripes.shift_px) / stripes.period_px
    offset = across - (stripes.amplitude_px * np.sin(phase) + CENTRE_PX)
    # The distance to the nearest of the curves, which lie a spacing apart.
    distance = np.abs((offset + stripes.spacing_px / 2) % stripes.spacing_px - stripes.spacing_px / 2)
    colour = np.array(stripes.colour)
    shades = np.where((distance < stripes.half_width_px)[..., None], 1 - colour, colour)
    picture: Array = np.rint(255 * shades).astype(np.uint8)
    return picture
