"""The merge as a module: what it promises to a training loop that is not ours."""

import copy
from collections import Counter
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fame_cli.distraction.transform import ForegroundBackgroundMerging
from fame_cli.errors import ConfigurationError
from fame_cli.foreground.mask import soft_mask, top_share
from fame_cli.foreground.statistics import colour_bins, seed_region
from fame_cli.method import Variant

VARIANTS = get_args(Variant)


def clips(count: int = 4, frames: int = 5, side: int = 24) -> Tensor:
    return torch.rand(count, 3, frames, side, side, generator=torch.Generator().manual_seed(3))


def seeded(number: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def sources(merged: Tensor, given: Tensor) -> tuple[Tensor, list[int]]:
    """Mask (B, H, W) of the pixels that are a clip's own, and which clip each one's others are from."""
    own = (merged == given).all(2).all(1)
    partners = []
    for clip, kept in zip(merged, own, strict=True):
        fits = [bool(torch.equal(clip[..., ~kept], other[..., ~kept])) for other in given]
        partners.append(fits.index(True))
    return own, partners


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("beta", [0.3, 0.5])
def test_every_pixel_is_a_clips_own_or_one_other_clips_and_beta_of_them_its_own(
    variant: Variant, beta: float
) -> None:
    given = clips()
    own, partners = sources(ForegroundBackgroundMerging(beta, variant)(given), given)
    assert own.sum((1, 2)).tolist() == [int(beta * 24 * 24)] * 4
    assert all(partner != number for number, partner in enumerate(partners))
    assert sorted(partners) == [0, 1, 2, 3]


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_mask_is_the_one_of_the_toolkit(variant: Variant) -> None:
    given = clips()
    expected = top_share(
        soft_mask(seed_region(given), colour_bins(given.mean(2), "correct"), variant, 24), 0.5
    )
    transform = ForegroundBackgroundMerging(variant=variant)
    assert torch.equal(transform.mask(given), expected)
    assert torch.equal(sources(transform(given), given)[0], expected)


def test_cached_statistics_give_the_mask_instead_of_the_clips() -> None:
    given = clips()
    seed, bins = torch.zeros(4, 8, 8), torch.zeros(4, 8, 8, dtype=torch.long)
    seed[:, :, 4:] = 1
    merged = ForegroundBackgroundMerging(variant="grid")(given, seed, bins)
    own, _ = sources(merged, given)
    assert own[:, :, 12:].all()
    assert not own[:, :, :12].any()


def test_the_hue_of_the_published_code_gives_other_masks() -> None:
    given = clips()
    assert not torch.equal(
        ForegroundBackgroundMerging(hue="published").mask(given), ForegroundBackgroundMerging().mask(given)
    )


def test_all_foreground_gives_the_clips_and_none_the_partners() -> None:
    given = clips()
    assert torch.equal(ForegroundBackgroundMerging(beta=1)(given), given)
    own, partners = sources(ForegroundBackgroundMerging(beta=0)(given), given)
    assert not own.any()
    assert all(partner != number for number, partner in enumerate(partners))


def test_the_clips_given_are_left_as_they_are() -> None:
    given = clips()
    before = given.clone()
    ForegroundBackgroundMerging()(given)
    assert torch.equal(given, before)


def test_bytes_stay_bytes_and_are_merged_as_their_shares_of_255_are() -> None:
    given = (clips() * 255).round().to(torch.uint8)
    merged = ForegroundBackgroundMerging(generator=seeded())(given)
    assert merged.dtype == torch.uint8
    assert torch.equal(merged / 255, ForegroundBackgroundMerging(generator=seeded())(given / 255))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_stay_what_they_are(dtype: torch.dtype) -> None:
    given = clips().to(dtype)
    merged = ForegroundBackgroundMerging()(given)
    assert merged.dtype == dtype
    sources(merged, given)


def test_partners_are_all_cyclic_permutations_equally_often() -> None:
    transform = ForegroundBackgroundMerging(generator=seeded())
    drawn = Counter(tuple(transform.partners(4, torch.device("cpu")).tolist()) for _ in range(6000))
    assert len(drawn) == 6  # 3! cycles through four clips
    assert all(abs(count - 1000) < 5 * np.sqrt(1000) for count in drawn.values())
    for partners in drawn:
        place, met = 0, set()
        while place not in met:
            met.add(place)
            place = partners[place]
        assert len(met) == 4


def test_the_same_generator_state_gives_the_same_partners() -> None:
    given = clips(8)
    first, second = (ForegroundBackgroundMerging(generator=seeded(1))(given) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, ForegroundBackgroundMerging(generator=seeded(2))(given))
    torch.manual_seed(4)
    first = ForegroundBackgroundMerging()(given)
    torch.manual_seed(4)
    assert torch.equal(first, ForegroundBackgroundMerging()(given))


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_value_on_the_device_is_ever_waited_for(variant: Variant) -> None:
    given = torch.empty(4, 3, 5, 24, 24, device="meta")  # has no values: reading one raises
    assert ForegroundBackgroundMerging(variant=variant)(given).shape == given.shape


def test_gradients_reach_the_clips_that_the_pixels_are_from() -> None:
    given = clips().requires_grad_()
    ForegroundBackgroundMerging()(given).sum().backward()
    assert given.grad is not None
    assert set(given.grad.unique().tolist()) <= {0.0, 1.0, 2.0}
    assert given.grad.sum() == given.numel()


def test_it_is_a_module_among_modules() -> None:
    transform = ForegroundBackgroundMerging(0.3, "grid")
    model = nn.Sequential(transform, nn.Flatten(), nn.LazyLinear(2))
    assert model(clips()).shape == (4, 2)
    assert not list(transform.parameters())
    assert not transform.state_dict()
    assert repr(transform) == "ForegroundBackgroundMerging(beta=0.3, variant='grid', hue='correct')"
    assert copy.deepcopy(transform).beta == 0.3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"beta": 1.2}, r"beta is 1\.2; expected 0 to 1"),
        ({"variant": "blob"}, "variant is 'blob'; expected fame, seed, grid, gauss, joint"),
        ({"hue": "odd"}, "hue is 'odd'; expected correct, published"),
    ],
)
def test_a_wrong_argument_is_named(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        ForegroundBackgroundMerging(**arguments)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (torch.zeros(4, 3, 24, 24), r"clips are \(4, 3, 24, 24\); expected \(B, 3, T, H, W\)"),
        (torch.zeros(4, 5, 3, 24, 24), r"expected \(B, 3, T, H, W\)"),
        (torch.zeros(4, 3, 1, 24, 24), "T at least 2"),
        (torch.zeros(4, 3, 5, 24, 32), "H equal to W"),
        (torch.zeros(1, 3, 5, 24, 24), "a batch of one clip has no other"),
        (torch.zeros(4, 3, 5, 24, 24, dtype=torch.long), r"clips are torch\.int64"),
    ],
)
def test_wrong_clips_are_named(given: Tensor, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        ForegroundBackgroundMerging()(given)


@pytest.mark.parametrize(
    ("seed", "bins", "said"),
    [
        (torch.zeros(4, 8, 8), None, "seed and bins go together"),
        (torch.zeros(4, 8, 8), torch.zeros(4, 9, 9).long(), r"seed is \(4, 8, 8\) and bins \(4, 9, 9\)"),
        (torch.zeros(3, 8, 8), torch.zeros(3, 8, 8).long(), r"expected \(4, h, w\)"),
    ],
)
def test_wrong_statistics_are_named(seed: Tensor, bins: Tensor | None, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        ForegroundBackgroundMerging()(clips(), seed, bins)
