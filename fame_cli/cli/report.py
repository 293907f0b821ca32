"""``fame report``: everything of a run on one page."""

from pathlib import Path
from typing import Annotated

import typer

from fame_cli.cli import console
from fame_cli.cli.completion import complete_run
from fame_cli.cli.options import require_folder
from fame_cli.errors import ConfigurationError

PAGE = "report.html"


def report(
    run: Annotated[
        Path,
        typer.Argument(
            help="Folder of a pretraining, or of results alone.", metavar="RUN", autocompletion=complete_run
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Folder for the page, report.html.", metavar="OUT", show_default="RUN"
        ),
    ] = None,
) -> int:
    """Collect a whole run on one page: configuration, curves, every evaluation, pictures.

    The page is self-contained: it embeds its pictures and styles and fetches nothing. Pictures that fame
    visualize cam and retrieval wrote to RUN/pictures are included.
    """
    from fame_cli.visualization.run_report import report_run

    path = page_in(output or run)
    report_run(run, path)
    console.say(f"Open {path}")
    return 0


def page_in(folder: Path) -> Path:
    """Where the page goes: -o names a folder, as it does everywhere."""
    if folder.suffix == ".html":
        raise ConfigurationError(
            f"-o {folder} looks like a page; it names the folder, which receives {PAGE}.",
            f"Give the folder: -o {folder.parent}",
        )
    require_folder(folder)
    return folder / PAGE
