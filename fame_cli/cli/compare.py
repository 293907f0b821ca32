"""``fame compare``: results of several runs as one table."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fame_cli.cli import console
from fame_cli.cli.completion import complete_run
from fame_cli.cli.options import AsJson, choice
from fame_cli.errors import ConfigurationError

if TYPE_CHECKING:
    from fame_cli.evaluation.compare import Comparison

Protocol = Literal["linear", "finetune", "retrieval", "knn", "bias"]
Format = Literal["table", "markdown", "latex", "csv"]


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            help="RUN folders or result files. NAME=RUN names a row; runs of one name are its repetitions.",
            metavar="[NAME=]RUN…",
            autocompletion=complete_run,
        ),
    ],
    protocol: Annotated[
        Protocol | None,
        choice("protocol", Protocol, help="Protocol to compare by.", show_default="the only one there is"),
    ] = None,
    style: Annotated[Format, choice("format", Format, help="How to print the table.")] = "table",
    mixed: Annotated[
        bool,
        typer.Option("--mixed", help="Put results of different tests into one table, a row for each test."),
    ] = False,
    mean_over_splits: Annotated[
        bool,
        typer.Option("--mean-over-splits", help="Mean over the official splits, the same in every row."),
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Compare the results of several runs, with mean and standard deviation over repetitions.

    Figures of a single run come with a 95 % interval. For two single runs on the same test videos, the
    interval of their difference, paired by video, and McNemar's test are shown. Intervals are over groups of
    videos (clips of one film), if there are any.

    Runs that share a NAME and differ in their seed are repetitions, and so are official splits with
    --mean-over-splits. Results of different tests (other videos, classes, splits or protocol options) are
    refused unless --mixed is given.
    """
    from fame_cli.evaluation.compare import compare, find_results
    from fame_cli.evaluation.tables import as_csv, as_latex, as_markdown, as_plain

    named: dict[str, list[Path]] = {}
    for name, path in name_rows(runs):
        named.setdefault(name, []).append(path)
    groups = [
        (name, [result for path in paths for result in find_results(path, protocol)])
        for name, paths in named.items()
    ]
    comparison = compare(groups, mixed=mixed, over_splits=mean_over_splits)
    if as_json:
        console.say_json(as_plain(comparison))
        return 0
    match style:
        case "table":
            show(comparison, "splits" if mean_over_splits else "results")
        case "markdown":
            console.output(as_markdown(comparison).rstrip())
            if comparison.difference:
                console.output(f"\n{comparison.difference}")
        case "latex":
            console.output(as_latex(comparison).rstrip())
        case "csv":
            console.output(as_csv(comparison).rstrip())
    return 0


def name_rows(runs: Sequence[str]) -> list[tuple[str, Path]]:
    """Name and path of each [NAME=]RUN; raises ConfigurationError where one is named twice.

    Folders of one name are rows of their own, named by their paths; repetitions share a NAME= that somebody
    gave them.
    """
    given = [split_name(run) for run in runs]
    places = Counter(path.resolve() for _, path in given)
    if again := [str(path) for path, count in places.items() if count > 1]:
        raise ConfigurationError(f"{again[0]} is named twice.", "A result is no repetition of itself.")
    unnamed = Counter(path.name for (_, path), run in zip(given, runs, strict=True) if path == Path(run))
    return [
        (str(path) if path == Path(run) and unnamed[name] > 1 else name, path)
        for (name, path), run in zip(given, runs, strict=True)
    ]


def split_name(run: str) -> tuple[str, Path]:
    """NAME=RUN, or RUN, which is then named by its folder; a path that exists as it stands is no NAME=RUN."""
    name, equals, path = run.partition("=")
    if not equals or Path(run).exists():
        return Path(run).name or run, Path(run)
    if not (name and path):
        raise ConfigurationError(f"{run}: expected NAME=RUN.")
    return name, Path(path)


def show(comparison: "Comparison", repeated: str) -> None:
    title = f"{comparison.protocol}, % of {comparison.test}"
    console.table(title, comparison.columns, comparison.cells())
    if any(len(group.results) > 1 for group in comparison.groups):
        console.say(f"mean ± standard deviation over the {repeated} of a row")
    if any(len(group.results) == 1 for group in comparison.groups):
        console.say(
            "in brackets: 95 % interval over the test videos, or over groups of them, if there are any"
        )
    if comparison.difference:
        console.say(comparison.difference)
    if unknown := [group.name for group in comparison.groups if group.seen_test_videos is None]:
        console.say(f"not known whether the pretraining saw test videos: {', '.join(unknown)}")
