"""Learning rates at chosen steps."""

import math

import pytest

from fame_cli.learning.schedule import cosine, multistep, rising_cosine


@pytest.mark.parametrize(
    ("step", "share"),
    [(0, 1.0), (25, (1 + math.sqrt(0.5)) / 2), (50, 0.5), (75, (1 - math.sqrt(0.5)) / 2), (100, 0.0)],
)
def test_cosine_goes_from_base_over_half_to_zero(step: int, share: float) -> None:
    assert cosine(step, total_steps=100, base=0.01) == pytest.approx(0.01 * share, abs=1e-12)


def test_cosine_stays_at_zero_after_the_last_step() -> None:
    assert cosine(150, total_steps=100, base=0.01) == 0.0


def test_multistep_multiplies_once_for_each_milestone_reached() -> None:
    rates = [multistep(epoch, 0.025, (60, 120), 0.1) for epoch in (0, 59, 60, 119, 120, 149)]
    assert rates == pytest.approx([0.025, 0.025, 0.0025, 0.0025, 0.00025, 0.00025])


def test_multistep_without_milestones_is_constant() -> None:
    assert multistep(1000, 0.5, (), 0.1) == 0.5


def test_rising_cosine_goes_from_base_to_one() -> None:
    momenta = [rising_cosine(step, total_steps=100, base=0.996) for step in (0, 50, 100, 120)]
    assert momenta == pytest.approx([0.996, 0.998, 1.0, 1.0], abs=1e-12)
