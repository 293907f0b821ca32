"""The orientation of a film: the eight ways in which a container can store its pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

from fame_cli.data.picture import Frame


@dataclass(frozen=True)
class Orientation:
    """The operations that make a picture upright: transpose if set, then mirror."""

    transposed: bool = False
    mirrored_x: bool = False
    """Left and right exchanged, after the transposition."""
    mirrored_y: bool = False
    """Top and bottom exchanged, after the transposition."""

    def size(self, width: float, height: float) -> tuple[float, float]:
        """Upright width and height of a picture with this stored width and height."""
        return (height, width) if self.transposed else (width, height)

    def turn_upright(self, plane: Frame) -> Frame:
        """A view of the plane (h, w) with rows and columns in display order."""
        plane = plane.T if self.transposed else plane
        return plane[:: -1 if self.mirrored_y else 1, :: -1 if self.mirrored_x else 1]

    def __str__(self) -> str:
        return WORDS[self]


UPRIGHT = Orientation()
WORDS = {
    UPRIGHT: "upright",
    Orientation(False, True, False): "mirrored left to right",
    Orientation(False, False, True): "mirrored top to bottom",
    Orientation(False, True, True): "turned by 180°",
    Orientation(True, False, False): "mirrored along the diagonal",
    Orientation(True, True, False): "turned by 90° clockwise",
    Orientation(True, False, True): "turned by 90° counter-clockwise",
    Orientation(True, True, True): "mirrored along the other diagonal",
}
"""The operation on a film's pictures, for its row in the manifest."""
TURNED = (Orientation(True, False, True), Orientation(False, True, True), Orientation(True, True, False))
"""Rotations by one, two and three quarter turns counter-clockwise."""


def of_matrix(matrix: Sequence[int]) -> Orientation:
    """The nearest of the eight orientations to a display matrix (nine numbers, row by row).

    A point (x, y) with y downwards is displayed at (a·x + c·y, b·x + d·y), with a, b the first two numbers of
    the first row and c, d those of the second (ISO/IEC 14496-12, 8.3.2). Only the signs of the larger pair
    matter: scale belongs to the pixel aspect ratio, and odd angles are not supported.
    """
    a, b, _, c, d, *_ = matrix
    if abs(b) + abs(c) > abs(a) + abs(d):
        return Orientation(True, c < 0, b < 0)
    return Orientation(False, a < 0, d < 0)


def of_rotation(degrees: int) -> Orientation:
    """The same for an angle counter-clockwise, if the matrix is not available."""
    return (UPRIGHT, *TURNED)[round(degrees / 90) % 4]
