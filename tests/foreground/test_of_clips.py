"""Clips to masks: the one place that puts the equations together."""

import pytest
import torch
from torch import Tensor

from fame_cli.foreground.mask import blur, soft_mask, top_share
from fame_cli.foreground.of_clips import Maps, maps_of_clips, masks_of_maps
from fame_cli.foreground.statistics import colour_bins, colour_counts, seed_region
from fame_cli.method import Hue


def clips(count: int = 2, side: int = 24) -> Tensor:
    return torch.rand(count, 3, 4, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("hue", ["correct", "published"])
def test_maps_are_the_seed_and_the_colours_of_the_mean_image(hue: Hue) -> None:
    maps = maps_of_clips(clips(), hue)
    torch.testing.assert_close(maps.seed, seed_region(clips()), rtol=0, atol=0)
    assert torch.equal(maps.bins, colour_bins(clips().mean(2), hue))


def test_masks_are_the_soft_mask_of_the_variant_and_its_greatest_share() -> None:
    maps = maps_of_clips(clips())
    masks = masks_of_maps(maps, 24, 0.3, "seed")
    expected = soft_mask(maps.seed, maps.bins, "seed", 24)
    assert torch.equal(masks.soft, expected)
    assert torch.equal(masks.hard, top_share(expected, 0.3))
    assert masks.hard.sum((1, 2)).tolist() == [172, 172]


def test_coarser_maps_give_masks_as_fine_as_asked() -> None:
    maps = Maps(torch.rand(2, 6, 6, generator=torch.Generator().manual_seed(1)), torch.zeros(2, 6, 6).long())
    masks = masks_of_maps(maps, 24, 0.5)
    assert masks.soft.shape == masks.hard.shape == (2, 24, 24)


def test_no_gradient_is_kept_of_a_mask() -> None:
    given = clips().requires_grad_()
    maps = maps_of_clips(given)
    assert not maps.seed.requires_grad
    assert not masks_of_maps(maps, 24, 0.5).soft.requires_grad


def test_colours_that_were_counted_before_are_not_counted_again() -> None:
    seed, bins = maps_of_clips(clips())
    coarse = Maps(seed[:, ::2, ::2].contiguous(), bins[:, ::2, ::2].contiguous())
    counts = colour_counts(blur(coarse.seed), coarse.bins)
    counted, given = masks_of_maps(coarse, 24, 0.5), masks_of_maps(coarse, 24, 0.5, counts=counts)
    assert torch.equal(given.soft, counted.soft)
    turned = masks_of_maps(coarse, 24, 0.5, counts=counts[::-1])
    assert not torch.equal(turned.soft, counted.soft)
    seeds = masks_of_maps(coarse, 24, 0.5, "seed"), masks_of_maps(coarse, 24, 0.5, "seed", counts[::-1])
    assert torch.equal(seeds[0].soft, seeds[1].soft)
