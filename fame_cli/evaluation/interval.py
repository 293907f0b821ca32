"""How sure a share of right answers is: 95 % intervals over test videos, which may come in groups.

Videos of one group are cut from one film, or show one person, and so are right or wrong together. Counting
each as a trial of its own makes an interval too narrow. UCF101's 3,783 test videos are 707 groups: one of
"95 %" over videos covers 73 to 90 % (``benchmarks/interval_coverage.py``).
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from statistics import NormalDist
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Interval = tuple[float, float]

NORMAL_QUANTILE = 1.959963984540054
"""97.5 % of a standard normal distribution lies below."""

REPLICATES = 4000
"""Samples of a bootstrap: the ends of an interval move by a fortieth of its width if they are drawn anew."""
DRAWN_TOGETHER = 1_000_000
"""Groups drawn at once, so that memory stays flat."""


def wilson_interval(share: float, count: int) -> Interval:
    """Interval of a share seen in ``count`` independent trials, at 95 % confidence (Wilson 1927, Eq. 4).

    Unlike the share plus and minus its standard error, it stays within [0, 1] and is right for few trials
    and for shares near 0 and 1. Returns (low, high), in [0, 1].
    """
    z2 = NORMAL_QUANTILE**2
    centre = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = NORMAL_QUANTILE * math.sqrt(share * (1 - share) / count + z2 / (4 * count**2)) / (1 + z2 / count)
    return max(0.0, centre - half), min(1.0, centre + half)


def share_interval(values: Array, groups: Sequence[str] | None = None) -> Interval:
    """95 % interval of the mean of ``values`` (N,) in [0, 1], one for each video.

    Where videos share a group it is a bootstrap over groups. Where none do, or where all groups agree and
    nothing varies, it is Wilson's, with a trial for each group.

    Args:
        values: how often each video was right, 0 or 1, or a share of its clips.
        groups: (N,) the group of each video; None: each is a group of its own.
    """
    sums, counts = totals(values, groups)
    if len(sums) == len(values) or np.ptp(sums / counts) == 0:
        return wilson_interval(float(np.mean(values)), len(sums))
    return bootstrap_interval(sums, counts)


def difference_interval(differences: Array, groups: Sequence[str] | None = None) -> Interval:
    """95 % interval of the mean of ``differences`` (N,) in [-1, 1] between two runs, one for each video.

    Paired: what makes a video hard for both runs alike does not widen it. A bootstrap over groups; where the
    runs never differ, how often they might is Wilson's bound for none in as many trials as there are groups.
    """
    sums, counts = totals(differences, groups)
    if not np.any(differences):
        rarest = wilson_interval(0, len(sums))[1]
        return -rarest, rarest
    return bootstrap_interval(sums, counts) if len(sums) > 1 else (-1.0, 1.0)


def totals(values: Array, groups: Sequence[str] | None) -> tuple[Array, Array]:
    """Sum (G,) of the values of each group, and how many there are (G,)."""
    if groups is None:
        return np.asarray(values, np.float64), np.ones(len(values))
    number = {name: place for place, name in enumerate(dict.fromkeys(groups))}
    places = np.array([number[name] for name in groups])
    return np.bincount(places, values), np.bincount(places)


def bootstrap_interval(sums: Array, counts: Array) -> Interval:
    """95 % interval of Σ sums / Σ counts, from draws of groups with replacement (Efron and Tibshirani 1993).

    Percentiles of the draws, a little further out than 2.5 and 97.5 %: with few groups these are too narrow,
    by what a t-interval corrects (Hesterberg 2015, "expanded percentile"). Drawn from a fixed seed, so the
    same figures always have the same interval. ``sums`` and ``counts`` (G,), G at least 2.
    """
    G = len(sums)
    generator = np.random.default_rng(0)
    means = []
    together = max(1, DRAWN_TOGETHER // G)
    for first in range(0, REPLICATES, together):
        drawn = generator.integers(0, G, (min(together, REPLICATES - first), G))
        means.append(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))
    outside = NormalDist().cdf(-math.sqrt(G / (G - 1)) * t_quantile(G - 1))
    low, high = np.quantile(np.concatenate(means), [outside, 1 - outside])
    return float(low), float(high)


def t_quantile(freedom: int) -> float:
    """97.5 % of Student's t with so many degrees of freedom lies below; to 1 % from five on (Fisher 1926)."""
    z = NORMAL_QUANTILE
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    return z + first / freedom + second / freedom**2


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided p of McNemar's test (1947): are two runs right on equally many videos?

    The videos that one run alone has right would fall to either as a coin does. It takes videos for
    independent: where they come in groups, p is too small.
    """
    trials, fewer = only_first + only_second, min(only_first, only_second)
    return min(1.0, float(2 * sum(math.comb(trials, k) for k in range(fewer + 1)) / Fraction(2) ** trials))
