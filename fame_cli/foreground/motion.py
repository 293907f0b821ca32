"""Camera motion between two frames, and a frame with that motion removed.

An affine motion shared by most of the frame is fitted to a dense flow; the residual is what moves by itself.
If removing the motion does not clearly make the frames more alike, the camera is taken to be still.
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
"""Limit on a channel's change in grey levels, of 255, when motion is compensated.

Pixels of an object change again and again; an edge that is off by a pixel changes greatly but rarely
(docs/masks.md).
"""

FLOW_SHORT_SIDE_PX = 80
"""Short side of frames for the flow: camera motion is seen as well in small frames, or better."""
SMALLEST_SIDE_PX = 32
"""No motion is estimated in smaller frames: too few patches of the flow fit into them."""
FLOW_GRID_PX = 6
"""Spacing of the points at which the flow is sampled, in pixels of the reduced frame."""
COMPARED_GRID_PX = 4
"""Spacing of the points at which frames are compared, in pixels."""
ROUNDS = 6
FLOW_NOISE_PX = 0.3
"""Accuracy of the flow in pixels; residuals below this count as zero."""
CLEARLY_ALIKE = 0.8
"""The median change has to fall below this share of its former value, or the motion is rejected."""
FIXED = 16
"""Fractional bits of the coordinates in ``warp``."""


class CameraMotion:
    """Removes camera motion from successive pairs of frames; create one for each pass over a video."""

    def __init__(self) -> None:
        self.flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self.last: tuple[Frame, Array] | None = None

    def align(self, previous: Frame, current: Frame) -> Frame:
        """``previous`` as seen by the camera of ``current``, both (H, W, 3) uint8 of the same size.

        Pixels that ``previous`` does not contain are those of ``current``, so that nothing changes there. If
        the camera is still, or its motion cannot be determined, ``previous`` itself is returned.
        """
        height, width = current.shape[:2]
        factor = min(1.0, FLOW_SHORT_SIDE_PX / min(height, width))
        if min(height, width) * factor < SMALLEST_SIDE_PX:
            return previous
        # The flow of the reduced frames, and the motion that most of it shares.
        earlier, later = self._grey(previous, factor), self._grey(current, factor)
        self.last = current, later
        flow = self.flow.calc(earlier, later, None)  # type: ignore[call-overload]
        # Where each pixel of the aligned frame comes from, at full size.
        origin = invert(fit_affine(flow, FLOW_GRID_PX, ROUNDS, FLOW_NOISE_PX))
        origin[:, 2] /= factor
        # Accept it only if removing it makes the frames clearly more alike, judged on a grid of pixels.
        some = warp(previous, current, origin, COMPARED_GRID_PX)
        still, moving = median_changes(previous, some, current, origin, COMPARED_GRID_PX)
        return warp(previous, current, origin, 1) if moving < CLEARLY_ALIKE * still else previous

    def _grey(self, frame: Frame, factor: float) -> Array:
        # The later frame of one pair is the earlier one of the next: reduce each once.
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

    Iteratively reweighted least squares. A point whose flow differs by r from the last fit has weight
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
    # Start with a pure translation: the median flow.
    fit: Array = np.zeros((3, 2))
    fit[0, 0], fit[0, 1] = np.median(moved[:, 0]), np.median(moved[:, 1])
    residuals = np.empty(count)
    for _ in range(rounds):
        # Squared residuals of the last fit, and their scale (1.48 times the median is one deviation).
        for n in range(count):
            across = moved[n, 0] - fit[0, 0] - fit[1, 0] * places[n, 1] - fit[2, 0] * places[n, 2]
            down = moved[n, 1] - fit[0, 1] - fit[1, 1] * places[n, 1] - fit[2, 1] * places[n, 2]
            residuals[n] = across * across + down * down
        scale = max(noise_px, 1.48 * np.sqrt(np.median(residuals)))
        # Normal equations of the next fit, weighted by the residuals.
        normal, right = np.zeros((3, 3)), np.zeros((3, 2))
        for n in range(count):
            weight = 1 / (1 + residuals[n] / (scale * scale)) ** 2
            for i in range(3):
                for j in range(3):
                    normal[i, j] += weight * places[n, i] * places[n, j]
                for j in range(2):
                    right[i, j] += weight * places[n, i] * moved[n, j]
        fit = np.linalg.solve(normal, right)
    # Back from centred and scaled coordinates to pixels; the flow is a difference, so add the identity.
    motion = np.empty((2, 3))
    for j in range(2):
        motion[j, 0], motion[j, 1] = 2 * fit[1, j] / W, 2 * fit[2, j] / H
        motion[j, 2] = fit[0, j] - fit[1, j] - fit[2, j]
        motion[j, j] += 1
    return motion


@compile_kernel
def warp(previous: Array, current: Array, origin: Array, grid_px: int) -> Array:
    """``previous`` (H, W, 3) uint8 warped bilinearly: a pixel comes from ``origin`` (2, 3) of its position.

    If that is outside the frame, the pixel of ``current`` is used. Only every ``grid_px``-th pixel of every
    ``grid_px``-th row of the warped frame is returned.
    """
    H, W = current.shape[:2]
    rows, columns = (H + grid_px - 1) // grid_px, (W + grid_px - 1) // grid_px
    warped = np.empty((rows, columns, 3), np.uint8)
    # Origins in fixed point, so that a constant step advances them exactly along each row.
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
                # Bilinear weights of eight bits each, which sum to 256; adding 128 rounds to nearest.
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

    Only points of the grid of ``warped`` whose ``origin`` (2, 3) lies inside the frame count.
    """
    H, W = current.shape[:2]
    # Histograms of the summed changes, 0 to 3·255: a median without sorting.
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
    """Median of integers from their histogram, interpolated as if each were spread over one unit."""
    half, below = counts.sum() / 2, 0
    for value in range(len(counts)):
        if below + counts[value] >= half:
            median: float = value + (half - below) / max(counts[value], 1)
            return median
        below += counts[value]
    return 0.0
