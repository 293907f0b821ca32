"""``fame report``: everything of a run on one page."""

from pathlib import Path
from typing import Annotated

import typer

from fame_cli.cli import console
from fame_cli.cli.options import require_folder


def report(
    run: Annotated[Path, typer.Argument(help="Folder of a pretraining, or of results alone.", metavar="RUN")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder for report.html, or the page itself, as NAME.html.",
            metavar="OUT",
            show_default="RUN",
        ),
    ] = None,
) -> int:
    """Collect everything of a run on one page: configuration, curves, every evaluation, pictures.

    The page carries its pictures and styles with it and fetches nothing. What fame visualize cam and
    retrieval drew into RUN/pictures is shown as well.
    """
    from fame_cli.visualization.run_report import report_run

    path = output or run
    if path.suffix != ".html" or path.is_dir():
        require_folder(path)
        path = path / "report.html"
    report_run(run, path)
    console.say(f"Open {path}")
    return 0
