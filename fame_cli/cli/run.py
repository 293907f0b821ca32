"""``fame run``: from a folder of videos to a page of results, in one command."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fame_cli.advice import source_of
from fame_cli.cli import console
from fame_cli.cli.baseline import DISTRACTIONS, OBJECTIVES
from fame_cli.cli.completion import complete_names, list_paths
from fame_cli.cli.extract import HOLD_OUT, AnnotationsOption, Data, OfficialSplit, Source
from fame_cli.cli.options import hands_on, output_folder, own_number
from fame_cli.cli.plan import Plan
from fame_cli.cli.planned_run import options_as_words
from fame_cli.cli.pretrain import Device, Workers
from fame_cli.cli.recipes import RecipeOption
from fame_cli.cli.steps import forecast, take
from fame_cli.cli.workers import Jobs
from fame_cli.config import PretrainConfig
from fame_cli.errors import DONE, SOME_INPUTS_FAILED, ConfigurationError

if TYPE_CHECKING:
    from fame_cli.data.sources.check import Indexed

HELD_OUT = 0.2
"""Share of labelled videos without splits to test on."""


def complete_compared(incomplete: str) -> list[str]:
    from fame_cli.recipe import shipped_recipes

    known = [*OBJECTIVES, *DISTRACTIONS, *shipped_recipes()]
    return complete_names(known)(incomplete) + list_paths(incomplete)


@hands_on(
    PretrainConfig,
    ("backbone", "epochs", "steps", "batch_size", "seed", "precision"),
    group="Pretraining",
    default="the recipe's",
)
def run(
    chosen: Mapping[str, Any],
    data: Data,
    output: Annotated[Path, output_folder("Folder for work/, runs/ and the page.", "OUT")],
    recipe: RecipeOption = None,
    compare: Annotated[
        str | None,
        typer.Option(
            "--compare",
            help="Pretrain another network beside it, on the same clips, for as many steps, by the same "
            "seed: moco for the plain baseline, another objective or distraction, or a recipe.",
            metavar="METHOD|RECIPE",
            autocompletion=complete_compared,
        ),
    ] = None,
    finetune: Annotated[
        bool, typer.Option("--finetune", help="Also finetune, which takes about as long as pretraining.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print the commands, and what is known of disk and time, then exit."),
    ] = False,
    source: Source = "folder",
    annotations: AnnotationsOption = None,
    split: OfficialSplit = None,
    hold_out: Annotated[
        float | None,
        own_number(
            "hold_out",
            float,
            HOLD_OUT,
            metavar="SHARE",
            show_default=f"{HELD_OUT} where labelled videos have none",
        ),
    ] = None,
    device: Device = "auto",
    workers: Workers = None,
    jobs: Jobs = None,
) -> int:
    """Go the whole way: extract, masks, pretrain, every evaluation that the data allows, and a page.

    Each step is a command of its own, printed before it is carried out, to be repeated, changed or looked up.
    All are cached: the same fame run continues after an interruption and repeats nothing. Options that it
    does not have are given in a recipe FILE (fame recipes show NAME prints one to begin with).
    """
    refuse_wrong_folders(data, output)
    given = {"source": source, "annotations": annotations, "split": split}
    found, held_out = index_data(data, output / "work", given, hold_out)
    plan = Plan(
        data,
        output,
        found,
        recipe,
        as_words({**given, "hold_out": held_out}, source="folder"),
        chosen,
        compare,
        finetune,
        is_cpu(device),
        learn_on=as_words({"device": device, "workers": workers}, device="auto"),
        extract_on=as_words({"jobs": jobs}),
    )
    _ = plan.runs  # refuses what does not go together before anything is done
    if plan.without_evaluation:
        console.warn(plan.without_evaluation)
    if dry_run:
        return forecast(plan.steps)
    code = take(plan.steps)
    if code in (DONE, SOME_INPUTS_FAILED):
        console.say(f"\nAll is done. Open {plan.last_page}")
    return code


def refuse_wrong_folders(data: Path, output: Path) -> None:
    """Raise ConfigurationError unless DATA may be a folder of videos, and OUT one for all the rest."""
    from fame_cli.data.manifest import is_work, place_note
    from fame_cli.learning.run import is_run

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigurationError(
            "fame run is one process; torchrun began several.",
            "Begin it without torchrun. For several GPUs, give torchrun the fame pretrain that it prints, "
            "and run it again: it continues from there.",
        )
    for folder, name in ((data, "DATA"), (output, "-o")):
        for is_one, kind in ((is_work, "WORK"), (is_run, "RUN")):
            if is_one(folder):
                raise ConfigurationError(
                    f"{name} {folder} is a {kind} folder, which other commands made.",
                    "Give the folder of the videos, and -o for a folder that receives work/ and runs/.",
                )
    place_note(data, output)


def is_cpu(device: str) -> bool:
    """Whether a network will be trained on a CPU, as far as that is known here."""
    if device != "auto":
        return device == "cpu"
    from fame_cli.learning.device import choose_device

    return choose_device(device).type == "cpu"


def index_data(
    data: Path, work: Path, given: Mapping[str, Any], share: float | None
) -> tuple["Indexed", float | None]:
    """The videos of DATA with splits, and the share of them that is held out for that.

    Where labelled videos have no splits, some are held out to test on: a fifth, or what WORK was made with.
    """
    from fame_cli.data.sources.index import index_videos

    found = index_videos(data.absolute(), **given)
    splits = {video.split for video in found.videos if video.split}
    labels = {video.label for video in found.videos if video.label}
    if share is None and not splits and len(labels) > 1:
        share = source_of(work).get("hold_out") or HELD_OUT
    if share is not None:
        found = index_videos(data.absolute(), **given, share=share)
    return found, share


def as_words(options: Mapping[str, Any], **defaults: Any) -> list[object]:
    """Options as on the command line, but for those that are not given or have their default."""
    said = {name: value for name, value in options.items() if value not in (None, defaults.get(name))}
    return options_as_words(said)
