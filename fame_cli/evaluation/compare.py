"""Several results side by side, as a table with mean and spread over what was repeated."""

import csv
import io
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fame_cli.errors import ArtefactError, ConfigurationError
from fame_cli.evaluation.results import Result, read_result


@dataclass(frozen=True)
class Group:
    """Results of one row: the same thing, repeated with other seeds or on other splits."""

    name: str
    results: tuple[Result, ...]

    def percents(self, figure: str) -> list[float]:
        return [result.figures[figure].percent for result in self.results]

    def mean(self, figure: str) -> float:
        return statistics.fmean(self.percents(figure))

    def spread(self, figure: str) -> float | None:
        """Standard deviation over the repetitions (n − 1), where there are at least two."""
        percents = self.percents(figure)
        return statistics.stdev(percents) if len(percents) > 1 else None


@dataclass(frozen=True)
class Comparison:
    """Rows of figures that may be compared: of one protocol, on one test."""

    protocol: str
    test: str
    figures: tuple[str, ...]
    groups: tuple[Group, ...]

    def cells(self, plus_minus: str = " ± ") -> list[list[str]]:
        """The table as text: name, results, and mean with spread of each figure, in percent."""
        return [
            [group.name, str(len(group.results))]
            + [percent(group.mean(figure), group.spread(figure), plus_minus) for figure in self.figures]
            for group in self.groups
        ]

    @property
    def columns(self) -> list[str]:
        return ["run", "results", *self.figures]


def percent(mean: float, spread: float | None, plus_minus: str) -> str:
    return f"{mean:.1f}" if spread is None else f"{mean:.1f}{plus_minus}{spread:.1f}"


def find_results(path: Path, protocol: str | None) -> list[Result]:
    """The results of a RUN folder, or the one that a file holds; only those of a protocol if one is given."""
    files = sorted((path / "results").glob("*.json")) if path.is_dir() else [path]
    results = [read_result(file) for file in files]
    chosen = [result for result in results if protocol in (None, result.protocol)]
    if not chosen:
        raise ArtefactError(
            f"{path} holds no result{f' of {protocol}' if protocol else ''}.", "Run fame eval first."
        )
    return chosen


def compare(groups: Sequence[tuple[str, Sequence[Result]]], *, mixed: bool = False) -> Comparison:
    """Put results side by side; raises ConfigurationError where they are not of the same test.

    The protocol, its options but for the seed, the classes, the splits and the test videos must be the same
    in all results, unless they are to be mixed; the protocol always.
    """
    results = [result for _, members in groups for result in members]
    protocols = sorted({result.protocol for result in results})
    if len(protocols) > 1:
        raise ConfigurationError(
            f"the results are of several protocols: {', '.join(protocols)}.",
            f"Name the one to compare: --protocol {protocols[0]}",
        )
    if not mixed and (difference := first_difference(results)):
        raise ConfigurationError(
            f"the results are not of the same test: {difference}.",
            "Compare results of one test, or say that you want them mixed: --mixed",
        )
    shared = [name for name in results[0].figures if all(name in result.figures for result in results)]
    tests = sorted({describe_test(result) for result in results})
    return Comparison(
        protocol=protocols[0],
        test=" and ".join(tests),
        figures=tuple(shared),
        groups=tuple(Group(name, tuple(members)) for name, members in groups),
    )


def describe_test(result: Result) -> str:
    source, test = result.splits.get("source", {}), result.splits["test"]
    official = f" (split {source['split']})" if source.get("split") else ""
    name = source.get("source", "folder")
    return f"{test['videos']} videos of {name}{official}, split {test['name']!r}"


def first_difference(results: Sequence[Result]) -> str:
    """The first thing in which two results differ that must be the same, in words; "" where nothing does."""
    first = results[0]
    for other in results[1:]:
        for what, before, now in what_must_agree(first, other):
            if before != now:
                return f"{what} is {before!r} in one and {now!r} in another"
    return ""


def what_must_agree(first: Result, other: Result) -> list[tuple[str, object, object]]:
    pairs: list[tuple[str, object, object]] = [
        ("the test", describe_test(first), describe_test(other)),
        ("the number of training videos", first.splits["train"]["videos"], other.splits["train"]["videos"]),
        ("the list of classes", first.classes, other.classes),
    ]
    options = sorted({*first.configuration, *other.configuration} - {"seed"})
    return pairs + [
        (f"--{name.replace('_', '-')}", first.configuration.get(name), other.configuration.get(name))
        for name in options
    ]


def as_markdown(comparison: Comparison) -> str:
    rows = [comparison.columns, ["---", *["---:"] * (len(comparison.columns) - 1)], *comparison.cells()]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |\n" for row in rows)


def as_latex(comparison: Comparison) -> str:
    """A tabular with booktabs' rules."""
    columns = comparison.columns
    lines = [f"\\begin{{tabular}}{{l{'r' * (len(columns) - 1)}}}", "\\toprule"]
    lines += [" & ".join(map(escape_latex, columns)) + " \\\\", "\\midrule"]
    for name, *figures in comparison.cells(" $\\pm$ "):
        lines.append(" & ".join([escape_latex(name), *figures]) + " \\\\")
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", ""])


def escape_latex(text: str) -> str:
    special = {character: f"\\{character}" for character in "&%$#_{}"}
    special |= {"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}"}
    return "".join(special.get(character, character) for character in text)


def as_csv(comparison: Comparison) -> str:
    """Figures for other programs: mean, and standard deviation where there is one, each in a column."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    both = [part for figure in comparison.figures for part in (figure, f"{figure} std")]
    writer.writerow(["run", "results", *both])
    for group in comparison.groups:
        cells: list[object] = [group.name, len(group.results)]
        for figure in comparison.figures:
            spread = group.spread(figure)
            cells += [round(group.mean(figure), 4), "" if spread is None else round(spread, 4)]
        writer.writerow(cells)
    return text.getvalue()
