"""``fame pretrain``: a backbone learned from videos by contrast of merged clips."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fame_cli.cli import console
from fame_cli.cli.masks import Frames, Work
from fame_cli.cli.recipes import RecipeOption, Settings
from fame_cli.config import (
    BackboneName,
    Background,
    Branch,
    Hue,
    ObjectiveName,
    Optimizer,
    Precision,
    PretrainConfig,
    StatisticsSource,
    Variant,
)

if TYPE_CHECKING:
    from fame_cli.learning.log import StepInfo
    from fame_cli.learning.pretrain import Outcome

Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1 …; auto takes the first GPU if there is one.")]
Workers = Annotated[
    int | None,
    typer.Option(help="Processes that load clips.", show_default="0 on a CPU, up to 8 on a GPU", min=0),
]

Compile = Annotated[
    bool, typer.Option("--compile", help="Translate the backbone by torch.compile: slow start, fast steps.")
]


def pretrain(
    work: Work,
    run: Annotated[Path, typer.Option("--output", "-o", help="Folder of the run.", metavar="RUN")],
    recipe: RecipeOption = None,
    settings: Settings = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped.")] = False,
    objective: Annotated[
        ObjectiveName, typer.Option(help="How the two clips of a video teach: MoCo v2, SimCLR or BYOL.")
    ] = PretrainConfig.objective,
    backbone: Annotated[BackboneName, typer.Option(help="3-D encoder.")] = PretrainConfig.backbone,
    clip_frames: Annotated[int, typer.Option(help="Frames in a clip, T.")] = PretrainConfig.clip_frames,
    frame_stride: Annotated[
        int, typer.Option(help="Distance between a clip's frames, in frames of the video.")
    ] = PretrainConfig.frame_stride,
    crop_px: Annotated[int, typer.Option(help="Side of the crop, in pixels.")] = PretrainConfig.crop_px,
    split: Annotated[
        str, typer.Option(help="Split to learn from; all videos where there are no splits.")
    ] = PretrainConfig.split,
    epochs: Annotated[int, typer.Option(help="Passes over the videos.")] = PretrainConfig.epochs,
    steps: Annotated[
        int, typer.Option(help="Training steps in all, instead of --epochs (0: as the epochs say).")
    ] = PretrainConfig.steps,
    batch_size: Annotated[
        int, typer.Option(help="Videos in a step, of all processes together; each gives two clips.")
    ] = PretrainConfig.batch_size,
    optimizer: Annotated[
        Optimizer, typer.Option(help="sgd with momentum 0.9, or adamw.")
    ] = PretrainConfig.optimizer,
    learning_rate: Annotated[
        float, typer.Option("--learning-rate", "--lr", help="Learning rate at the start; falls by a cosine.")
    ] = PretrainConfig.learning_rate,
    weight_decay: Annotated[float, typer.Option(help="Weight decay.")] = PretrainConfig.weight_decay,
    queue_length: Annotated[
        int, typer.Option(help="Negatives in MoCo's queue: 2048 for UCF101, 65536 for Kinetics-400.")
    ] = PretrainConfig.queue_length,
    embedding_dim: Annotated[int, typer.Option(help="Size of the embedding.")] = PretrainConfig.embedding_dim,
    momentum: Annotated[
        float, typer.Option(help="Momentum of MoCo's key encoder, or of BYOL's target at the start.")
    ] = PretrainConfig.momentum,
    temperature: Annotated[
        float, typer.Option(help="Temperature of the loss of MoCo and SimCLR.")
    ] = PretrainConfig.temperature,
    beta: Annotated[
        float, typer.Option(help="Share of a clip kept as foreground; 1 is plain MoCo.")
    ] = PretrainConfig.beta,
    variant: Annotated[
        Variant, typer.Option(help="How foreground is told from background (Table 6).")
    ] = PretrainConfig.variant,
    background: Annotated[
        Background,
        typer.Option(help="New background: none, another time of the video, another video (Table 4)."),
    ] = PretrainConfig.background,
    branch: Annotated[
        Branch, typer.Option(help="Merge one of the two clips, or both (Table 5).")
    ] = PretrainConfig.branch,
    statistics: Annotated[
        StatisticsSource, typer.Option(help="From fame masks, or computed on each crop as in the paper.")
    ] = PretrainConfig.statistics,
    hue: Annotated[
        Hue, typer.Option(help="Hue of the statistics, also of cached ones.")
    ] = PretrainConfig.hue,
    crop_scale_min: Annotated[
        float, typer.Option(help="Smallest share of the frame's area in a random crop.")
    ] = PretrainConfig.crop_scale_min,
    color_jitter: Annotated[
        float, typer.Option(help="Factor on the colour jitter (0.4, 0.4, 0.4, 0.1).")
    ] = PretrainConfig.color_jitter,
    flip_probability: Annotated[
        float, typer.Option(help="How often a clip is flipped; 0 where the direction of a motion matters.")
    ] = PretrainConfig.flip_probability,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = PretrainConfig.seed,
    precision: Annotated[Precision, typer.Option(help="fp32, or bf16 autocast.")] = PretrainConfig.precision,
    device: Device = "auto",
    workers: Workers = None,
    compile: Compile = False,
    checkpoint_seconds: Annotated[
        float, typer.Option(help="Time between checkpoints, in seconds.", min=0)
    ] = 60,
    frames: Frames = None,
    statistics_store: Annotated[
        str | None,
        typer.Option(help="Statistics to read, a folder in WORK/statistics.", show_default="the only one"),
    ] = None,
) -> int:  # recipe and settings have done their work by their callbacks
    """Pretrain a backbone: contrast of clips that keep their foreground and get the background of others.

    Defaults are the paper's. RUN receives config.toml, metrics.jsonl, tensorboard/, checkpoints/ and, at the
    end, backbone.safetensors. A stopped run goes on with --resume. Several GPUs train together with
    torchrun --nproc-per-node N -m fame_cli pretrain …, which computes what one would.
    """
    values = {name: value for name, value in locals().items() if name in PretrainConfig.__dataclass_fields__}
    config = PretrainConfig.from_dict(values)
    from fame_cli.data.frames import open_frame_store
    from fame_cli.data.manifest import read_manifest
    from fame_cli.data.statistics import open_statistics_store
    from fame_cli.distraction.build import reads_maps
    from fame_cli.learning.distributed import rank, together
    from fame_cli.learning.pretrain import pretrain as learn

    with together(), contextlib.ExitStack() as shown:
        store = open_frame_store(work, read_manifest(work), frames)
        cached = None
        if reads_maps(config):
            cached = open_statistics_store(work, store, clip_frames, frame_stride, statistics_store)
        speaks = rank() == 0
        tell = shown.enter_context(console.progress_with_note("pretraining", "steps")) if speaks else None
        outcome = learn(
            run,
            store,
            cached,
            config,
            resume=resume,
            device=device,
            workers=workers,
            compile=compile,
            checkpoint_seconds=checkpoint_seconds,
            tell=tell and (lambda at: tell(at.step, at.total_steps, describe(at))),
        )
    if speaks:
        report(outcome)
    return 0


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


def describe(standing: "StepInfo") -> str:
    figures = [
        f"{name} {value:.0%}" if name == "accuracy" else f"{name} {value:.3g}"
        for name, value in standing.figures.items()
    ]
    loss = f"loss {standing.loss:.3f} (chance {standing.chance:.3f})"
    return "  ".join([loss, *figures, f"{standing.samples_per_second:.1f} samples/s"])
