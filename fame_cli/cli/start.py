"""How ``fame pretrain`` starts: anew, in the place of another run, from weights, or where a run stopped."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fame_cli.advice import command
from fame_cli.cli import console
from fame_cli.cli.completion import complete_run, complete_work
from fame_cli.cli.options import lay_defaults, output_folder
from fame_cli.config import PretrainConfig
from fame_cli.errors import ArtefactError, ConfigurationError


def use_run(context: typer.Context, run: Path | None) -> Path | None:
    """Give the command what a run was begun with as defaults; what is given as well is compared with it."""
    if run is None or context.resilient_parsing:
        return run
    if str(run).startswith("-"):
        raise ConfigurationError(
            f"--resume {run}: expected the folder of a run.", "Name it: fame pretrain --resume RUN"
        )
    from fame_cli.learning.run import CONFIG_FILE, RunFolder

    if (run / CONFIG_FILE).exists():
        lay_defaults(context, options_of_run(RunFolder(run).read()), lowest=True)
    return run


def options_of_run(asked: dict[str, Any]) -> dict[str, Any]:
    """What a run's ``config.toml`` says, by the names of the command's options."""
    data = asked["data"]
    stores = {"frames": data.get("frames"), "statistics_store": data.get("statistics")}
    named = {name: value for name, value in stores.items() if value is not None}
    return {**asked["pretrain"], **asked.get("machine", {}), **named}


WorkToLearnFrom = Annotated[
    Path | None,
    typer.Argument(
        help="Folder that fame extract made.",
        metavar="WORK",
        show_default="that of the run, with --resume",
        autocompletion=complete_work,
    ),
]
NewRun = Annotated[Path | None, output_folder("Folder of a new run.", "RUN", show_default="that of --resume")]
Resume = Annotated[
    Path | None,
    typer.Option(
        "--resume",
        help="Resume a stopped run with all its options; or continue a finished one with "
        "more --epochs or --steps. With WORK, start it if there is none yet.",
        metavar="RUN",
        is_eager=True,
        callback=use_run,
        autocompletion=complete_run,
        show_default=False,
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Delete the run that -o names, with its results, and start over.")
]
InitFrom = Annotated[
    Path | None,
    typer.Option(
        "--init-from",
        help="Start from these weights: a finished RUN, or a file of this toolkit, torchvision, MoCo, FAME "
        "or BE (docs/library.md).",
        metavar="FILE|RUN",
        show_default="random weights",
        autocompletion=complete_run,
    ),
]


def choose_start(
    config: PretrainConfig,
    work: Path | None,
    output: Path | None,
    resume: Path | None,
    overwrite: bool,
    init_from: Path | None,
) -> tuple[Path, Path]:
    """WORK and RUN of a training; raises ConfigurationError where what is given does not go together."""
    require_one_start(resume, overwrite, init_from)
    if resume is None:
        if work is None or output is None:
            missing = "WORK, the folder that fame extract made" if work is None else "-o, where the run goes"
            raise ConfigurationError(
                f"{missing}, is missing.",
                "Begin a run: fame pretrain WORK -o RUN. Go on with one: fame pretrain --resume RUN",
            )
        return work, output
    if output is not None:
        raise ConfigurationError(
            f"-o {output} does not go with --resume {resume}, which names the run already.",
            "Leave out -o to resume that run, or --resume to start another.",
        )
    return work_of(resume, work, config), resume


def require_one_start(resume: Path | None, overwrite: bool, init_from: Path | None) -> None:
    starts = {
        "--resume continues a run": resume is not None,
        "--overwrite deletes one and starts over": overwrite,
        "--init-from starts a new one from weights": init_from is not None,
    }
    given = [what for what, wanted in starts.items() if wanted]
    if len(given) > 1:
        raise ConfigurationError(f"{', '.join(given)}: these exclude each other.", "Give one of them.")


def work_of(run: Path, given: Path | None, config: PretrainConfig) -> Path:
    """The WORK that a run learns from: where it was, or where it is now.

    Raises ConfigurationError where the run has other options, before any data is looked at.
    """
    from fame_cli.data.manifest import is_work
    from fame_cli.learning.run import CONFIG_FILE, RunFolder, is_run
    from fame_cli.names import to_disk

    if not (run / CONFIG_FILE).exists() and not is_run(run):
        if given is None:
            raise ArtefactError(
                f"{run} is not the folder of a run: it has no {CONFIG_FILE}.",
                f"Check the name, or start a run there: fame pretrain WORK -o {run}",
            )
        console.say(f"There is no run in {run} yet: starting one.")
        return given
    folder = RunFolder(run)
    asked = folder.read()
    folder.compare_options(asked["pretrain"], config.to_dict(), resume=True)
    recorded = asked["data"].get("work")
    if given is not None:
        return given
    if recorded is None or not is_work(Path(to_disk(recorded))):
        where = "does not say which WORK it learns from" if recorded is None else f"learns from {recorded}"
        gone = "" if recorded is None else ", which is not a WORK folder any more"
        raise ArtefactError(
            f"{run} {where}{gone}.",
            f"Say where it is now: {command('pretrain', 'WORK', '--resume', run)}",
        )
    return Path(to_disk(recorded))
