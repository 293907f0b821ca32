"""This package's formulas for maps in CPU memory, compiled: several times as fast as tensor operations.

Each function here is the twin of the one of the same name in ``statistics`` or ``mask``, which documents it
and calls it if its tensors are float32 on a CPU. Arrays are C-contiguous, the first axis is the batch, and
the last argument receives the result, because allocating an array costs more outside of compiled code. Every
pixel goes through the same operations in the same order, so ties stay ties.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Function = TypeVar("Function", bound=Callable[..., Any])

COLOUR_BINS = 1000
"""Ten levels of each of s·cos h, s·sin h and v."""

FOREGROUND_SHARE = 0.5
BACKGROUND_SHARE = 0.1

BLOCK = 2048
"""Values processed together, so that they stay in the L1 cache."""
LEVELS = 2048
"""Levels of the coarse search for a threshold."""

# A Python float would turn float32 arithmetic into float64, at half the speed.
f32 = np.float32
ZERO, HALF, ONE, TWO, FOUR, NINE, TEN, HUNDRED = (f32(value) for value in (0, 0.5, 1, 2, 4, 9, 10, 100))
FIRST_BIN = f32(111)
"""Bin of the levels 1, 1 and 1; bins are numbered from 0."""
SIXTH, QUARTER, TAU = f32(1 / 6), f32(1 / 4), f32(2 * np.pi)
SINE = tuple(f32(term) for term in (-1 / 6, 1 / 120, -1 / 5040, 1 / 362880))
COSINE = tuple(f32(term) for term in (-1 / 2, 1 / 24, -1 / 720, 1 / 40320))
"""Taylor coefficients; up to an eighth of a turn they are exact to float32's last digit."""


def compile_kernel(function: Function) -> Function:
    """Compile at the first call, with a cache on disk if a folder is writable."""
    compiler: Any = functools.partial(numba.njit, nogil=True, error_model="numpy")
    try:
        kernel: Function = compiler(cache=True)(function)
    except RuntimeError:
        # Neither the folder of this file nor the user's cache is writable.
        kernel = compiler()(function)
    return kernel


@functools.lru_cache
def blur_weights(height: int, width: int) -> Array:
    """Blur weights (radius + 1,) float32 along one axis, from the centre tap to the last."""
    radius = int(0.1 * min(height, width)) // 2
    sigma = (2 * radius + 1) / 3
    weights = np.exp(-((np.arange(radius + 1) / sigma) ** 2) / 2)
    shares: Array = (weights / (2 * weights.sum() - weights[0])).astype(np.float32)
    return shares


@compile_kernel
def add_frame(frame: Array, previous: Array, colour: Array, change: Array, limit: int) -> None:
    """Add a frame to ``colour`` and its absolute difference from ``previous`` to ``change``, each (n,).

    Differences are clipped at ``limit`` (255 clips nothing). The sums are unsigned and wrap around; the
    difference of two sums is exact as long as it fits.
    """
    # In one byte each, which vectorises best.
    most = np.uint8(limit)
    for i in range(frame.size):
        value, last = frame[i], previous[i]
        difference = np.uint8(max(value, last) - min(value, last))
        colour[i] += np.uint16(value)
        change[i] += np.uint16(min(difference, most))


@compile_kernel
def add_clip(frames: Array, colour: Array, change: Array, limit: int) -> None:
    """Add all ``frames`` (T, n) of a clip in order."""
    for t in range(len(frames)):
        add_frame(frames[t], frames[max(t - 1, 0)], colour, change, limit)


@compile_kernel
def seed_and_mean(
    colour: Array,
    change: Array,
    colour_before: Array,
    change_before: Array,
    frames: int,
    seed: Array,
    mean: Array,
) -> None:
    """Seed (n,) and mean over time (3, n) in [0, 1] of a clip of that many frames, both float32.

    From the running sums (3·n,) after the clip and before it.
    """
    pixels = seed.size
    per_frame, per_pair = f32(1 / (255 * frames)), f32(1 / (255 * (frames - 1)))
    # Running sums wrap around at their width; their difference is exact once cut to that width.
    wrap = (1 << 8 * colour.itemsize) - 1
    for i in range(pixels):
        # The mean keeps the channels apart; the seed sums them.
        total = np.int32(0)
        for channel in range(3):
            at = 3 * i + channel
            total += np.int32((np.int64(change[at]) - np.int64(change_before[at])) & wrap)
            shade = (np.int64(colour[at]) - np.int64(colour_before[at])) & wrap
            mean[channel, i] = f32(np.int32(shade)) * per_frame
        seed[i] = f32(np.int32(total)) * per_pair


@compile_kernel
def colour_bins(planes: Array, hue_factor: float, bins: Array) -> None:
    """Bins (n,) uint16 of colours (3, n) in [0, 1]; ``hue_factor`` is 1 for the correct hue."""
    red, green, blue = planes[0], planes[1], planes[2]
    factor = f32(hue_factor)
    for i in range(bins.size):
        # Value and chroma of the HSV hexcone.
        r, g, b = red[i], green[i], blue[i]
        value = r if r > g else g
        value = value if value > b else b
        least = r if r < g else g
        chroma = value - (least if least < b else b)
        # Hue in turns: the sextant of the largest channel, plus the position in it from the two others.
        offset = ZERO if value == r else (TWO if value == g else FOUR)
        slope = g - b if value == r else (b - r if value == g else r - g)
        turns = (slope / (chroma if chroma > ZERO else ONE) + offset) * SIXTH
        turns = (turns - np.floor(turns)) * factor
        # Sine and cosine of the angle to the nearest quarter turn, then rotated by that many quarters.
        quarters = np.rint(FOUR * turns)
        angle = (turns - quarters * QUARTER) * TAU
        square = angle * angle
        sine = SINE[2] + square * SINE[3]
        sine = angle + angle * square * (SINE[0] + square * (SINE[1] + square * sine))
        cosine = COSINE[2] + square * COSINE[3]
        cosine = ONE + square * (COSINE[0] + square * (COSINE[1] + square * cosine))
        # A quarter turn swaps sine and cosine, two of them change the sign.
        quarter = np.int32(quarters)
        x = cosine if quarter & 1 == 0 else sine
        y = sine if quarter & 1 == 0 else cosine
        x = x if (quarter + 1) & 2 == 0 else -x
        y = y if quarter & 2 == 0 else -y
        saturation = chroma / (value if value > ZERO else ONE)
        # Levels from 1 to 10, rounded as in the published code.
        x_level = np.rint(NINE * ((saturation * x + ONE) * HALF) + ONE)
        y_level = np.rint(NINE * ((saturation * y + ONE) * HALF) + ONE)
        v_level = np.rint(NINE * value + ONE)
        bins[i] = np.int32(x_level + TEN * y_level + HUNDRED * v_level - FIRST_BIN)


@compile_kernel
def to_ordered_integers(values: Array) -> Array:
    """Integers (n,) int32 in the same order as float32 ``values`` (n,)."""
    # Bits of positive floats sort like integers; those of negative ones sort backwards and are flipped.
    bits = (values + ZERO).view(np.int32)  # -0 becomes 0
    for i in range(bits.size):
        bits[i] ^= (bits[i] >> 31) & np.int32(2**31 - 1)
    return bits


@compile_kernel
def extremes(keys: Array) -> tuple[Any, Any]:
    least, greatest = keys[0], keys[0]
    for i in range(keys.size):
        least, greatest = min(least, keys[i]), max(greatest, keys[i])
    return least, greatest


@compile_kernel
def histogram_of(keys: Array, histogram: Array) -> tuple[Any, int]:
    """Histogram of ``keys`` in 2048 levels, into zeros; returns the smallest key and the bits per level."""
    # As few bits per level as let all keys fit, so that each level is narrow.
    low, high = extremes(keys)
    shift = 0
    while (high - low) >> shift >= LEVELS:
        shift += 1
    for i in range(keys.size):
        histogram[(keys[i] - low) >> shift] += 1
    return low, shift


@compile_kernel
def reached_by(keys: Array, histogram: Array, low: Any, shift: int, count: int) -> Any:
    """The threshold that ``count`` of ``keys`` reach, or slightly more with ties; ``count`` at least 1."""
    # From the largest down, find the level in which the count is reached.
    level, above = LEVELS - 1, 0
    while above + histogram[level] < count:
        above += histogram[level]
        level -= 1
    low += level << shift
    high = low + (1 << shift) - 1
    # Bisection within the level: counting is the fastest pass there is.
    while low < high:
        middle = np.int32(low + (high - low + 1) // 2)
        reaching = np.int32(0)
        for i in range(keys.size):
            reaching += np.int32(keys[i] >= middle)
        if reaching == count:
            return middle
        if reaching > count:
            low = middle
        else:
            high = middle - 1
    return low


@compile_kernel
def mark_greatest(keys: Array, counts: tuple[int, ...], marked: Array) -> None:
    """Mark in each row of ``marked`` the largest ``keys`` (n,), as many as counted; ties go to the first."""
    # One histogram serves the thresholds of all rows.
    histogram = np.zeros(LEVELS, np.int32)
    low, shift = histogram_of(keys, histogram)
    for row in range(len(counts)):
        count, marks = counts[row], marked[row]
        threshold = np.int32(reached_by(keys, histogram, low, shift, count) if count else 2**31 - 1)
        reaching = np.int32(0)
        for i in range(keys.size):
            marks[i] = keys[i] >= threshold
            reaching += np.int32(keys[i] >= threshold)
        # Too many ties at the threshold: drop the last ones in row-major order.
        i = keys.size
        while reaching > count and i > 0:
            i -= 1
            if keys[i] == threshold:
                marks[i] = False
                reaching -= 1


@compile_kernel
def top_pixels(values: Array, count: int, marked: Array) -> None:
    """``values`` (B, n) float32 to (B, n) bool."""
    for b in range(len(values)):
        mark_greatest(to_ordered_integers(values[b]), (count,), marked[b : b + 1])


@compile_kernel
def colour_counts(seed: Array, bins: Array, foreground: int, background: int, counts: Array) -> None:
    """Count ``bins`` (B, n) where ``seed`` (B, n) is largest, between, smallest, into zeros (B, 3, 1000)."""
    B, pixels = seed.shape
    marked = np.empty((2, pixels), np.bool_)
    for b in range(B):
        # Two nested sets split the pixels in three: foreground, neither, background.
        mark_greatest(to_ordered_integers(seed[b]), (foreground, pixels - background), marked)
        for i in range(pixels):
            counts[b, 2 - marked[0, i] - marked[1, i], bins[b, i]] += 1


@compile_kernel
def colour_posterior(bins: Array, foreground: Array, background: Array, posterior: Array) -> None:
    """``bins`` (B, n) int64 and counts (B, 1000) float32 to (B, n) float32."""
    for b in range(len(bins)):
        # P(x|F) and P(x|B) of each colour; 1 is added to each background count, as in the published code.
        foreground_share = foreground[b] / foreground[b].sum()
        background_share = (background[b] + ONE) / (background[b].sum() + f32(COLOUR_BINS))
        likelihood = foreground_share / (foreground_share + background_share)
        for i in range(bins.shape[1]):
            posterior[b, i] = likelihood[bins[b, i]]


@compile_kernel
def weighted_sum(values: Array, weights: Array, distance: int, out: Array) -> None:
    """Weighted sum in ``out`` (n,) over ``values`` 0, 1, 2 … times ``distance`` away on both sides."""
    middle = (len(weights) - 1) * distance
    # Block by block, so that all taps find their values in the cache.
    for begin in range(0, out.size, BLOCK):
        block = out[begin : begin + BLOCK]
        here = values[middle + begin :]
        for i in range(block.size):
            block[i] = here[i] * weights[0]
        for tap in range(1, len(weights)):
            before, after = (
                values[middle + begin - tap * distance :],
                values[middle + begin + tap * distance :],
            )
            weight = weights[tap]
            for i in range(block.size):
                block[i] += (before[i] + after[i]) * weight


@compile_kernel
def blur(maps: Array, weights: Array, blurred: Array) -> None:
    """Blur ``maps`` (B, H, W) float32 by ``weights`` (radius + 1,) float32, centre tap to last."""
    B, H, W = maps.shape
    radius = len(weights) - 1
    pitch = W + 2 * radius
    padded = np.empty((H + 2 * radius, pitch), np.float32)
    # Rows are joined, so that both passes are long; sums across row ends are discarded.
    rows = np.empty(padded.size - 2 * radius, np.float32)
    both = np.empty((H, pitch), np.float32)
    for b in range(B):
        # Mirror the border, without repeating the edge itself.
        for y in range(H + 2 * radius):
            source = maps[b, H - 1 - abs(H - 1 - abs(y - radius))]
            for x in range(W):
                padded[y, radius + x] = source[x]
            for x in range(radius):
                padded[y, x], padded[y, radius + W + x] = source[radius - x], source[W - 2 - x]
        # Across, then down: the same sum, over neighbours 1 and one row apart.
        weighted_sum(padded.ravel(), weights, 1, rows)
        weighted_sum(rows, weights, pitch, both.ravel()[: both.size - 2 * radius])
        for y in range(H):
            for x in range(W):
                blurred[b, y, x] = both[y, x]


@compile_kernel
def rescale(maps: Array, rounding_share: float, scaled: Array) -> None:
    """Stretch each of ``maps`` (B, n) float32 to [0, 1]."""
    ends = np.empty(2, np.int32)
    for b in range(len(maps)):
        ends[0], ends[1] = extremes(to_ordered_integers(maps[b]))
        # Ordered integers back to floats.
        for end in range(2):
            ends[end] ^= (ends[end] >> 31) & np.int32(2**31 - 1)
        low, high = ends.view(np.float32)
        # A map that is constant up to rounding becomes 0.
        constant = high - low <= f32(rounding_share) * max(abs(low), abs(high))
        span = f32(np.inf) if constant else high - low
        for i in range(maps.shape[1]):
            scaled[b, i] = (maps[b, i] - low) / span


@compile_kernel
def fame(
    seed: Array,
    bins: Array,
    weights: Array,
    foreground: int,
    background: int,
    rounding_share: float,
    soft_mask: Array,
) -> None:
    """Soft masks from ``seed`` (B, H, W) float32 and ``bins`` (B, H·W), by the steps above."""
    B, pixels = bins.shape
    blurred, posterior = np.empty(seed.shape, np.float32), np.empty(seed.shape, np.float32)
    counts = np.zeros((B, 3, COLOUR_BINS), np.int32)
    # Which colours move and which are still (section 3.2) …
    blur(seed, weights, blurred)
    colour_counts(blurred.reshape((B, pixels)), bins, foreground, background, counts)
    # … how likely each pixel's colour makes it foreground (Eq. 3), smoothed and stretched to [0, 1].
    shares = counts[:, 0].astype(np.float32), counts[:, 2].astype(np.float32)
    colour_posterior(bins, shares[0], shares[1], posterior.reshape((B, pixels)))
    blur(posterior, weights, blurred)
    rescale(blurred.reshape((B, pixels)), rounding_share, soft_mask.reshape((B, pixels)))
