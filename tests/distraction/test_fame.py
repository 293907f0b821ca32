"""The merge itself, and FAME as a distraction."""

import pytest
import torch

from fame_cli.config import PretrainConfig
from fame_cli.distraction.build import build_distraction, reads_maps
from fame_cli.distraction.distraction import Extras, Reads
from fame_cli.distraction.fame import FAME, merge
from fame_cli.foreground.of_clips import Maps, maps_of_clips, masks_of_maps


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


def test_fame_reads_what_its_options_need_and_nothing_else():
    assert FAME().reads == Reads(partner=True)
    assert FAME(statistics="cached", hue="published").reads == Reads(maps=True, hue="published", partner=True)
    assert FAME(background="intra").reads == Reads(other_time=True)
    assert FAME(background="still").reads == Reads(partner=True)


def square_clips(batch=3):
    return torch.rand(batch, 3, 4, 16, 16, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("variant", ["fame", "seed", "grid", "gauss", "joint"])
def test_fame_keeps_beta_of_each_clip_and_takes_the_rest_from_the_partner(variant):
    clips = square_clips()
    partners = clips + 2
    merged = FAME(beta=0.25, variant=variant).apply(clips, {}, Extras(), partners)
    own = (merged == clips).all(1).all(1)
    assert own.sum((1, 2)).tolist() == [64, 64, 64]
    assert torch.equal(merged, merge(clips, own, partners))
    expected = masks_of_maps(maps_of_clips(clips), 16, 0.25, variant).hard
    assert torch.equal(own, expected)


def test_fame_takes_another_time_of_the_video_and_cached_maps_where_it_reads_them():
    clips = square_clips()
    seed = torch.zeros(3, 16, 16)
    seed[:, 4:8] = 1
    extras = Extras(Maps(seed, torch.zeros(3, 16, 16).long()), other_time=clips - 2)
    fame = FAME(beta=0.25, variant="seed", background="intra", statistics="cached")
    merged = fame.apply(clips, {}, extras, None)
    assert torch.equal(merged[:, :, :, 4:8], clips[:, :, :, 4:8])
    assert torch.equal(merged[:, :, :, 9:], clips[:, :, :, 9:] - 2)


def test_hue_of_the_published_code_reaches_the_masks():
    clips, partners = square_clips(), square_clips() + 2
    correct, published = (
        FAME(hue=hue).apply(clips, {}, Extras(), partners) for hue in ("correct", "published")
    )
    assert not torch.equal(correct, published)


def test_options_of_a_training_make_its_distraction():
    config = PretrainConfig.from_options(
        beta=0.3, variant="grid", background="intra", hue="published", statistics="online"
    )
    fame = build_distraction(config)
    assert (fame.beta, fame.variant, fame.hue) == (0.3, "grid", "published")
    assert fame.reads == Reads(other_time=True, hue="published")
    assert not reads_maps(config)
    assert reads_maps(PretrainConfig())
    for baseline in (PretrainConfig.from_options(beta=1.0), PretrainConfig.from_options(distraction="none")):
        assert build_distraction(baseline) is None
        assert not reads_maps(baseline)


def test_still_background_is_the_median_of_the_partner_in_every_frame():
    clips = square_clips()
    partners = clips.flip(0) + 2
    merged = FAME(beta=0.25, background="still").apply(clips, {}, Extras(), partners)
    own = (merged == clips).all(1).all(1)
    assert own.sum((1, 2)).tolist() == [64, 64, 64]
    still = partners.median(dim=2, keepdim=True).values.expand_as(partners)
    assert torch.equal(merged, merge(clips, own, still))
    everything = FAME(beta=1, background="still").apply(clips, {}, Extras(), partners)
    assert torch.equal(everything, clips)
