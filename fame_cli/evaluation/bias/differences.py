"""What a test took away from a network, and how far two networks are apart: paired, video by video."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fame_cli.errors import ConfigurationError
from fame_cli.evaluation.bias.battery import AS_THEY_ARE, TESTS
from fame_cli.evaluation.comparable import require_comparable
from fame_cli.evaluation.interval import Interval, difference_interval
from fame_cli.evaluation.results import Figure, Result

ARROWS = {"higher": "↑", "lower": "↓", "neither": "·"}
"""Which way is better."""


@dataclass(frozen=True)
class Difference:
    """Between two shares of right answers on the same videos, in percentage points."""

    points: float
    interval: Interval
    """At 95 %, over videos or groups of them."""

    def __str__(self) -> str:
        return f"{self.points:+.1f} ({self.interval[0]:+.1f} to {self.interval[1]:+.1f})"


def difference_to_original(result: Result, test: str) -> Difference | None:
    """A test less the clips as they are, over the videos that the test shows; None of those themselves."""
    return None if test == AS_THEY_ARE else paired(result, AS_THEY_ARE, result, test)


def difference_between(first: Result, second: Result, test: str) -> Difference | None:
    """The second network less the first, in one test."""
    return paired(first, test, second, test)


def paired(first: Result, first_test: str, second: Result, second_test: str) -> Difference | None:
    """The second less the first; None where no video is in both."""
    pairs = zip(hits_of(first, first_test), hits_of(second, second_test), first.predictions, strict=True)
    found = [(after - before, video.source) for before, after, video in pairs if None not in (before, after)]
    if not found:
        return None
    values = np.array([value for value, _ in found], np.int64)
    low, high = difference_interval(values, [source for _, source in found])
    return Difference(100 * float(values.mean()), (100 * low, 100 * high))


def hits_of(result: Result, test: str) -> Sequence[Any]:
    return result.bias["hits"][test]  # type: ignore[no-any-return]


def require_same_clips(results: Sequence[Result]) -> None:
    """Raise ConfigurationError where reports are not of the same clips."""
    require_comparable(results, "Make both reports with the same options, masks and pairing.")
    ids = {tuple(video.id for video in result.predictions) for result in results}
    if len(ids) > 1:
        raise ConfigurationError("the reports are of other test videos.", "Make both on one WORK folder.")


def bias_rows(results: Sequence[Result]) -> list[list[str]]:
    """The table of a report, or of several side by side: cells of ``bias_columns``."""
    first, *others = results
    rows = []
    for test in TESTS:
        figure = first.figures.get(test.name)
        if figure is None:
            continue
        row = [f"{ARROWS[test.better]} {test.title}"]
        row += [with_interval(result.figures[test.name]) for result in results]
        if others:
            row += [str(difference_between(first, other, test.name) or "") for other in others]
        else:
            row.append(str(difference_to_original(first, test.name) or ""))
        rows.append([*row, f"{figure.chance:.1f}", str(figure.videos)])
    return rows


def with_interval(figure: Figure) -> str:
    low, high = figure.interval
    return f"{figure.percent:.1f} ({low:.0f}–{high:.0f})"


def bias_columns(names: Sequence[str]) -> list[str]:
    """Heads of the table of one network, or of several with these names."""
    first, *others = names
    if not others:
        middle = ["%", "less as they are"]
    elif len(others) == 1:
        middle = [*names, "difference"]
    else:
        middle = [*names, *(f"{other} less {first}" for other in others)]
    return ["test", *middle, "chance", "videos"]


def describe_masks(masks: dict[str, Any]) -> str:
    """Source, size and leakage of the masks of a report, in sentences."""
    told = f"Masks: {masks['title']}; they keep {100 * masks['kept']:.1f} % of the frame."
    if truth := masks.get("truth"):
        told += (
            f" By the true masks they keep {100 * truth['background_kept']:.1f} % of the background and "
            f"{100 * truth['foreground_kept']:.1f} % of the foreground; of what they keep "
            f"{100 * truth['background_share']:.1f} % is background."
        )
    elif leak := masks.get("leak"):
        foreground, background = leak["foreground"], leak["background"]
        told += (
            f" A classifier that learned from backgrounds alone is right on {foreground['percent']:.1f} % "
            "({:.1f} – {:.1f})".format(*foreground["interval"])
            + f" of the clips without background: guessing gives {foreground['chance']:.1f} %, and what is "
            "above that leaks through the masks. On the backgrounds themselves it is right on "
            f"{background['percent']:.1f} %."
        )
    else:
        told += " How much background they leak is not known: the training videos have no masks."
    return told
