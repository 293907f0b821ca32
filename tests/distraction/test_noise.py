"""Gaussian noise: one image for all frames of a clip, as strong as asked for, its own in any batch."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import default_collate

from fame_cli.distraction.distraction import Extras
from fame_cli.distraction.noise import GaussianNoise


def drawn_for(distraction: GaussianNoise, count: int) -> dict[str, Tensor]:
    generator = np.random.default_rng(0)
    return default_collate([dict(distraction.draw(generator)) for _ in range(count)])  # type: ignore[no-any-return]


def test_the_same_image_of_noise_lies_on_every_frame() -> None:
    distraction = GaussianNoise(sigma=0.5)
    given = torch.zeros(3, 3, 4, 64, 64)
    noise = distraction.apply(given.clone(), drawn_for(distraction, 3), Extras(), None)
    assert torch.equal(noise, noise[:, :, :1].expand_as(noise))
    images = noise[:, :, 0]
    assert float(images.std()) == pytest.approx(0.5, rel=0.02)
    assert float(images.mean()) == pytest.approx(0, abs=0.01)
    first, second, third = images.flatten(1)
    for one, other in ((first, second), (first, third), (second, third)):
        assert abs(float(torch.corrcoef(torch.stack([one, other]))[0, 1])) < 0.03


def test_a_clip_gets_its_noise_whatever_else_is_in_the_batch() -> None:
    distraction = GaussianNoise(sigma=1.0)
    given = torch.randn(3, 3, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    drawn = drawn_for(distraction, 3)
    together = distraction.apply(given.clone(), drawn, Extras(), None)
    alone = distraction.apply(given[1:2].clone(), {"noise_seed": drawn["noise_seed"][1:2]}, Extras(), None)
    assert torch.equal(alone[0], together[1])
