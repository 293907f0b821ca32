"""Eq. 3, Eq. 4 and the variants of Table 6: by hand, against the slow oracle, and what must always hold."""

import math

import numpy as np
import pytest
import slow_oracle
import torch
from torch.nn.functional import avg_pool2d

from fame_cli.foreground.mask import blur, colour_posterior, rescale, soft_mask, top_share
from fame_cli.foreground.statistics import COLOUR_BINS, colour_bins, colour_counts, seed_region

VARIANTS = ["fame", "seed", "grid", "gauss", "joint"]


def square_clips(seed, count=2, frames=4, size=40):
    """A bright square that moves over a scene of few colours; noise moves too."""
    generator = np.random.default_rng(seed)
    colours = generator.random((count, 3, 5)) * 0.6
    labels = generator.integers(0, 5, (size // 4, size // 4)).repeat(4, 0).repeat(4, 1)
    clips = np.stack([palette[:, labels] for palette in colours])[:, :, None].repeat(frames, 2)
    for t in range(frames):
        clips[:, :, t, 10:22, 8 + 2 * t : 20 + 2 * t] = np.array([0.9, 0.8, 0.1])[:, None, None]
    return torch.from_numpy(np.clip(clips + generator.normal(0, 0.02, clips.shape), 0, 1))


def statistics_of(clips):
    return seed_region(clips), colour_bins(clips.mean(2), "correct")


def counts(**by_bin):
    row = torch.zeros(1, COLOUR_BINS)
    for name, value in by_bin.items():
        row[0, int(name.removeprefix("bin"))] = value
    return row


def test_posterior_of_a_colour_by_hand():
    bins = torch.tensor([[[3, 7], [5, 11]]])
    likelihood = colour_posterior(bins, counts(bin3=6, bin7=2), counts(bin3=1, bin5=1))
    of_3 = (6 / 8) / (6 / 8 + 2 / 1002)
    of_7 = (2 / 8) / (2 / 8 + 1 / 1002)
    torch.testing.assert_close(likelihood, torch.tensor([[[of_3, of_7], [0.0, 0.0]]]))


def test_posterior_uses_the_counts_of_its_own_clip():
    bins = torch.zeros(2, 1, 1, dtype=torch.int64)
    foreground = torch.cat((counts(bin0=1), counts(bin1=1)))
    likelihood = colour_posterior(bins, foreground, torch.cat((counts(), counts())))
    assert likelihood.flatten().tolist() == pytest.approx([1 / (1 + 1 / 1000), 0])


def test_blur_spreads_a_point_over_a_tenth_of_the_side():
    point = torch.zeros(1, 45, 45)
    point[0, 20, 20] = 1
    blurred = blur(point)
    assert blurred.sum().item() == pytest.approx(1)
    assert blurred.nonzero()[:, 1:].amin(0).tolist() == [18, 18]
    assert blurred.nonzero()[:, 1:].amax(0).tolist() == [22, 22]
    ratio = (blurred[0, 20, 21] / blurred[0, 20, 20]).item()
    assert ratio == pytest.approx(math.exp(-1 / (2 * (5 / 3) ** 2)))


@pytest.mark.parametrize(("height", "width"), [(40, 60), (60, 41), (9, 9)])
def test_blur_equals_the_slow_oracle_up_to_the_border(height, width):
    maps = torch.rand(2, height, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for fast, values in zip(blur(maps), maps, strict=True):
        np.testing.assert_allclose(fast, slow_oracle.blur(values.numpy()), atol=1e-12)


def test_rescale_stretches_each_map_by_its_own_extremes():
    maps = torch.tensor([[[1.0, 3.0]], [[-2.0, 8.0]]])
    assert rescale(maps).tolist() == [[[0, 1]], [[0, 1]]]
    assert rescale(torch.tensor([[[2.0, 3.0, 6.0]]])).tolist() == [[[0, 0.25, 1]]]


def test_rescale_makes_a_constant_map_zero_even_where_it_differs_by_rounding():
    maps = torch.tensor([[[0.0, 0.0]], [[0.7, 0.7]], [[0.7, 0.7 + 1e-7]]])
    assert not rescale(maps).any()


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_fame_mask_equals_the_slow_oracle(seed):
    clips = square_clips(seed)
    soft = soft_mask(*statistics_of(clips), "fame", 40)
    for fast, hard, clip in zip(soft, top_share(soft, 0.5), clips.numpy(), strict=True):
        np.testing.assert_allclose(fast, slow_oracle.soft_mask(clip), atol=1e-5)
        np.testing.assert_array_equal(hard, slow_oracle.hard_mask(fast.numpy(), 0.5))


def test_fame_mask_finds_the_moving_square():
    clips = square_clips(5).float()
    mask = top_share(soft_mask(*statistics_of(clips), "fame", 40), 0.5)
    assert mask[:, 10:22, 8:26].float().mean() > 0.9


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("side", [1, 2])
def test_map_of_hardly_a_pixel_makes_a_mask_all_the_same(variant, side):
    random = torch.Generator().manual_seed(side)
    seed = torch.rand(2, side, side, generator=random)
    bins = torch.randint(0, 1000, (2, side, side), generator=random)
    assert soft_mask(seed, bins, variant, 16).isfinite().all()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("size_px", [20, 40, 56])
def test_soft_mask_has_the_size_asked_for_and_lies_between_0_and_1(variant, size_px):
    soft = soft_mask(*statistics_of(square_clips(0).float()), variant, size_px)
    assert soft.shape == (2, size_px, size_px)
    assert soft.min() >= 0
    assert 0.9 < soft.max() <= 1


@pytest.mark.parametrize("variant", VARIANTS)
def test_soft_mask_of_a_clip_does_not_depend_on_its_batch(variant):
    seed, bins = statistics_of(square_clips(0, count=3).float())
    together = soft_mask(seed, bins, variant, 56)
    for index in range(3):
        alone = soft_mask(seed[index : index + 1], bins[index : index + 1], variant, 56)
        assert torch.equal(alone[0], together[index])


@pytest.mark.parametrize("variant", ["fame", "seed", "joint"])
def test_coarse_statistics_give_nearly_the_mask_of_fine_ones(variant):
    seed, bins = statistics_of(square_clips(0, size=80).float())
    coarse_seed, coarse_bins = avg_pool2d(seed, 2), bins[:, ::2, ::2]
    fine = top_share(soft_mask(seed, bins, variant, 80), 0.5)
    coarse = top_share(soft_mask(coarse_seed, coarse_bins, variant, 80), 0.5)
    assert (fine & coarse).sum() / (fine | coarse).sum() > 0.8


def test_coarse_pixels_lie_where_their_fine_ones_do():
    seed = torch.zeros(1, 8, 8)
    seed[..., 1] = 1
    mask = top_share(soft_mask(seed, seed.long(), "seed", 80), 1 / 8)
    assert mask[0].nonzero()[:, 1].unique().tolist() == list(range(10, 20))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("beta", [0.3, 0.5, 0.7, 1.0])
def test_mask_keeps_exactly_beta_of_the_pixels(variant, beta):
    mask = top_share(soft_mask(*statistics_of(square_clips(0).float()), variant, 45), beta)
    assert mask.dtype == torch.bool
    assert mask.sum((1, 2)).tolist() == [math.floor(beta * 45 * 45)] * 2


def test_mask_counts_in_decimals_where_binary_falls_just_below():
    assert top_share(torch.rand(1, 10, 10), 0.29).sum() == 29


def test_mask_keeps_the_greatest_pixels_and_the_first_of_equal_ones():
    soft = torch.tensor([[[0.1, 0.9, 0.5], [0.5, 0.0, 0.5]]])
    assert top_share(soft, 0.5).tolist() == [[[False, True, True], [True, False, False]]]


def test_grid_at_one_half_keeps_exactly_the_eight_cells_of_greatest_sum():
    cells = torch.tensor([[16, 1, 2, 15], [3, 14, 13, 4], [5, 12, 11, 6], [10, 7, 8, 9]])
    seed = cells.repeat_interleave(6, 0).repeat_interleave(6, 1).float()[None]
    mask = top_share(soft_mask(seed, seed.long(), "grid", 24), 0.5)
    assert torch.equal(mask, seed > 8)


def test_grid_goes_by_the_sum_of_a_cell_and_not_by_its_greatest_pixel():
    seed = torch.zeros(1, 8, 8)
    seed[0, :, :4] = 1
    seed[0, 0, 7] = 1.5
    mask = top_share(soft_mask(seed, seed.long(), "grid", 8), 0.5)
    assert mask[0].nonzero()[:, 1].unique().tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("size_px", [24, 112])
def test_grid_keeps_whole_cells_where_sums_are_equal(size_px):
    seed = torch.zeros(1, 24, 24)
    seed[0, 12:18] = torch.rand(6, 24, generator=torch.Generator().manual_seed(0))
    mask = top_share(soft_mask(seed, seed.long(), "grid", size_px), 0.5)
    side = size_px // 4
    cells = mask.view(4, side, 4, side).float().mean((1, 3))
    assert sorted(cells.flatten().tolist()) == [0.0] * 8 + [1.0] * 8
    assert cells[2].tolist() == [1, 1, 1, 1]


def test_joint_mask_prefers_what_both_motion_and_colour_speak_for():
    seed, bins = torch.full((1, 60, 60), 0.01), torch.full((1, 60, 60), 7)
    bins[0, 5:20, 5:20], bins[0, 40:55, 40:55] = 300, 300  # two things of one colour
    seed[0, 5:20, 5:20] = 1  # of which the first moves
    seed[0, 5:20, 40:55] = 0.6  # and something of the background's colour that flickers
    soft = soft_mask(seed, bins, "joint", 60)[0]
    moving, alike, flicker = soft[8:17, 8:17].min(), soft[43:52, 43:52].max(), soft[8:17, 43:52].max()
    assert moving > 2 * max(alike, flicker)
    colour_alone = soft_mask(seed, bins, "fame", 60)[0]
    assert colour_alone[43:52, 43:52].min() > 0.9, "colour alone takes both things"


def test_joint_mask_is_seed_times_root_of_the_posterior_of_surer_pixels():
    seed, bins = statistics_of(square_clips(0).float())
    foreground, background = colour_counts(blur(seed), bins, 0.2, 0.5)
    assert foreground.sum() == 2 * math.floor(0.2 * 40 * 40)
    assert background.sum() == 2 * math.floor(0.5 * 40 * 40)
    posterior = colour_posterior(bins, foreground, background)
    expected = rescale(blur(seed) * blur(posterior) ** 0.5)
    torch.testing.assert_close(soft_mask(seed, bins, "joint", 40), expected)


def test_gauss_is_one_centred_bell_whatever_the_clip():
    soft = soft_mask(*statistics_of(square_clips(0).float()), "gauss", 41)
    assert torch.equal(soft[0], soft[1])
    assert torch.equal(soft[0], soft[0].T)
    assert torch.equal(soft[0], soft[0].flip(0, 1))
    assert soft[0, 20, 20] == 1
    assert soft[0, 20, 30].item() == pytest.approx(math.exp(-((10 / 10.25) ** 2) / 2))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("size_px", [40, 56])
def test_static_clip_gives_a_finite_mask_and_always_the_same(variant, size_px):
    still = square_clips(0).float()[:, :, :1].expand(-1, -1, 4, -1, -1)
    soft = soft_mask(*statistics_of(still), variant, size_px)
    assert soft.isfinite().all()
    again = top_share(soft_mask(*statistics_of(still.clone()), variant, size_px), 0.5)
    assert torch.equal(top_share(soft, 0.5), again)
    assert again.sum((1, 2)).tolist() == [size_px**2 // 2] * 2


@pytest.mark.parametrize("size_px", [40, 56])
def test_static_clip_of_one_colour_keeps_its_upper_half(size_px):
    plain = torch.full((1, 3, 4, 40, 40), 0.3)
    mask = top_share(soft_mask(*statistics_of(plain), "fame", size_px), 0.5)
    assert mask[0, : size_px // 2].all()
