"""``fame report``: everything of a run on one page."""

from pathlib import Path
from typing import Annotated

import typer

from fame_cli.cli import console


def report(
    run: Annotated[Path, typer.Argument(help="Folder of a pretraining, or of results alone.", metavar="RUN")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The page to write.", show_default="RUN/report.html"),
    ] = None,
) -> int:
    """Collect everything of a run on one page: configuration, curves, every evaluation, pictures.

    The page carries its pictures and styles with it and fetches nothing. What fame visualize cam and
    retrieval drew into RUN/pictures is shown as well.
    """
    from fame_cli.visualization.run_report import report_run

    path = output or run / "report.html"
    report_run(run, path)
    console.say(f"Open {path}")
    return 0
