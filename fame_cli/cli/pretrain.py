"""``fame pretrain``: learn a backbone from videos by contrasting merged clips."""

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fame_cli.cli import console
from fame_cli.cli.dry_run import tell_forecast
from fame_cli.cli.masks import Frames, StatisticsMotion, StatisticsStoreName
from fame_cli.cli.options import DryRun, choice, own_number, takes
from fame_cli.cli.recipes import RecipeOption
from fame_cli.cli.start import InitFrom, NewRun, Overwrite, Resume, WorkToLearnFrom, choose_start
from fame_cli.config import PretrainConfig, TrackerName
from fame_cli.errors import ConfigurationError
from fame_cli.option import Option, printable

if TYPE_CHECKING:
    from fame_cli.data.frames import FrameStore
    from fame_cli.learning.log import StepInfo
    from fame_cli.learning.pretrain import Outcome


def check_device(name: str) -> str:
    """Raise ConfigurationError unless a text can name a device; whether it is there is seen later."""
    if not re.fullmatch(r"auto|cpu|(cuda|mps|xpu)(:\d+)?", name):
        raise ConfigurationError(
            f"--device {printable(name)} cannot be used: expected auto, cpu, cuda or cuda:N.",
            "Leave it out to take the first GPU, or the CPU where there is none.",
        )
    return name


Device = Annotated[
    str,
    typer.Option(
        parser=check_device,
        help="cpu, cuda, cuda:1 and so on; auto takes the first GPU if there is one.",
        metavar="NAME",
        rich_help_panel="Machine",
    ),
]
Workers = Annotated[
    int | None,
    own_number(
        "workers",
        int,
        Option("Processes that load clips.", at_least=0),
        show_default="0 on a CPU, up to 8 on a GPU",
        rich_help_panel="Machine",
    ),
]
Compile = Annotated[
    bool,
    typer.Option(
        "--compile", help="Compile the backbone: slow start, faster steps.", rich_help_panel="Machine"
    ),
]

MemoryFormatOption = Annotated[
    Literal["auto", "channels-last", "contiguous"],
    typer.Option(
        "--memory-format",
        help="Order of the numbers in memory; auto is channels-last (fame benchmark train compares them).",
        rich_help_panel="Machine",
    ),
]


@takes(PretrainConfig)
def pretrain(
    config: PretrainConfig,
    work: WorkToLearnFrom = None,
    output: NewRun = None,
    recipe: RecipeOption = None,  # noqa: ARG001
    resume: Resume = None,
    overwrite: Overwrite = False,
    init_from: InitFrom = None,
    dry_run: DryRun = False,
    frames: Frames = None,
    statistics_store: StatisticsStoreName = None,
    motion: StatisticsMotion = None,
    device: Device = "auto",
    workers: Workers = None,
    compile: Compile = False,
    memory_format: MemoryFormatOption = "auto",
    checkpoint_seconds: Annotated[
        float,
        own_number(
            "checkpoint_seconds",
            float,
            Option("Time between checkpoints.", unit="seconds", at_least=0),
            rich_help_panel="Machine",
        ),
    ] = 60,
    track: Annotated[
        TrackerName,
        choice(
            "track",
            TrackerName,
            help="Log to Weights & Biases or MLflow as well: below RUN, or where their environment variables "
            "say.",
            rich_help_panel="Machine",
        ),
    ] = "none",
) -> int:
    """Pretrain a backbone by contrasting clips that keep their foreground on the background of others.

    Defaults are the paper's. RUN receives config.toml, metrics.jsonl, tensorboard/, checkpoints/ and, at the
    end, backbone.safetensors. fame pretrain --resume RUN continues an interrupted run. To train on several
    GPUs, use torchrun --nproc-per-node N -m fame_cli pretrain …, which computes the same as one would.
    """
    work, run = choose_start(config, work, output, resume, overwrite, init_from)
    from fame_cli.data.frames import open_frame_store
    from fame_cli.data.manifest import read_manifest
    from fame_cli.data.statistics import open_statistics_store
    from fame_cli.distraction.build import reads_maps
    from fame_cli.learning.distributed import rank, together
    from fame_cli.learning.pretrain import pretrain as learn
    from fame_cli.visualization.training_pictures import training_pictures

    with together(), contextlib.ExitStack() as shown:
        store = open_frame_store(work, read_manifest(work), frames)
        cached = None
        if reads_maps(config):
            cached = open_statistics_store(
                work,
                store,
                config.clip_frames,
                config.frame_stride,
                statistics_store,
                motion=motion,
                hue=config.hue,
            )
            console.detail(f"statistics: {cached.folder}")
        console.detail(f"frames: {store.folder}")
        speaks = rank() == 0
        if dry_run:
            return forecast_run(run, store, config, overwrite) if speaks else 0
        tell = shown.enter_context(console.progress_with_note("pretraining", "steps")) if speaks else None
        outcome = learn(
            run,
            store,
            cached,
            config,
            resume=resume is not None,
            overwrite=overwrite,
            init_from=init_from,
            device=device,
            workers=workers,
            compile=compile,
            memory_format=memory_format,
            checkpoint_seconds=checkpoint_seconds,
            track=track,
            draw=training_pictures,
            tell=tell and (lambda at: tell(at.step, at.total_steps, describe(at))),
            warn=console.warn,
        )
    if speaks:
        report(outcome)
    return 0


def forecast_run(run: Path, store: "FrameStore", config: PretrainConfig, overwrite: bool) -> int:
    from fame_cli.advice import command
    from fame_cli.learning.forecast import forecast_training

    # What is overwritten counts for nothing.
    forecast = forecast_training(run / "new" if overwrite else run, store, config)
    work = store.folder.parent.parent
    return tell_forecast(forecast, f"this measures it: {command('benchmark', 'train', work)}")


def report(outcome: "Outcome") -> None:
    last = outcome.last
    figures = f"loss {last['loss']:.3f} (chance {last['chance']:.3f})"
    if "accuracy" in last:
        figures += f", accuracy {last['accuracy']:.1%}"
    if outcome.first_step == outcome.total_steps:
        console.say(f"Nothing to do: {outcome.run} is finished ({outcome.total_steps} steps, {figures}).")
    else:
        begun = f" from step {outcome.first_step}" if outcome.first_step else ""
        took = console.duration(outcome.seconds)
        console.say(f"Done in {took}: {outcome.total_steps} steps{begun}, {figures}, in {outcome.run}")
    if leak := outcome.key_leak:
        console.say(f"{leak}.")
        if leak.is_large:
            console.warn(
                "queries find their keys by whom they were normalised with, which teaches the backbone "
                "nothing. Give a smaller --batch-norm-clips, or a larger --batch-size."
            )


def describe(standing: "StepInfo") -> str:
    figures = [
        f"{name} {value:.0%}" if name == "accuracy" else f"{name} {value:.3g}"
        for name, value in standing.figures.items()
    ]
    loss = f"loss {standing.loss:.3f} (chance {standing.chance:.3f})"
    return "  ".join([loss, *figures, console.pace(standing.samples_per_second, "samples")])
