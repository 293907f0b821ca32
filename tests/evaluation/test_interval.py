"""Intervals cover what they say, with videos in groups too; McNemar's test by counting all outcomes."""

import itertools

import numpy as np
import pytest

from fame_cli.evaluation import interval
from fame_cli.evaluation.interval import (
    bootstrap_interval,
    difference_interval,
    mcnemar,
    share_interval,
    t_quantile,
    wilson_interval,
)


@pytest.mark.parametrize(("share", "count"), [(0.7, 400), (0.05, 300), (0.5, 60)])
def test_interval_of_videos_without_groups_agrees_with_a_bootstrap(share: float, count: int) -> None:
    hits = np.arange(count) < round(share * count)
    generator = np.random.default_rng(0)
    shares = generator.choice(hits, (20_000, count)).mean(axis=1)
    expected = np.quantile(shares, [0.025, 0.975])
    np.testing.assert_allclose(share_interval(hits), expected, atol=1.2 / count + 0.004)


def test_interval_of_a_perfect_score_ends_at_one_and_is_not_empty() -> None:
    assert wilson_interval(1.0, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert share_interval(np.zeros(10)) == pytest.approx((0.0, 1 - 0.7225), abs=1e-4)
    # Thirty videos of ten films are no more than ten trials when nothing varies.
    assert share_interval(np.ones(30), [str(n % 10) for n in range(30)]) == wilson_interval(1.0, 10)


def correlated_videos(
    groups: int, correlation: float, share: float, generator: np.random.Generator
) -> tuple[np.ndarray, list[str]]:
    """Right or wrong for four to seven videos of each group; two of one group correlate as given."""
    strength = (1 - correlation) / correlation
    of_group = generator.beta(share * strength, (1 - share) * strength, groups)
    places = np.repeat(np.arange(groups), generator.integers(4, 8, groups))
    return (generator.random(len(places)) < of_group[places]).astype(float), places.astype(str).tolist()


@pytest.mark.parametrize("correlation", [0.1, 0.5])
def test_interval_over_groups_covers_the_truth_where_one_over_videos_does_not(
    correlation: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interval, "REPLICATES", 500)
    generator, trials, grouped, alone = np.random.default_rng(1), 600, 0, 0
    for _ in range(trials):
        hits, groups = correlated_videos(100, correlation, 0.7, generator)
        low, high = share_interval(hits, groups)
        grouped += low <= 0.7 <= high
        low, high = share_interval(hits)
        alone += low <= 0.7 <= high
    assert 0.93 <= grouped / trials <= 0.97
    assert alone / trials < (0.91 if correlation == 0.1 else 0.75)


def test_groups_of_one_size_give_the_interval_of_their_means() -> None:
    means = np.random.default_rng(0).random(60)
    hits, groups = np.repeat(means, 5), [str(n // 5) for n in range(300)]
    expected = means.mean() + np.array([-1, 1]) * 1.96 * means.std() / np.sqrt(60)
    np.testing.assert_allclose(share_interval(hits, groups), expected, atol=0.006)
    assert share_interval(hits, groups) == share_interval(hits, groups)


def test_interval_with_few_groups_is_as_wide_as_a_t_interval() -> None:
    means = np.array([0.1, 0.3, 0.35, 0.5, 0.6, 0.8])
    low, high = bootstrap_interval(means, np.ones(6))
    expected = 2 * 2.571 * means.std(ddof=1) / np.sqrt(6)
    assert high - low == pytest.approx(expected, rel=0.1)  # 30 % narrower without the correction


@pytest.mark.parametrize(("freedom", "expected"), [(5, 2.571), (10, 2.228), (30, 2.042), (706, 1.963)])
def test_quantile_of_t_is_that_of_the_tables(freedom: int, expected: float) -> None:
    assert t_quantile(freedom) == pytest.approx(expected, rel=0.01)


def test_difference_is_paired_so_what_is_hard_for_both_does_not_widen_it() -> None:
    generator = np.random.default_rng(3)
    hard = generator.random(400) < 0.5
    first = hard.astype(float)
    second = np.where(generator.random(400) < 0.05, 1.0, first)
    low, high = difference_interval(second - first)
    assert 0 < low < (second - first).mean() < high
    assert high - low < 0.06 < share_interval(first)[1] - share_interval(first)[0]


def test_difference_over_groups_is_wider_and_one_without_any_is_not_certain() -> None:
    differences = np.repeat([1.0, 0.0, 0.0, -1.0, 0.0, 1.0], 10)
    films = [str(n // 10) for n in range(60)]
    alone, grouped = difference_interval(differences), difference_interval(differences, films)
    assert grouped[0] < alone[0]
    assert grouped[1] > alone[1]
    low, high = difference_interval(np.zeros(60), films)
    assert (low, high) == (-wilson_interval(0, 6)[1], wilson_interval(0, 6)[1])
    assert difference_interval(np.ones(4), ["one"] * 4) == (-1.0, 1.0)


@pytest.mark.parametrize(("only_first", "only_second"), [(0, 0), (1, 0), (3, 1), (2, 9), (5, 5)])
def test_mcnemar_equals_counting_all_outcomes(only_first: int, only_second: int) -> None:
    trials = only_first + only_second
    extreme = [
        sum(fall) <= min(only_first, only_second) or sum(fall) >= max(only_first, only_second)
        for fall in itertools.product((0, 1), repeat=trials)
    ]
    assert mcnemar(only_first, only_second) == pytest.approx(np.mean(extreme))


def test_mcnemar_of_thousands_is_a_number() -> None:
    assert mcnemar(2000, 2000) == 1.0
    assert 0 < mcnemar(1900, 2100) < 0.01
