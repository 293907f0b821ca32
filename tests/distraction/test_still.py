"""A still frame mixed into a clip: as BE's formula has it, for each clip by itself, and the motion stays."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import default_collate

from fame_cli.distraction.distraction import Extras
from fame_cli.distraction.still import StillFrame


def clips(count: int = 3, frames: int = 5, seed: int = 0) -> Tensor:
    return torch.randn(count, 3, frames, 4, 6, generator=torch.Generator().manual_seed(seed))


def drawn_for(distraction: StillFrame, count: int, seed: int = 0) -> dict[str, Tensor]:
    generator = np.random.default_rng(seed)
    return default_collate([dict(distraction.draw(generator)) for _ in range(count)])  # type: ignore[no-any-return]


def apply(
    distraction: StillFrame, given: Tensor, drawn: dict[str, Any], partners: Tensor | None = None
) -> Tensor:
    return distraction.apply(given.clone(), drawn, Extras(), partners)


@pytest.mark.parametrize("source", ["intra", "inter"])
def test_each_frame_is_mixed_with_the_drawn_one_as_the_formula_says(source: str) -> None:
    distraction = StillFrame(gamma=0.3, source=source)
    given, others, drawn = clips(), clips(seed=1), drawn_for(distraction, 3)
    found = apply(distraction, given, drawn, others if source == "inter" else None)
    B, C, T, H, W = given.shape
    expected = torch.empty_like(given)
    for b in range(B):
        weight, k = float(drawn["weight"][b]), int(float(drawn["place"][b]) * T)
        still = (others if source == "inter" else given)[b, :, k]
        for c, j, y, x in np.ndindex(C, T, H, W):
            expected[b, c, j, y, x] = (1 - weight) * given[b, c, j, y, x] + weight * still[c, y, x]
    torch.testing.assert_close(found, expected)


def test_motion_stays_but_for_its_strength() -> None:
    distraction = StillFrame(gamma=0.3, source="inter")
    given, drawn = clips(), drawn_for(distraction, 3)
    found = apply(distraction, given, drawn, clips(seed=1))
    kept = (1 - drawn["weight"]).view(-1, 1, 1, 1, 1)
    torch.testing.assert_close(found.diff(dim=2), kept * given.diff(dim=2), rtol=1e-4, atol=1e-5)


def test_share_and_frame_are_drawn_evenly_for_each_clip() -> None:
    drawn = drawn_for(StillFrame(gamma=0.3, source="intra"), 4000)
    assert 0 <= drawn["weight"].min() < 0.01
    assert 0.29 < drawn["weight"].max() < 0.3
    assert drawn["weight"].mean() == pytest.approx(0.15, abs=0.005)
    counts = np.bincount((drawn["place"] * 16).long().numpy(), minlength=16)
    assert counts.min() > 180


def test_a_clip_is_distracted_alike_in_any_batch() -> None:
    distraction = StillFrame(gamma=0.3, source="intra")
    given, drawn = clips(), drawn_for(distraction, 3)
    together = apply(distraction, given, drawn)
    for b in range(3):
        alone = apply(
            distraction, given[b : b + 1], {name: value[b : b + 1] for name, value in drawn.items()}
        )
        assert torch.equal(alone[0], together[b])


def test_a_place_that_rounds_up_is_the_last_frame() -> None:
    given = clips(1)
    drawn = {"weight": torch.tensor([1.0]), "place": torch.tensor([1.0])}
    found = apply(StillFrame(gamma=1, source="intra"), given, drawn)
    assert torch.equal(found, given[:, :, -1:].expand_as(given))
