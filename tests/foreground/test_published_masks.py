"""Masks of ``hue="published"`` beside the published formula, written down independently of ours."""

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from matplotlib.colors import rgb_to_hsv

from fame_cli.foreground import kernels
from fame_cli.foreground.mask import soft_mask, top_share
from fame_cli.foreground.statistics import colour_bins, seed_region

BLACK, GRAY, LIGHTER, WHITE = 0.0, 0.5, 5 / 9, 1.0
ROWS = [GRAY, GRAY, LIGHTER, WHITE, WHITE, BLACK, GRAY, LIGHTER, WHITE, BLACK]
"""The value of each row of a picture of 10×10 pixels; the last row ends in three white ones."""


def bins_of(image: torch.Tensor, way: str) -> torch.Tensor:
    """Bins (1, H, W) of an image (1, 3, H, W), by tensors or by compiled code."""
    if way == "tensors":
        return colour_bins(image, "published")
    bins = np.empty(image[0, 0].numel(), np.uint16)
    kernels.colour_bins(image.float().reshape(3, -1).numpy(), math.tau, bins)
    return torch.from_numpy(bins.astype(np.int64)).view(1, *image.shape[2:])


@pytest.mark.parametrize("way", ["tensors", "compiled"])
def test_mask_of_gray_black_and_white_is_the_one_made_by_hand(way: str) -> None:
    values = torch.tensor(ROWS).repeat_interleave(10).view(10, 10)
    values[9, 7:] = WHITE
    image = values.expand(1, 3, 10, 10).contiguous()
    # The first five rows move most, the last one least; a picture so small is not blurred.
    seed = torch.arange(100.0, 0, -1).view(1, 10, 10)
    bins = bins_of(image, way)
    # round(9 · 0.5 + 1) − 1 is 5, for s·cos h and s·sin h, which are 0, and for the value of gray.
    by_hand = torch.where(values == BLACK, 55, torch.where(values == WHITE, 955, 555))
    assert torch.equal(bins[0], by_hand)
    # Foreground: 30 of bin 555 and 20 of 955. Background: 7 of bin 55 and 3 of 955, and 1 in each of 1000.
    likelihood = {55: 0.0, 555: 0.6 / (0.6 + 1 / 1010), 955: 0.4 / (0.4 + 4 / 1010)}
    expected = by_hand.double().apply_(lambda colour: likelihood[int(colour)] / likelihood[555])
    soft = soft_mask(seed, bins, "fame", 10)
    torch.testing.assert_close(soft[0].double(), expected, atol=1e-6, rtol=0)
    # All 50 pixels of bin 555, and the first ten of 955.
    gray, white = ((by_hand == colour).flatten().nonzero().flatten().tolist() for colour in (555, 955))
    assert len(gray) == 50
    kept = top_share(soft, 0.6)[0].flatten().nonzero().flatten().tolist()
    assert kept == sorted(gray + white[:10])


def gaussian(values: np.ndarray) -> np.ndarray:
    taps = int(0.1 * len(values)) // 2 * 2 + 1
    offsets = np.arange(taps) - taps // 2
    weights = np.exp(-(offsets**2) / (2 * (taps / 3) ** 2))
    padded = np.pad(values, taps // 2, mode="reflect")
    rows = sum(weight * padded[n : n + len(values)] for n, weight in enumerate(weights / weights.sum()))
    return sum(weight * rows[:, n : n + values.shape[1]] for n, weight in enumerate(weights / weights.sum()))


def stretch(values: np.ndarray) -> np.ndarray:
    return (values - values.min()) / (values.max() - values.min())


def published_mask(clip: np.ndarray) -> np.ndarray:
    """Hard mask (S, S) bool of a clip (3, T, S, S) in [0, 1], by what the published code computes."""
    pixels = clip.shape[2] * clip.shape[3]
    seed = stretch(gaussian(np.abs(np.diff(clip, axis=1)).sum(axis=0).mean(axis=0)))
    hue, saturation, value = np.moveaxis(rgb_to_hsv(clip.mean(axis=1).transpose(1, 2, 0)), 2, 0)
    angle = (2 * np.pi * hue) * 2 * np.pi  # the hue is in radians already
    levels = [(saturation * np.cos(angle) + 1) / 2, (saturation * np.sin(angle) + 1) / 2, value]
    x, y, v = (np.round(9 * level + 1) - 1 for level in levels)
    bins = (x + 10 * y + 100 * v).astype(int).ravel()
    order = np.argsort(-seed.ravel(), kind="stable")
    foreground = np.bincount(bins[order[: int(0.5 * pixels)]], minlength=1000).astype(float)
    background = np.bincount(bins[order[pixels - int(0.1 * pixels) :]], minlength=1000) + 1.0
    of_foreground, of_background = foreground / foreground.sum(), background / background.sum()
    likelihood = of_foreground[bins] / (of_foreground[bins] + of_background[bins])
    soft = stretch(gaussian(likelihood.reshape(seed.shape)))
    mask = np.zeros(pixels, bool)
    mask[np.argsort(-soft.ravel(), kind="stable")[: int(0.5 * pixels)]] = True
    return mask.reshape(seed.shape)


def read_clip(path: Path) -> np.ndarray:
    """Frames 0, 2, … 30 of a video: the central square at 112², as (3, 16, 112, 112) float32 in [0, 1]."""
    capture = cv2.VideoCapture(str(path))
    frames = []
    for number in range(31):
        found, frame = capture.read()
        assert found, (path, number)
        if number % 2 == 0:
            height, width = frame.shape[:2]
            left = (width - height) // 2
            square = frame[:, left : left + height, ::-1]
            frames.append(cv2.resize(square, (112, 112), interpolation=cv2.INTER_AREA))
    return np.stack(frames).transpose(3, 0, 1, 2).astype(np.float32) / 255


@pytest.mark.real
def test_masks_of_real_clips_are_the_published_ones(real_data: Path) -> None:
    shares = []
    for path in sorted((real_data / "ucf101").rglob("*.avi")):
        clip = read_clip(path)
        clips = torch.from_numpy(clip)[None]
        bins = bins_of(clips.mean(2), "tensors")
        ours = top_share(soft_mask(seed_region(clips), bins, "fame", 112), 0.5)[0].numpy()
        theirs = published_mask(clip)
        shares.append((ours & theirs).sum() / (ours | theirs).sum())
    assert len(shares) >= 41
    assert np.mean(shares) >= 0.999
    assert min(shares) >= 0.99
