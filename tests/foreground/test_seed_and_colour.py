"""The seed of Eq. 2, colours and their counts: by hand, against colorsys and against the slow oracle."""

import colorsys

import numpy as np
import pytest
import slow_oracle
import torch

from fame_cli.foreground.statistics import (
    COLOUR_BINS,
    colour_bins,
    colour_counts,
    rgb_to_hsv,
    seed_region,
    top_pixels,
)


def random_clips(seed, count=1, frames=5, height=12, width=20):
    """Clips of few colours, so that some colours are frequent, with noise that moves."""
    generator = np.random.default_rng(seed)
    palette = generator.random((count, 3, 6))
    scene = np.stack([colours[:, generator.integers(0, 6, (height, width))] for colours in palette])
    noise = generator.normal(0, 0.05, (count, 3, frames, height, width))
    return torch.from_numpy(np.clip(scene[:, :, None] + noise, 0, 1))


def image_of(*pixels):
    """A batch of one image, one row high, from RGB triples."""
    return torch.tensor(pixels, dtype=torch.float64).T[None, :, None, :]


def test_seed_is_the_mean_over_steps_of_the_change_summed_over_channels():
    red = [[[0.0, 0.5]], [[0.2, 0.5]], [[0.1, 0.5]]]
    green = [[[0.0, 0.0]], [[0.0, 1.0]], [[0.0, 0.0]]]
    clips = torch.tensor([[red, green]])
    torch.testing.assert_close(seed_region(clips), torch.tensor([[[(0.2 + 0.1) / 2, (1.0 + 1.0) / 2]]]))


def test_seed_of_a_static_clip_is_zero():
    still = random_clips(0)[:, :, :1].expand(-1, -1, 4, -1, -1)
    assert not seed_region(still).any()


def test_seed_leaves_its_clips_as_they_were():
    clips = random_clips(1)
    before = clips.clone()
    seed_region(clips)
    assert torch.equal(clips, before)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_seed_bins_and_counts_equal_the_slow_oracle(seed):
    clips = random_clips(seed, count=2)
    seeds, bins = seed_region(clips), colour_bins(clips.mean(2), "correct")
    counts = colour_counts(seeds, bins)
    for index, clip in enumerate(clips.numpy()):
        slow_seed = slow_oracle.seed_region(clip)
        slow_bins = slow_oracle.colour_bins(slow_oracle.mean_image(clip))
        np.testing.assert_allclose(seeds[index], slow_seed, rtol=1e-12)
        np.testing.assert_array_equal(bins[index], slow_bins)
        for fast, slow in zip(counts, slow_oracle.colour_counts(slow_seed, slow_bins), strict=True):
            np.testing.assert_array_equal(fast[index], slow)


def test_hue_saturation_and_value_agree_with_colorsys():
    levels = [0.0, 0.2, 0.5, 0.75, 1.0]
    pixels = [(r, g, b) for r in levels for g in levels for b in levels]
    ours = rgb_to_hsv(image_of(*pixels))[0, :, 0].T
    np.testing.assert_allclose(ours, [colorsys.rgb_to_hsv(*pixel) for pixel in pixels], atol=1e-12)


def test_hue_of_a_red_with_a_breath_of_blue_stays_below_one_turn():
    hue = rgb_to_hsv(image_of((1.0, 0.0, 1e-9)).float())[0, 0]
    assert 0 <= hue.item() < 1


@pytest.mark.parametrize(
    ("colour", "correct", "published"),
    [
        ((1.0, 0.0, 0.0), 9 + 50 + 900, 9 + 50 + 900),  # hue 0: nothing to wrap
        ((0.0, 1.0, 0.0), 2 + 80 + 900, 8 + 70 + 900),  # 120° against 2π · 120° = 754° = 34°
        ((0.0, 0.0, 1.0), 2 + 10 + 900, 6 + 90 + 900),  # 240° against 1508° = 68°
        ((0.0, 0.0, 0.0), 5 + 50 + 0, 5 + 50 + 0),
        ((0.5, 0.5, 0.5), 5 + 50 + 500, 5 + 50 + 500),
        ((1.0, 1.0, 1.0), 5 + 50 + 900, 5 + 50 + 900),
    ],
)
def test_bins_of_pure_colours_with_the_correct_hue_and_the_published_one(colour, correct, published):
    image = image_of(colour)
    assert colour_bins(image, "correct").item() == correct
    assert colour_bins(image, "published").item() == published


def test_bins_are_indices_below_their_number():
    images = torch.rand(2, 3, 50, 50, generator=torch.Generator().manual_seed(3))
    for bins in (colour_bins(images, "correct"), colour_bins(images, "published")):
        assert bins.dtype == torch.int64
        assert bins.min() >= 0
        assert bins.max() < COLOUR_BINS


def test_top_pixels_takes_the_first_of_equal_ones_in_row_major_order():
    maps = torch.tensor([[[1.0, 3.0, 2.0], [2.0, 0.0, 2.0]], [[5.0, 5.0, 5.0], [5.0, 5.0, 9.0]]])
    expected = torch.tensor([[[0, 1, 1], [1, 0, 0]], [[1, 1, 0], [0, 0, 1]]]).bool()
    assert torch.equal(top_pixels(maps, 3), expected)


def test_top_pixels_takes_none_or_all():
    maps = torch.zeros(2, 3, 4)
    assert not top_pixels(maps, 0).any()
    assert top_pixels(maps, 12).all()


def test_counts_are_of_the_top_half_and_the_last_tenth_of_the_seed():
    seed = torch.arange(20.0).flip(0).view(1, 4, 5)
    bins = torch.tensor([[[7] * 5, [7, 7, 7, 8, 8], [9] * 5, [9, 9, 9, 999, 7]]])
    foreground, background = colour_counts(seed, bins)
    assert dict(enumerate(foreground[0].tolist())) == dict.fromkeys(range(1000), 0) | {7: 8, 8: 2}
    assert dict(enumerate(background[0].tolist())) == dict.fromkeys(range(1000), 0) | {999: 1, 7: 1}


def test_counts_of_a_flat_seed_are_of_the_first_half_and_the_last_tenth_of_the_pixels():
    bins = torch.arange(30).view(1, 5, 6)
    foreground, background = colour_counts(torch.full((1, 5, 6), 0.25), bins)
    assert foreground[0].nonzero().flatten().tolist() == list(range(15))
    assert background[0].nonzero().flatten().tolist() == [27, 28, 29]
