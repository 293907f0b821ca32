"""Who is whose partner in a batch."""

from collections import Counter

import numpy as np
import pytest
import torch

from fame_cli.distraction.partners import cyclic_partners
from fame_cli.errors import ConfigurationError


@pytest.mark.parametrize("count", [2, 3, 5, 64])
def test_no_clip_is_its_own_partner_and_each_gives_its_background_once(count):
    generator = np.random.default_rng(0)
    for _ in range(200):
        partners = cyclic_partners(count, generator)
        assert (partners != torch.arange(count)).all()
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
    assert first.dtype == torch.int64
    assert first.tolist() == second.tolist()


def test_a_single_clip_has_no_partner():
    with pytest.raises(ConfigurationError, match="a batch of 1 has no other clip"):
        cyclic_partners(1, np.random.default_rng(0))
