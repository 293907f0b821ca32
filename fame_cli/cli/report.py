"""``fame report``: everything of a run on one page, or several runs side by side."""

import os
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from fame_cli.cli import console
from fame_cli.cli.compare import name_rows
from fame_cli.cli.completion import complete_run
from fame_cli.cli.options import require_folder
from fame_cli.errors import ConfigurationError

PAGE, COMPARISON = "report.html", "comparison.html"


def report(
    runs: Annotated[
        list[str],
        typer.Argument(
            help="Folder of a pretraining, or of results alone. Several are compared; NAME=RUN names one.",
            metavar="[NAME=]RUN...",
            autocompletion=complete_run,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder for the page: report.html, or comparison.html of several runs.",
            metavar="OUT",
            show_default="RUN, or the folder that holds all runs",
        ),
    ] = None,
) -> int:
    """Collect a whole run on one page: configuration, curves, every evaluation, pictures.

    Several runs are compared on one page: results side by side with the paired differences to the first run,
    their curves and bias reports in one chart each, what they differ in, and their pictures.

    The page is self-contained: it embeds its pictures and styles and fetches nothing. Pictures that fame
    visualize cam and retrieval wrote to RUN/pictures are included.
    """
    from fame_cli.visualization.comparison_report import report_comparison
    from fame_cli.visualization.run_report import report_run

    named = name_rows(runs)
    if len(named) == 1:
        ((name, run),) = named
        path = page_in(output or run, PAGE)
        report_run(run, path, "" if Path(runs[0]) == run else name)
    else:
        refuse_repetitions(named)
        path = page_in(output or common_folder([run for _, run in named]), COMPARISON)
        report_comparison(dict(named), path)
    console.say(f"Open {path}")
    return 0


def refuse_repetitions(named: list[tuple[str, Path]]) -> None:
    """Raise ConfigurationError where two runs have one name."""
    name, count = Counter(name for name, _ in named).most_common(1)[0]
    if count > 1:
        raise ConfigurationError(
            f"{count} runs are named {name}.",
            "Give each a NAME of its own here; fame compare gives mean and spread over runs of one name.",
        )


def common_folder(runs: list[Path]) -> Path:
    """The folder in which all runs are, as a path that is short from here."""
    folder = Path(os.path.commonpath([run.resolve().parent for run in runs]))
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder


def page_in(folder: Path, name: str) -> Path:
    """Where the page goes: -o names a folder, as it does everywhere."""
    if folder.suffix == ".html":
        raise ConfigurationError(
            f"-o {folder} looks like a page; it names the folder, which receives {name}.",
            f"Give the folder: -o {folder.parent}",
        )
    require_folder(folder)
    return folder / name
