"""Two results on the same test videos: how far apart they are, and whether that could be chance."""

from dataclasses import dataclass

import numpy as np

from fame_cli.evaluation.interval import Interval, difference_interval, mcnemar
from fame_cli.evaluation.results import Result


@dataclass(frozen=True)
class PairedDifference:
    """By how much the second of two results is better than the first, video by video."""

    figure: str
    """Which one: top-1, or R@1."""
    points: float
    """Second less first, in percentage points."""
    interval: Interval
    """At 95 %, over test videos or groups of them, in percentage points."""
    only_first: int
    """Videos that the first result alone has right."""
    only_second: int
    p: float
    """Of McNemar's test."""
    videos: int
    groups: int

    def describe(self, first: str, second: str) -> str:
        low, high = self.interval
        grouped = self.groups < self.videos
        over = f"{self.groups} groups of {self.videos}" if grouped else f"{self.videos}"
        caution = ", which takes the videos of a group for independent and so is too small" if grouped else ""
        return (
            f"{second} less {first}: {self.points:+.1f} points of {self.figure}, 95 % interval {low:+.1f} to "
            f"{high:+.1f} (paired, over {over} test videos). Right in {second} alone {self.only_second}, in "
            f"{first} alone {self.only_first}: p = {self.p:.2g} (McNemar's exact test{caution})."
        )


def paired_difference(first: Result, second: Result) -> PairedDifference | None:
    """Compare two results video by video; None where they did not test the same videos."""
    tested = {video.id: video for video in first.tested}
    other = {video.id: video.right for video in second.tested}
    if not tested or tested.keys() != other.keys():
        return None
    rights = np.array([[video.right, other[name]] for name, video in tested.items()], np.int64)
    differences = rights[:, 1] - rights[:, 0]
    sources = [video.source for video in tested.values()]
    low, high = difference_interval(differences, sources)
    only_first, only_second = int((differences < 0).sum()), int((differences > 0).sum())
    return PairedDifference(
        figure=next(iter(first.figures)),
        points=100 * float(differences.mean()),
        interval=(100 * low, 100 * high),
        only_first=only_first,
        only_second=only_second,
        p=mcnemar(only_first, only_second),
        videos=len(sources),
        groups=len(set(sources)),
    )
