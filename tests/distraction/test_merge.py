"""Partners and the merge itself."""

from collections import Counter

import numpy as np
import pytest
import torch

from fame_cli.distraction.merge import cyclic_partners, merge
from fame_cli.errors import ConfigurationError


def clips_and_mask(batch=3):
    generator = torch.Generator().manual_seed(0)
    clips = torch.rand(batch, 3, 4, 6, 8, generator=generator)
    mask = torch.rand(batch, 6, 8, generator=generator) < 0.5
    return clips, mask, torch.rand(clips.shape, generator=generator)


def test_merge_by_hand():
    clips = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).view(2, 1, 1, 1, 2)
    backgrounds = torch.tensor([[5.0, 6.0], [7.0, 8.0]]).view(2, 1, 1, 1, 2)
    mask = torch.tensor([[[1, 0]], [[0, 1]]])
    assert merge(clips, mask, backgrounds).flatten().tolist() == [1, 6, 7, 4]


def test_merge_is_the_formula_of_the_paper_in_every_channel_and_frame():
    clips, mask, backgrounds = clips_and_mask()
    M = mask[:, None, None].float()
    assert torch.equal(merge(clips, mask, backgrounds), clips * M + backgrounds * (1 - M))


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.float32])
def test_merge_takes_masks_of_any_type(dtype):
    clips, mask, backgrounds = clips_and_mask()
    assert torch.equal(merge(clips, mask.to(dtype), backgrounds), merge(clips, mask, backgrounds))


def test_all_ones_mask_returns_the_clips_and_all_zeros_the_backgrounds():
    clips, mask, backgrounds = clips_and_mask()
    assert torch.equal(merge(clips, torch.ones_like(mask), backgrounds), clips)
    assert torch.equal(merge(clips, torch.zeros_like(mask), backgrounds), backgrounds)


def test_every_merged_pixel_comes_from_one_of_its_two_sources():
    clips, mask, backgrounds = clips_and_mask()
    merged = merge(clips, mask, backgrounds)
    assert ((merged == clips) | (merged == backgrounds)).all()


def test_merge_leaves_both_sources_as_they_were():
    clips, mask, backgrounds = clips_and_mask()
    before = clips.clone(), backgrounds.clone()
    merge(clips, mask, backgrounds).zero_()
    assert torch.equal(clips, before[0])
    assert torch.equal(backgrounds, before[1])


@pytest.mark.parametrize("count", [2, 3, 5, 64])
def test_no_clip_is_its_own_partner_and_each_gives_its_background_once(count):
    generator = np.random.default_rng(0)
    for _ in range(200):
        partners = cyclic_partners(count, generator)
        assert (partners != np.arange(count)).all()
        assert sorted(partners.tolist()) == list(range(count))


def test_partners_form_one_cycle():
    partners = cyclic_partners(50, np.random.default_rng(1))
    clip, seen = 0, set()
    while clip not in seen:
        seen.add(clip)
        clip = int(partners[clip])
    assert len(seen) == 50


def test_all_six_cyclic_permutations_of_four_are_equally_likely():
    generator = np.random.default_rng(0)
    seen = Counter(tuple(cyclic_partners(4, generator).tolist()) for _ in range(6000))
    assert len(seen) == 6
    assert all(850 < times < 1150 for times in seen.values())


def test_partners_are_repeatable_and_int64():
    first, second = (cyclic_partners(16, np.random.default_rng(7)) for _ in range(2))
    assert first.dtype == np.int64
    assert first.tolist() == second.tolist()


def test_a_single_clip_has_no_partner():
    with pytest.raises(ConfigurationError, match="a batch of 1 has no other clip"):
        cyclic_partners(1, np.random.default_rng(0))
