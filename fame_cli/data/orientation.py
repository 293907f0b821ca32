"""Which way up a film is shown: the eight ways in which a container says that its pictures lie."""

from collections.abc import Sequence
from dataclasses import dataclass

from fame_cli.data.picture import Frame


@dataclass(frozen=True)
class Orientation:
    """What makes a picture upright: exchange rows and columns first where it says so, then mirror."""

    transposed: bool = False
    mirrored_x: bool = False
    """Left and right exchanged, after the transposition."""
    mirrored_y: bool = False
    """Top and bottom exchanged, after the transposition."""

    def size(self, width: float, height: float) -> tuple[float, float]:
        """Width and height upright of a picture with this width and height as it lies."""
        return (height, width) if self.transposed else (width, height)

    def turn_upright(self, plane: Frame) -> Frame:
        """A view of the plane (h, w) with its rows and columns in the order in which they are shown."""
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
"""What is done to a film's pictures, for its row of the manifest."""
TURNED = (Orientation(True, False, True), Orientation(False, True, True), Orientation(True, True, False))
"""By one, two and three quarters counter-clockwise."""


def of_matrix(matrix: Sequence[int]) -> Orientation:
    """The nearest of the eight orientations to a display matrix (nine numbers, row by row).

    A point (x, y) with y downwards is shown at (a·x + c·y, b·x + d·y), with a, b the first two numbers of the
    first row and c, d those of the second (ISO/IEC 14496-12, 8.3.2). Only the signs of the larger pair count:
    scale is the affair of the pixel aspect, and films turned by odd angles are not.
    """
    a, b, _, c, d, *_ = matrix
    if abs(b) + abs(c) > abs(a) + abs(d):
        return Orientation(True, c < 0, b < 0)
    return Orientation(False, a < 0, d < 0)


def of_rotation(degrees: int) -> Orientation:
    """The same of an angle counter-clockwise, which is all that is known where the matrix cannot be had."""
    return (UPRIGHT, *TURNED)[round(degrees / 90) % 4]
