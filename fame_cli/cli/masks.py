"""``fame masks``: seed and colour statistics of every clip."""

from pathlib import Path
from typing import Annotated

import typer

from fame_cli.cli import console
from fame_cli.cli.completion import complete_work
from fame_cli.cli.dry_run import tell_forecast
from fame_cli.cli.extract import say_stage
from fame_cli.cli.options import DryRun, choice, takes
from fame_cli.cli.recipes import RecipeOption
from fame_cli.cli.workers import Address, BackendOption, Jobs, SliceOption, choose_workers, place
from fame_cli.config import Motion, StatisticsConfig
from fame_cli.errors import DONE

StatisticsStoreName = Annotated[
    str | None,
    typer.Option(
        "--statistics-store",
        help="Statistics to read, a folder in WORK/statistics, or the start of its name.",
        show_default="the only one of such clips",
        metavar="NAME",
        rich_help_panel="Data",
    ),
]
StatisticsMotion = Annotated[
    Motion | None,
    choice(
        "motion",
        Motion,
        help="Statistics to read, by how they were computed, if there are several.",
        rich_help_panel="Data",
        show_default="whichever there are",
    ),
]
Work = Annotated[
    Path,
    typer.Argument(help="Folder that fame extract made.", metavar="WORK", autocompletion=complete_work),
]
Frames = Annotated[
    str | None,
    typer.Option(
        "--frames",
        help="Frame store to read, a folder in WORK/frames, or the start of its name.",
        show_default="the only one",
        metavar="NAME",
        rich_help_panel="Data",
    ),
]


@takes(StatisticsConfig)
def masks(
    work: Work,
    config: StatisticsConfig,
    recipe: RecipeOption = None,  # noqa: ARG001
    frames: Frames = None,
    dry_run: DryRun = False,
    jobs: Jobs = None,
    backend: BackendOption = "processes",
    address: Address = "",
    part: SliceOption = "",
) -> int:
    """Compute the seed, the colour bins and the colour counts of every clip, once.

    The share of foreground (beta), the mask variant, the new background and the branch are chosen in
    pretraining: one pass over the videos serves all of them.
    """
    workers = choose_workers(jobs, backend, address, part)
    work = place(work, workers)
    from fame_cli.data.frames import open_frame_store
    from fame_cli.data.manifest import read_manifest
    from fame_cli.data.statistics import computation, compute
    from fame_cli.forecast import forecast_stage
    from fame_cli.stage import SliceDoneError

    store = open_frame_store(work, read_manifest(work), frames)
    console.detail(f"frames: {store.folder}")
    if dry_run:
        forecast = forecast_stage("statistics", *computation(work, store, config))
        return tell_forecast(forecast, "it is from the third shard on: start, and ask again.")
    try:
        with console.progress("statistics", "videos") as tell:
            report = compute(work, store, config, workers, tell)
    except SliceDoneError as slice_done:
        console.say(str(slice_done))
        return DONE
    clips = sum(summary["clips"] for summary in report.summaries)
    say_stage(report, f"statistics of {clips} clips")
    return DONE
