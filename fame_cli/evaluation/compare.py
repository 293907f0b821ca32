"""Several results side by side, as a table with mean and spread over what was repeated, or an interval."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fame_cli.errors import ArtefactError, ConfigurationError
from fame_cli.evaluation.comparable import (
    SPLIT_OWN,
    decisive,
    describe_test,
    find_differences,
    in_a_name,
    official_split,
    require_comparable,
)
from fame_cli.evaluation.interval import Interval
from fame_cli.evaluation.pair import PairedDifference, paired_difference
from fame_cli.evaluation.results import Result, leak_mark, read_result


@dataclass(frozen=True)
class Group:
    """A row: the same thing, repeated with other seeds or on other splits."""

    name: str
    repetitions: tuple[tuple[Result, ...], ...]
    """Results by repetition; those of one repetition are averaged first, as those of one split are."""

    @property
    def results(self) -> tuple[Result, ...]:
        return tuple(result for repetition in self.repetitions for result in repetition)

    @property
    def seen_test_videos(self) -> int | None:
        """Most test videos that a pretraining of the row saw; None where it is not known of all."""
        return most([result.seen_test_videos for result in self.results])

    @property
    def title(self) -> str:
        related = most([result.related_test_videos for result in self.results])
        mark = leak_mark(self.seen_test_videos, related)
        return f"{self.name} (leak: {mark})" if mark else self.name

    def percents(self, figure: str) -> list[float]:
        return [
            statistics.fmean(result.figures[figure].percent for result in repetition)
            for repetition in self.repetitions
        ]

    def mean(self, figure: str) -> float:
        return statistics.fmean(self.percents(figure))

    def spread(self, figure: str) -> float | None:
        """Standard deviation over the repetitions (n − 1), where there are at least two."""
        percents = self.percents(figure)
        return statistics.stdev(percents) if len(percents) > 1 else None

    def interval(self, figure: str) -> Interval | None:
        """95 % interval of a figure over test videos, in percent, where the row is a single result."""
        return self.results[0].figures[figure].interval if len(self.results) == 1 else None


def most(counts: Sequence[int | None]) -> int | None:
    """The greatest count; None where all that is known of them is 0 and some are not known."""
    known = [count for count in counts if count is not None]
    return max(known) if len(known) == len(counts) or any(known) else None


@dataclass(frozen=True)
class Comparison:
    """Rows of figures that may be compared: of one protocol, on one test."""

    protocol: str
    test: str
    figures: tuple[str, ...]
    groups: tuple[Group, ...]

    def cells(self, plus_minus: str = " ± ", dash: str = " – ") -> list[list[str]]:
        """The table as text: name, results, and each figure in percent.

        A figure of several results is their mean with its spread, one of a single result has its interval.
        """
        return [
            [group.title, str(len(group.results))]
            + [cell(group, figure, plus_minus, dash) for figure in self.figures]
            for group in self.groups
        ]

    @property
    def differences(self) -> list[tuple[str, PairedDifference]]:
        """By how much each row is better than the first, with its name, where both are single results.

        Rows that were not tested on the same videos as the first are left out.
        """
        first, *others = self.groups
        pairs = [(first, other) for other in others if len(first.results) == len(other.results) == 1]
        found = [(other.name, paired_difference(one.results[0], other.results[0])) for one, other in pairs]
        return [(name, difference) for name, difference in found if difference]

    @property
    def difference(self) -> str:
        """How far apart two results on the same test videos are, in a sentence; "" of anything else."""
        if len(self.groups) != 2:
            return ""
        return "".join(found.describe(self.groups[0].name, name) for name, found in self.differences)

    @property
    def columns(self) -> list[str]:
        return ["run", "results", *self.figures]


def cell(group: Group, figure: str, plus_minus: str, dash: str) -> str:
    text = percent(group.mean(figure), group.spread(figure), plus_minus)
    interval = group.interval(figure)
    return text if interval is None else f"{text} ({interval[0]:.1f}{dash}{interval[1]:.1f})"


def percent(mean: float, spread: float | None, plus_minus: str) -> str:
    return f"{mean:.1f}" if spread is None else f"{mean:.1f}{plus_minus}{spread:.1f}"


def find_results(path: Path, protocol: str | None) -> list[Result]:
    """The results of a RUN folder, or the one that a file holds; only those of a protocol if one is given.

    Raises ArtefactError where there is none, ConfigurationError where one protocol has some of other weights:
    an untrained baseline, say, is no repetition of the run.
    """
    files = sorted((path / "results").glob("*.json")) if path.is_dir() else [path]
    results = [read_result(file) for file in files]
    chosen = [result for result in results if protocol in (None, result.protocol)]
    for name in {result.protocol for result in chosen}:
        weights = sorted({str(result.weights.get("path")) for result in chosen if result.protocol == name})
        if len(weights) > 1:
            raise ConfigurationError(
                f"{path} holds results of {name} for several weights: {', '.join(weights)}.",
                f"They are no repetitions of each other: name the result files, NAME={path}/results/….json",
            )
    if not chosen:
        raise ArtefactError(
            f"{path} holds no result{f' of {protocol}' if protocol else ''}.", "Evaluate first."
        )
    return chosen


def compare(
    named: Sequence[tuple[str, Sequence[Result]]], *, mixed: bool = False, over_splits: bool = False
) -> Comparison:
    """Put results side by side; raises ConfigurationError where they are not of the same test.

    The protocol, its options but for the seed, the classes, the splits and the test videos must be the same
    in all results. With ``mixed`` only the protocol must, and each row is parted by what differs in it. With
    ``over_splits`` a row is the mean over several official splits, the same ones in all rows.
    """
    results = [result for _, members in named for result in members]
    protocols = sorted({result.protocol for result in results})
    if len(protocols) > 1:
        raise ConfigurationError(
            f"the results are of several protocols: {', '.join(protocols)}.",
            f"Name the one to compare: --protocol {protocols[0]}",
        )
    if mixed and over_splits:
        raise ConfigurationError(
            "--mixed and --mean-over-splits exclude each other.", "A mean is over the splits of one test."
        )
    if over_splits:
        groups, test = rows_over_splits(named)
    elif mixed:
        groups = [row for name, members in named for row in split_by_setting(name, members)]
        test = " and ".join(sorted({describe_test(result) for result in results}))
    else:
        require_comparable(results, "Compare results of one test, or part the rows by what differs: --mixed")
        groups = [Group(name, tuple((result,) for result in members)) for name, members in named]
        test = describe_test(results[0])
    shared = [name for name in results[0].figures if all(name in result.figures for result in results)]
    return Comparison(protocols[0], test, tuple(shared), tuple(groups))


def rows_over_splits(named: Sequence[tuple[str, Sequence[Result]]]) -> tuple[list[Group], str]:
    """Rows whose repetitions are the official splits, and the test that all are of."""
    results = [result for _, members in named for result in members]
    if any(official_split(result) is None for result in results):
        raise ConfigurationError(
            "--mean-over-splits takes results of numbered official splits, and some are of none.",
            "Extract with --source ucf101 or hmdb51 and --split 1, 2 and 3, and evaluate each.",
        )
    found = {name: sorted({official_split(result) or 0 for result in members}) for name, members in named}
    splits = max(found.values(), key=len)
    if len(splits) < 2 or any(have != splits for have in found.values()):
        told = "; ".join(f"{name} of {', '.join(map(str, have))}" for name, have in found.items())
        raise ConfigurationError(
            f"--mean-over-splits takes the same splits, at least two, in every row: {told}.",
            "Evaluate on the splits that lack, or leave the row out.",
        )
    hint = "Compare results of one test: name the result files."
    require_comparable(results, hint, besides=SPLIT_OWN)
    for split in splits:
        require_comparable([result for result in results if official_split(result) == split], hint)
    groups = [
        Group(
            name,
            tuple(tuple(result for result in members if official_split(result) == split) for split in splits),
        )
        for name, members in named
    ]
    source, test = results[0].splits["source"]["source"], results[0].splits["test"]["name"]
    return groups, f"{source}, split {test!r} (mean over splits {', '.join(map(str, splits))})"


def split_by_setting(name: str, members: Sequence[Result]) -> list[Group]:
    """A row for each test among the results of one name, named by what it differs in."""
    different = find_differences(members)
    tests: dict[tuple[object, ...], list[Result]] = {}
    for result in members:
        tests.setdefault(tuple(decisive(result).get(what) for what in different), []).append(result)
    rows = []
    for results in tests.values():
        told = ", ".join(in_a_name(what, results[0]) for what in different)
        row = f"{name}: {told}" if told else name
        rows.append(Group(row, tuple((result,) for result in results)))
    return rows
