"""The camera's motion between two frames, and a frame as it would look without it.

A dense flow is fitted by an affine motion that most of the frame shares; what moves by itself is what is left
over. Where undoing that motion does not clearly make the frames more alike, the camera is held to be still.
"""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from fame_cli.foreground.kernels import compile_kernel

Array = np.ndarray[Any, np.dtype[Any]]
Frame = npt.NDArray[np.uint8]
"""(H, W, 3) RGB."""

CHANGE_LIMIT = 20
"""Most grey levels, of 255, that a channel's change counts for where motion is compensated.

An object is where pixels change again and again; an edge that is out of line by a pixel changes greatly, but
not often (docs/masks.md).
"""

FLOW_SHORT_SIDE_PX = 80
"""Frames are reduced to this for the flow: a camera's motion is seen as well in small ones, or better."""
SMALLEST_SIDE_PX = 32
"""Of smaller frames no motion is estimated: too few patches of the flow fit into them."""
FLOW_GRID_PX = 6
"""Distance of the places at which the flow is looked at, in pixels of the reduced frame."""
COMPARED_GRID_PX = 4
"""Distance of the places at which frames are compared, in pixels."""
ROUNDS = 6
FLOW_NOISE_PX = 0.3
"""The flow is no better than this; residuals below it weigh as much as none."""
CLEARLY_ALIKE = 0.8
"""The median change has to fall below this share of what it was, or the motion is not believed."""
FIXED = 16
"""Binary places of the coordinates in ``warp``."""


class CameraMotion:
    """Undoes the camera's motion, pair of frames by pair of frames; make one for each pass over a video."""

    def __init__(self) -> None:
        self.flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self.last: tuple[Frame, Array] | None = None

    def align(self, previous: Frame, current: Frame) -> Frame:
        """``previous`` as it would look from the camera of ``current``, both (H, W, 3) uint8 of one size.

        Pixels that it cannot know are those of ``current``, so that nothing changes there. Where the camera
        stood still, or its motion cannot be told, ``previous`` itself is returned.
        """
        height, width = current.shape[:2]
        factor = min(1.0, FLOW_SHORT_SIDE_PX / min(height, width))
        if min(height, width) * factor < SMALLEST_SIDE_PX:
            return previous
        # Where each pixel of the reduced frame went, and the motion that most of them share.
        earlier, later = self._grey(previous, factor), self._grey(current, factor)
        self.last = current, later
        flow = self.flow.calc(earlier, later, None)  # type: ignore[call-overload]
        origin = invert(fit_affine(flow, FLOW_GRID_PX, ROUNDS, FLOW_NOISE_PX))
        origin[:, 2] /= factor
        # Believe it only where undoing it makes the frames clearly more alike, judged on a grid of pixels.
        some = warp(previous, current, origin, COMPARED_GRID_PX)
        still, moving = median_changes(previous, some, current, origin, COMPARED_GRID_PX)
        return warp(previous, current, origin, 1) if moving < CLEARLY_ALIKE * still else previous

    def _grey(self, frame: Frame, factor: float) -> Array:
        if self.last is not None and self.last[0] is frame:
            return self.last[1]
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        if factor == 1:
            return grey
        return cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)


@compile_kernel
def invert(motion: Array) -> Array:
    """The inverse (2, 3) of an affine motion (2, 3)."""
    (a, b, x), (c, d, y) = motion
    inverse: Array = np.array([[d, -b, b * y - d * x], [-c, a, c * x - a * y]]) / (a * d - b * c)
    return inverse


@compile_kernel
def fit_affine(flow: Array, grid_px: int, rounds: int, noise_px: float) -> Array:
    """The affine motion (2, 3) float64 that most of a flow (H, W, 2) shares: where each pixel has moved to.

    Weighted least squares, again and again. A place whose flow is r away from the last fit weighs
    1 / (1 + (r/s)²)² with s the median of r (Geman & McClure 1987): what moves by itself counts little.
    """
    H, W = flow.shape[:2]
    rows, columns = (H + grid_px - 1) // grid_px, (W + grid_px - 1) // grid_px
    count = rows * columns
    places, moved = np.empty((count, 3)), np.empty((count, 2))
    for n in range(count):
        y, x = (n // columns) * grid_px, (n % columns) * grid_px
        # Centred and scaled, so that the normal equations are well conditioned.
        places[n, 0], places[n, 1], places[n, 2] = 1.0, 2 * x / W - 1, 2 * y / H - 1
        moved[n, 0], moved[n, 1] = flow[y, x, 0], flow[y, x, 1]
    # Begin with a shift alone: the median flow.
    fit: Array = np.zeros((3, 2))
    fit[0, 0], fit[0, 1] = np.median(moved[:, 0]), np.median(moved[:, 1])
    residuals = np.empty(count)
    for _ in range(rounds):
        # How far each place is from the last fit, and how far is far here (1.48 median = one deviation).
        for n in range(count):
            across = moved[n, 0] - fit[0, 0] - fit[1, 0] * places[n, 1] - fit[2, 0] * places[n, 2]
            down = moved[n, 1] - fit[0, 1] - fit[1, 1] * places[n, 1] - fit[2, 1] * places[n, 2]
            residuals[n] = across * across + down * down
        scale = max(noise_px, 1.48 * np.sqrt(np.median(residuals)))
        # Weighted normal equations of the next fit.
        normal, right = np.zeros((3, 3)), np.zeros((3, 2))
        for n in range(count):
            weight = 1 / (1 + residuals[n] / (scale * scale)) ** 2
            for i in range(3):
                for j in range(3):
                    normal[i, j] += weight * places[n, i] * places[n, j]
                for j in range(2):
                    right[i, j] += weight * places[n, i] * moved[n, j]
        fit = np.linalg.solve(normal, right)
    # Back from centred and scaled places to pixels; the identity is added, since the flow is a difference.
    motion = np.empty((2, 3))
    for j in range(2):
        motion[j, 0], motion[j, 1] = 2 * fit[1, j] / W, 2 * fit[2, j] / H
        motion[j, 2] = fit[0, j] - fit[1, j] - fit[2, j]
        motion[j, j] += 1
    return motion


@compile_kernel
def warp(previous: Array, current: Array, origin: Array, grid_px: int) -> Array:
    """``previous`` (H, W, 3) uint8 moved, bilinearly: a pixel comes from ``origin`` (2, 3) of its place.

    Where that lies outside the frame, the pixel is that of ``current``. Of the moved frame only every
    ``grid_px``-th pixel of every ``grid_px``-th row is returned.
    """
    H, W = current.shape[:2]
    rows, columns = (H + grid_px - 1) // grid_px, (W + grid_px - 1) // grid_px
    warped = np.empty((rows, columns, 3), np.uint8)
    # Origins in fixed point, advanced by a constant step along each row.
    one = 1 << FIXED
    step_x, step_y = np.int64(round(origin[0, 0] * one)), np.int64(round(origin[1, 0] * one))
    for row in range(rows):
        y = row * grid_px
        at_x: Any = np.int64(round((origin[0, 1] * y + origin[0, 2]) * one))
        at_y: Any = np.int64(round((origin[1, 1] * y + origin[1, 2]) * one))
        for column in range(columns):
            left: Any = at_x >> FIXED
            top: Any = at_y >> FIXED
            if 0 <= left < W - 1 and 0 <= top < H - 1:
                # Bilinear weights of eight bits each, which sum to 256.
                across, down = (at_x >> (FIXED - 8)) & 255, (at_y >> (FIXED - 8)) & 255
                far = (across * down + 128) >> 8
                for channel in range(3):
                    warped[row, column, channel] = (
                        (256 - across - down + far) * previous[top, left, channel]
                        + (across - far) * previous[top, left + 1, channel]
                        + (down - far) * previous[top + 1, left, channel]
                        + far * previous[top + 1, left + 1, channel]
                        + 128
                    ) >> 8
            else:
                for channel in range(3):
                    warped[row, column, channel] = current[y, column * grid_px, channel]
            at_x += step_x * grid_px
            at_y += step_y * grid_px
    return warped


@compile_kernel
def median_changes(
    previous: Array, warped: Array, current: Array, origin: Array, grid_px: int
) -> tuple[float, float]:
    """Median change to ``current``, from ``previous`` and from ``warped``: grey levels summed over channels.

    At the places that ``warped`` has, every ``grid_px``-th, where their ``origin`` (2, 3) lies in the frame.
    """
    H, W = current.shape[:2]
    # Histograms of the summed changes, 0 to 3·255.
    still: Array = np.zeros(766, np.int64)
    moving: Array = np.zeros(766, np.int64)
    for row in range(warped.shape[0]):
        for column in range(warped.shape[1]):
            y, x = row * grid_px, column * grid_px
            from_x = origin[0, 0] * x + origin[0, 1] * y + origin[0, 2]
            from_y = origin[1, 0] * x + origin[1, 1] * y + origin[1, 2]
            if 0 <= from_x <= W - 1 and 0 <= from_y <= H - 1:
                before: Any = 0
                after: Any = 0
                for channel in range(3):
                    value = np.int64(current[y, x, channel])
                    before += abs(value - np.int64(previous[y, x, channel]))
                    after += abs(value - np.int64(warped[row, column, channel]))
                still[before] += 1
                moving[after] += 1
    return histogram_median(still), histogram_median(moving)


@compile_kernel
def histogram_median(counts: Array) -> float:
    """Median of whole numbers from how often each occurs, to a fraction, as if each were spread over 1."""
    half, below = counts.sum() / 2, 0
    for value in range(len(counts)):
        if below + counts[value] >= half:
            median: float = value + (half - below) / max(counts[value], 1)
            return median
        below += counts[value]
    return 0.0
