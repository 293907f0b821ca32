"""Compiled formulas against plain numpy and against their tensor twins; packed statistics come back whole."""

import math

import numba
import numpy as np
import pytest
import torch

from fame_cli.data.clip_statistics import level_of, seed_of, with_counts
from fame_cli.data.packing import pack, unpack, unpack_maps
from fame_cli.foreground import kernels, mask, statistics

pytestmark = pytest.mark.libraries

RANDOM = np.random.default_rng(0)
MAPS = {
    "any": RANDOM.normal(size=(3, 13, 17)).astype(np.float32),
    "ties": RANDOM.integers(-2, 3, (3, 13, 17)).astype(np.float32),
    "still": np.zeros((3, 13, 17), np.float32),
    "zeros of both signs": np.array([0.0, -0.0], np.float32)[RANDOM.integers(0, 2, (3, 13, 17))],
    "a few of great size": np.where(RANDOM.random((3, 13, 17)) < 0.02, 1e30, 1e-30).astype(np.float32),
}


def by_sorting(values: np.ndarray, count: int) -> np.ndarray:
    """The count greatest, of equal ones the first, as a stable sort orders them."""
    marked = np.zeros(values.shape, bool)
    marked[np.argsort(-values, kind="stable")[:count]] = True
    return marked


@pytest.mark.parametrize("limit", [255, 20])
def test_sums_of_a_clip_are_those_of_numpy(limit: int) -> None:
    frames = RANDOM.integers(0, 256, (16, 5, 7, 3), np.uint8)
    rows = frames.reshape(16, -1)
    colour, change = np.full(105, 65000, np.uint16), np.full(105, 65000, np.uint16)
    before = colour.copy(), change.copy()
    kernels.add_clip(rows, colour, change, limit)
    wide = frames.astype(int)
    differences = np.minimum(np.abs(np.diff(wide, axis=0)), limit)
    np.testing.assert_array_equal(colour - before[0], wide.sum(0).ravel())
    np.testing.assert_array_equal(change - before[1], differences.sum(0).ravel())
    seed, mean = np.empty(35, np.float32), np.empty((3, 35), np.float32)
    kernels.seed_and_mean(colour, change, *before, 16, seed, mean)
    np.testing.assert_allclose(seed, differences.sum((0, 3)).ravel() / 255 / 15, rtol=1e-6)
    np.testing.assert_allclose(mean, wide.mean(0).reshape(35, 3).T / 255, rtol=1e-6)


@pytest.mark.parametrize("hue", ["correct", "published"])
def test_bins_are_those_of_tensors(hue: statistics.Hue) -> None:
    images = RANDOM.random((1, 3, 60, 70)).astype(np.float32)
    images[0, :, :10] = images[0, :1, :10]  # grey, which has no hue
    images[0, :, 10:20, :35] = 0
    bins = np.empty(60 * 70, np.uint16)
    kernels.colour_bins(images.reshape(3, -1), 1.0 if hue == "correct" else math.tau, bins)
    expected = statistics.colour_bins(torch.from_numpy(images), hue)[0].numpy().ravel()
    differing = bins != expected
    assert differing.mean() < 0.001  # a level on the border between two may round either way
    assert set(np.abs(bins[differing] - expected[differing])) <= {1, 10, 11, 100}


@pytest.mark.parametrize("name", MAPS)
def test_greatest_pixels_are_those_that_a_stable_sort_finds(name: str) -> None:
    values = MAPS[name].reshape(3, -1)
    for count in (0, 1, 2, 110, 220, 221):
        marked = np.empty(values.shape, bool)
        kernels.top_pixels(values, count, marked)
        np.testing.assert_array_equal(marked, [by_sorting(row, count) for row in values])


@pytest.mark.parametrize("name", MAPS)
def test_counts_are_of_the_bins_that_a_stable_sort_finds(name: str) -> None:
    values, bins = MAPS[name].reshape(3, -1), RANDOM.integers(0, 1000, (3, 221))
    counts = np.zeros((3, 3, 1000), np.int32)
    kernels.colour_counts(values, bins, 110, 22, counts)
    for row in range(3):
        most, least = by_sorting(values[row], 110), ~by_sorting(values[row], 199)
        np.testing.assert_array_equal(counts[row, 0], np.bincount(bins[row][most], minlength=1000))
        np.testing.assert_array_equal(counts[row, 2], np.bincount(bins[row][least], minlength=1000))
        assert counts[row].sum() == 221


@pytest.mark.parametrize("size", [(8, 9), (20, 33), (64, 86), (112, 112)])
def test_blur_is_that_of_tensors(size: tuple[int, int]) -> None:
    maps = torch.from_numpy(RANDOM.random((2, *size)))
    # Maps in float64 are not compiled for, so these are two ways to one result.
    torch.testing.assert_close(mask.blur(maps.float()).double(), mask.blur(maps), atol=1e-6, rtol=0)


def test_blur_leaves_equal_pixels_equal() -> None:
    maps = torch.full((1, 40, 53), 0.1)
    assert mask.blur(maps).unique().numel() == 1


def test_rescaling_is_that_of_tensors() -> None:
    maps = torch.from_numpy(np.stack([RANDOM.normal(size=(9, 11)), np.full((9, 11), 0.3)]))
    torch.testing.assert_close(mask.rescale(maps.float()).double(), mask.rescale(maps), atol=1e-6, rtol=0)


def test_soft_mask_in_one_call_is_that_of_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    seed = torch.from_numpy(RANDOM.random((2, 30, 30)).astype(np.float32))
    bins = torch.from_numpy(RANDOM.integers(0, 40, (2, 30, 30)))
    at_once = mask.soft_mask(seed, bins, "fame", 30)
    posterior = mask.colour_posterior(bins, *statistics.colour_counts(mask.blur(seed), bins))
    assert torch.equal(at_once, mask.rescale(mask.blur(posterior)))
    for module in (mask, statistics):
        monkeypatch.setattr(module, "compilable", lambda _: False)
    torch.testing.assert_close(at_once, mask.soft_mask(seed, bins, "fame", 30), atol=1e-5, rtol=0)


@pytest.mark.parametrize("greatest", [1e-4, 0.37, 3.0])
def test_kept_seed_is_kept_the_same_again(greatest: float) -> None:
    most = np.float32(greatest)
    assert [level_of(seed_of(level, most), most) for level in range(64)] == list(range(64))


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (64, 86)])
@pytest.mark.parametrize("kind", ["noise", "smooth", "still"])
def test_packed_statistics_come_back_whole(size: tuple[int, int], kind: str) -> None:
    row, column = np.mgrid[: size[0], : size[1]]
    seed, bins = {
        "noise": (RANDOM.random(size) ** 3, RANDOM.integers(0, 1000, size)),
        "smooth": ((1 + np.sin(row / 9) * np.cos(column / 7)) / 2, 111 * (row // 16 + column // 20)),
        "still": (np.zeros(size), np.full(size, 999)),
    }[kind]
    clip = with_counts(seed.astype(np.float32), bins.astype(np.uint16))
    packed, greatest = pack(clip)
    back = unpack(packed, *size, greatest)
    for name in ("seed", "bins", "foreground", "background"):
        np.testing.assert_array_equal(getattr(back, name), getattr(clip, name), err_msg=name)
        assert getattr(back, name).dtype == getattr(clip, name).dtype
    for values, expected in zip(unpack_maps(packed, *size, greatest), (clip.seed, clip.bins), strict=True):
        np.testing.assert_array_equal(values, expected)


def test_smooth_maps_take_less_room_than_noise() -> None:
    smooth = np.linspace(0, 1, 64 * 86, dtype=np.float32).reshape(64, 86)
    noise = RANDOM.random((64, 86)).astype(np.float32)
    sizes = [
        pack(with_counts(seed, bins))[0].size
        for seed, bins in (
            (smooth, np.full((64, 86), 444, np.uint16)),
            (noise, RANDOM.integers(0, 1000, (64, 86)).astype(np.uint16)),
        )
    ]
    assert sizes[0] < 2000 < 10000 < sizes[1]


def test_kernels_compile_where_nothing_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    njit = numba.njit

    def without_cache(**options: bool) -> object:
        if options.pop("cache", False):
            raise RuntimeError("cannot cache function: no locator available")
        return njit(**options)

    monkeypatch.setattr(numba, "njit", without_cache)
    twice = kernels.compile_kernel(lambda value: 2 * value)
    assert twice(21) == 42
