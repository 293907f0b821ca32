"""Mixup and CutMix with the clip of another video: pixel by pixel, and how much of it."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import default_collate

from fame_cli.distraction.distraction import Distraction, Extras
from fame_cli.distraction.mix import CutMix, Mixup

H, W = 6, 8


def clips(seed: int, count: int = 4) -> Tensor:
    return torch.randn(count, 3, 5, H, W, generator=torch.Generator().manual_seed(seed))


def drawn_for(distraction: Distraction, count: int, seed: int = 0) -> dict[str, Tensor]:
    generator = np.random.default_rng(seed)
    return default_collate([dict(distraction.draw(generator)) for _ in range(count)])  # type: ignore[no-any-return]


def test_mixup_adds_the_whole_moving_clip_of_another_video() -> None:
    distraction = Mixup(gamma=0.3)
    given, others, drawn = clips(0), clips(1), drawn_for(distraction, 4)
    found = distraction.apply(given.clone(), drawn, Extras(), others)
    for b, weight in enumerate(drawn["weight"].tolist()):
        assert 0 <= weight < 0.3
        torch.testing.assert_close(found[b], (1 - weight) * given[b] + weight * others[b])


def test_cutmix_takes_a_box_around_the_drawn_point_in_every_frame() -> None:
    distraction = CutMix()
    given, others, drawn = clips(0), clips(1), drawn_for(distraction, 4, seed=3)
    found = distraction.apply(given.clone(), drawn, Extras(), others)
    boxed = 0
    for b, y, x in np.ndindex(4, H, W):
        middle_y, middle_x = drawn["middle"][b].tolist()
        half = float(drawn["side"][b]) / 2
        inside = abs((y + 0.5) / H - middle_y) <= half and abs((x + 0.5) / W - middle_x) <= half
        assert torch.equal(found[b, :, :, y, x], (others if inside else given)[b, :, :, y, x])
        boxed += inside
    assert 0 < boxed < 4 * H * W


def test_area_of_the_box_is_drawn_evenly_and_so_is_its_middle() -> None:
    drawn = drawn_for(CutMix(), 4000)
    area = drawn["side"] ** 2
    shares = torch.histc(area, bins=4, min=0, max=1) / 4000
    assert shares.tolist() == pytest.approx([0.25] * 4, abs=0.03)
    assert drawn["middle"].mean(dim=0).tolist() == pytest.approx([0.5, 0.5], abs=0.02)
