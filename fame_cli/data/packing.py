"""A clip's statistics as bits: each clip is packed on its own and can be read alone.

Seeds are coded as in JPEG-LS: Golomb-Rice codes of the difference between a pixel and its prediction from
the pixels above and to the left. Bins mostly equal a neighbour's, or are one step of x, y or v away. Counts
are stored as the gaps between the colours that occur, and how often each does, in Elias gamma code. zlib
takes more space and more time.
"""

from typing import Any

import numpy as np

from fame_cli.data.clip_statistics import ClipStatistics, level_of, seed_of
from fame_cli.foreground.kernels import COLOUR_BINS, compile_kernel

Array = np.ndarray[Any, np.dtype[Any]]

ZERO, ONE, TWO = np.int32(0), np.int32(1), np.int32(2)
LONGEST_RUN = np.int32(12)
"""Length of a run of ones after which a seed's difference is written out."""
SEED_BITS, BIN_BITS, STEP_BITS = np.int32(7), np.int32(10), np.int32(5)
RUNS = np.array([f"{bits:012b}0".index("0") for bits in range(2**12)], np.uint8)
"""Number of leading ones of every 12-bit value."""
STEPS = tuple(np.int32(step) for step in (100, -100, 1, -1, 10, -10))
"""Most common differences of a bin from its left neighbour: v, x or y by one level."""
OTHER_STEP = np.int32(7)
WINDOW = 5
"""Bytes that contain any 32 consecutive bits."""


def pack(statistics: ClipStatistics) -> tuple[Array, float]:
    """A clip's statistics as (bytes,) uint8, and the seed's maximum, which is stored separately."""
    seed, bins = statistics.seed, statistics.bins
    greatest = seed.max()
    # Upper bounds: 19 bits for a symbol of a map, two numbers of 32 bits for each colour.
    packed = np.zeros(5 * seed.size + 16 * (COLOUR_BINS + 1) + 2 * WINDOW, np.uint8)
    used = pack_into(seed, greatest, bins, statistics.foreground, statistics.background, packed)
    return packed[:used].copy(), float(greatest)


def unpack_maps(packed: Array, height: int, width: int, greatest: float) -> tuple[Array, Array]:
    """Seed (h, w) float32 and bins (h, w) uint16."""
    seed, bins = np.empty((height, width), np.float32), np.empty((height, width), np.uint16)
    maps_in(packed, np.float32(greatest), seed, bins)
    return seed, bins


def unpack(packed: Array, height: int, width: int, greatest: float) -> ClipStatistics:
    """All of a clip's statistics."""
    seed, bins = np.empty((height, width), np.float32), np.empty((height, width), np.uint16)
    counts = np.zeros((2, COLOUR_BINS), np.int32)
    counts_in(packed, maps_in(packed, np.float32(greatest), seed, bins), counts)
    return ClipStatistics(seed, bins, *counts)


@compile_kernel
def pack_into(
    seed: Array, greatest: Any, bins: Array, foreground: Array, background: Array, packed: Array
) -> int:
    """Pack a clip's statistics into zeroed ``packed``; returns the number of bytes used."""
    # One symbol per pixel of either map, and two halves of two numbers per colour and count.
    room = 2 * seed.size + 8 * (COLOUR_BINS + 1)
    codes, lengths = np.empty(room, np.uint32), np.empty(room, np.uint8)
    end = seed_symbols(seed, greatest, codes, lengths)
    end = bin_symbols(bins, codes, lengths, end)
    end = count_symbols(foreground, codes, lengths, end)
    end = count_symbols(background, codes, lengths, end)
    return join_codes(codes[:end], lengths[:end], packed)


@compile_kernel
def prediction(left: Any, above: Any, corner: Any) -> Any:
    """The JPEG-LS prediction of a pixel: the plane through its neighbours, or an edge between them."""
    low, high = (left, above) if left < above else (above, left)
    plane = left + above - corner
    return low if plane < low else high if plane > high else plane


@compile_kernel
def written_bits(left: Any, above: Any, corner: Any) -> Any:
    """Number of low bits of a difference to write out: more where the neighbours differ more."""
    unlike = abs(above - corner) + abs(left - corner)
    return np.int32(unlike > 1) + np.int32(unlike > 5)


@compile_kernel
def seed_symbols(seed: Array, greatest: Any, codes: Array, lengths: Array) -> int:
    """Codes of a seed (h, w) float32 and their lengths in bits; returns their number."""
    height, width = seed.shape
    # A border of one pixel above and to the left, so that every pixel has all three neighbours.
    levels = np.zeros((height + 1, width + 1), np.int32)
    for y in range(height):
        above, row = levels[y], levels[y + 1]
        row[0] = above[1]
        for x in range(width):
            row[x + 1] = level_of(seed[y, x], greatest)
        row_codes, row_lengths = codes[y * width :], lengths[y * width :]
        for x in range(width):
            # Signed differences as numbers from 0 (0, -1, 1, -2, 2 …), so that small ones get short codes.
            difference = row[x + 1] - prediction(row[x], above[x + 1], above[x])
            unsigned = (difference << ONE) ^ (difference >> np.int32(31))
            bits = written_bits(row[x], above[x + 1], above[x])
            # Golomb-Rice: the upper bits in unary as ones, then a zero and the lower bits as they are. A full
            # run of ones needs no zero: the whole difference follows.
            run = min(unsigned >> bits, LONGEST_RUN)
            rest = SEED_BITS if run == LONGEST_RUN else bits
            gap = ONE - np.int32(run == LONGEST_RUN)
            ones = ((ONE << run) - ONE) << gap
            row_codes[x] = (ones << rest) | (unsigned & ((ONE << rest) - ONE))
            row_lengths[x] = run + gap + rest
    return seed.size


@compile_kernel
def bin_symbols(bins: Array, codes: Array, lengths: Array, end: int) -> int:
    """Codes of bins (h, w): 1 equals left, 01 equals above, 00 a common step, else 00111 and the bin."""
    height, width = bins.shape
    # A border as for seeds, so that the first column and row have neighbours too.
    values = np.zeros((height + 1, width + 1), np.int32)
    for y in range(height):
        above, row = values[y], values[y + 1]
        row[0] = above[1]
        for x in range(width):
            row[x + 1] = bins[y, x]
        row_codes, row_lengths = codes[end + y * width :], lengths[end + y * width :]
        for x in range(width):
            # The step from the left neighbour if it is a common one; otherwise the bin is written out.
            value, left = row[x + 1], row[x]
            step = OTHER_STEP
            for number in range(len(STEPS)):
                step = np.int32(number) if value - left == STEPS[number] else step
            code = (step << BIN_BITS) | value if step == OTHER_STEP else step
            length = STEP_BITS + BIN_BITS if step == OTHER_STEP else STEP_BITS
            # A neighbour's bin is by far the most common, so it gets one or two bits.
            near = value == left or value == above[x + 1]
            row_codes[x] = ONE if near else code
            row_lengths[x] = ONE if value == left else (TWO if near else length)
    return end + bins.size


@compile_kernel
def count_symbols(counts: Array, codes: Array, lengths: Array, end: int) -> int:
    """Codes of counts (1000,): gap and count of each colour that occurs, then the gap to the end."""
    last = -1
    for colour in range(counts.size):
        if counts[colour] > 0:
            end = gamma_symbols(colour - last, codes, lengths, end)
            end = gamma_symbols(np.int64(counts[colour]), codes, lengths, end)
            last = colour
    return gamma_symbols(counts.size - last, codes, lengths, end)


@compile_kernel
def gamma_symbols(value: Any, codes: Array, lengths: Array, end: int) -> int:
    """Elias gamma code of a value of 1 or more: a zero for each bit after its first, then the value."""
    bits = 0
    while value >> (bits + 1) > 0:
        bits += 1
    codes[end], lengths[end] = 0, bits
    codes[end + 1], lengths[end + 1] = value, bits + 1
    return end + 2


@compile_kernel
def join_codes(codes: Array, lengths: Array, packed: Array) -> int:
    """Write all codes to zeroed ``packed``; returns the bytes used, including zeros for a last window."""
    # Codes are collected in a 64-bit buffer and written in groups of 32 bits.
    held, count, at = np.uint64(0), np.int64(0), 0
    for i in range(codes.size):
        held = (held << np.uint64(lengths[i])) | np.uint64(codes[i])
        count += np.int64(lengths[i])
        if count >= 32:
            count -= 32
            put(packed, at, held >> np.uint64(count))
            at += 4
    put(packed, at, held << np.uint64(32 - count))
    return at + 4 + WINDOW


@compile_kernel
def put(packed: Array, at: int, bits: Any) -> None:
    """Write the lower 32 bits to four bytes of ``packed``."""
    for byte in range(4):
        packed[at + byte] = np.uint8((bits >> np.uint64(24 - 8 * byte)) & np.uint64(255))


@compile_kernel
def window(packed: Array, at: int) -> Any:
    """The 32 bits starting at bit ``at``."""
    byte, bits = at >> 3, np.int64(0)
    for number in range(WINDOW):
        bits = (bits << 8) | np.int64(packed[byte + number])
    return (bits >> (8 - (at & 7))) & 0xFFFFFFFF


@compile_kernel
def seed_in(packed: Array, greatest: Any, seed: Array) -> Any:
    """Read ``seed`` (h, w) float32; returns the bit after it."""
    height, width = seed.shape
    levels = np.zeros((height + 1, width + 1), np.int32)
    # ``ahead`` holds the next ``known`` bits, left-aligned.
    ahead, known, byte = np.uint64(0), np.int64(0), 0
    for y in range(height):
        above, row = levels[y], levels[y + 1]
        row[0] = above[1]
        for x in range(width):
            # Refill: no code is longer than the 32 bits that are then known.
            if known < 32:
                ahead |= next_bits(packed, byte) << np.uint64(32 - known)
                known, byte = known + 32, byte + 4
            # The number of leading ones, by table; then the bits that belong to them.
            run = np.int32(RUNS[ahead >> np.uint64(64 - LONGEST_RUN)])
            is_long = run == LONGEST_RUN
            rest = SEED_BITS if is_long else written_bits(row[x], above[x + 1], above[x])
            before = run + ONE - np.int32(is_long)
            written = np.int32((ahead >> np.uint64(64 - before - rest)) & np.uint64((1 << rest) - 1))
            unsigned = (ZERO if is_long else run << rest) | written
            # Back to a signed difference from the prediction.
            difference = (unsigned >> ONE) ^ -(unsigned & ONE)
            row[x + 1] = prediction(row[x], above[x + 1], above[x]) + difference
            ahead <<= np.uint64(before + rest)
            known -= before + rest
        for x in range(width):
            seed[y, x] = seed_of(row[x + 1], greatest)
    return 8 * byte - known


@compile_kernel
def bins_in(packed: Array, at: int, bins: Array) -> Any:
    """Read ``bins`` (h, w) uint16 starting at bit ``at``; returns the bit after them."""
    height, width = bins.shape
    values = np.zeros((height + 1, width + 1), np.int32)
    byte, known = (at >> 3) + 4, np.int64(32 - (at & 7))
    ahead = next_bits(packed, at >> 3) << np.uint64(32 + (at & 7))
    for y in range(height):
        above, row = values[y], values[y + 1]
        row[0] = above[1]
        for x in range(width):
            if known < 32:
                ahead |= next_bits(packed, byte) << np.uint64(32 - known)
                known, byte = known + 32, byte + 4
            # 1 equals left, 01 equals above, 00 and three bits are a step or announce the bin itself.
            value, length = row[x], ONE
            if not ahead >> np.uint64(63):
                value, length = above[x + 1], TWO
                if not ahead >> np.uint64(62):
                    step = np.int64(ahead >> np.uint64(64 - STEP_BITS))
                    length = STEP_BITS
                    if step == OTHER_STEP:
                        length += BIN_BITS
                        value = np.int32((ahead >> np.uint64(64 - length)) & np.uint64((1 << BIN_BITS) - 1))
                    else:
                        value = np.int32(row[x] + STEPS[step])
            row[x + 1] = value
            ahead <<= np.uint64(length)
            known -= length
        for x in range(width):
            bins[y, x] = row[x + 1]
    return 8 * byte - known


@compile_kernel
def next_bits(packed: Array, byte: int) -> Any:
    """Four bytes starting at ``byte`` as 32 bits; zeros past the end."""
    bits = np.uint64(0)
    for number in range(4):
        bits <<= np.uint64(8)
        if byte + number < packed.size:
            bits |= np.uint64(packed[byte + number])
    return bits


@compile_kernel
def maps_in(packed: Array, greatest: Any, seed: Array, bins: Array) -> Any:
    """Read ``seed`` (h, w) float32 and ``bins`` (h, w) uint16; returns the bit after them."""
    return bins_in(packed, seed_in(packed, greatest, seed), bins)


@compile_kernel
def counts_in(packed: Array, at: int, counts: Array) -> None:
    """Read zeroed ``counts`` (2, 1000) starting at bit ``at``."""
    for row in range(2):
        colour, at = gamma_in(packed, at)
        while colour <= COLOUR_BINS:
            counts[row, colour - 1], at = gamma_in(packed, at)
            gap, at = gamma_in(packed, at)
            colour += gap


@compile_kernel
def gamma_in(packed: Array, at: int) -> tuple[Any, int]:
    # The number of leading zeros is the number of bits after the first one.
    bits = 0
    while not (window(packed, at) >> 31):
        at, bits = at + 1, bits + 1
    return window(packed, at) >> (31 - bits), at + bits + 1
