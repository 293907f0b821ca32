"""``fame eval``: linear probe, finetune and retrieval of pretrained weights."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from fame_cli.cli import console
from fame_cli.cli.masks import Frames, Work
from fame_cli.cli.pretrain import Device, Workers
from fame_cli.cli.recipes import RecipeOption, Settings, listed
from fame_cli.cli.results import show_result
from fame_cli.config import (
    BackboneName,
    EvaluationConfig,
    FinetuneConfig,
    KnnConfig,
    LinearConfig,
    Precision,
    RetrievalConfig,
    TrainOn,
)
from fame_cli.errors import ArtefactError, ConfigurationError, InputError

if TYPE_CHECKING:
    import torch

    from fame_cli.evaluation.evaluation import Evaluation, Weights

BACKBONE_FILE = "backbone.safetensors"

Run = Annotated[Path, typer.Argument(help="Folder of a pretraining; receives the results.", metavar="RUN")]
WeightsOption = Annotated[
    str | None,
    typer.Option(
        "--weights",
        help="Weights of this toolkit, torchvision, MoCo, FAME or BE (docs/library.md), or 'random' for an "
        "untrained network, the baseline.",
        metavar="PATH|random",
        show_default="RUN/backbone.safetensors",
    ),
]
BackboneOption = Annotated[
    BackboneName | None,
    typer.Option("--backbone", help="Network of --weights random, or of a file that does not name its own."),
]
AllowLeak = Annotated[
    bool,
    typer.Option("--allow-leak", help="Test on videos that the pretraining saw as well; the result says so."),
]
TrainSplit = Annotated[str, typer.Option(help="Split whose videos are learned from, or retrieved.")]
TestSplit = Annotated[str, typer.Option(help="Split whose videos are classified, or query.")]
Clips = Annotated[int, typer.Option(help="Clips spread evenly over each tested video.")]
ClipFrames = Annotated[int | None, typer.Option(help="Frames in a clip, T.", show_default="as pretrained")]
FrameStride = Annotated[
    int | None,
    typer.Option(
        help="Distance between a clip's frames, in frames of the video.", show_default="as pretrained"
    ),
]
CropPx = Annotated[
    int | None, typer.Option(help="Side of the square clips, in pixels.", show_default="as pretrained")
]
Seed = Annotated[int, typer.Option(help="Seed of every random choice.")]
PrecisionOption = Annotated[Precision, typer.Option(help="Arithmetic of the encoder.")]
Epochs = Annotated[int, typer.Option(help="Passes over the training videos.")]
BatchSize = Annotated[int, typer.Option(help="Clips in a step; one more where a single one would be left.")]
LearningRate = Annotated[
    float, typer.Option("--learning-rate", "--lr", help="Learning rate before the first milestone.")
]
WeightDecay = Annotated[float, typer.Option(help="Weight decay.")]
Milestones = Annotated[
    str,
    typer.Option(help="Epochs at which the learning rate falls to a tenth.", metavar="EPOCH,EPOCH,…"),
]
Dropout = Annotated[float, typer.Option(help="Dropout before the last layer.")]
CropScaleMin = Annotated[
    float, typer.Option(help="Smallest share of a frame's area that a random training crop covers.")
]
FlipProbability = Annotated[
    float,
    typer.Option(help="How often a training clip is flipped; 0 where the direction of a motion matters."),
]


def linear(
    work: Work,
    run: Run,
    recipe: RecipeOption = None,
    settings: Settings = None,
    weights: WeightsOption = None,
    backbone: BackboneOption = None,
    frames: Frames = None,
    allow_leak: AllowLeak = False,
    train_on: Annotated[
        TrainOn,
        typer.Option(help="Clips augmented anew in every epoch, or features of even clips, kept on disk."),
    ] = LinearConfig.train_on,
    sweep: Annotated[
        str,
        typer.Option(
            help="Learning rates to choose from on held-out training videos (with --train-on features).",
            metavar="RATE,RATE,…",
        ),
    ] = "",
    train_split: TrainSplit = LinearConfig.train_split,
    test_split: TestSplit = LinearConfig.test_split,
    clips: Clips = LinearConfig.clips,
    clip_frames: ClipFrames = None,
    frame_stride: FrameStride = None,
    crop_px: CropPx = None,
    epochs: Epochs = LinearConfig.epochs,
    batch_size: BatchSize = LinearConfig.batch_size,
    learning_rate: LearningRate = LinearConfig.learning_rate,
    weight_decay: WeightDecay = LinearConfig.weight_decay,
    milestones: Milestones = listed(LinearConfig.milestones),
    dropout: Dropout = LinearConfig.dropout,
    crop_scale_min: CropScaleMin = LinearConfig.crop_scale_min,
    flip_probability: FlipProbability = LinearConfig.flip_probability,
    seed: Seed = LinearConfig.seed,
    precision: PrecisionOption = LinearConfig.precision,
    device: Device = "auto",
    workers: Workers = None,
) -> int:
    """Linear probe: train a last layer on the frozen backbone, and test it.

    The backbone stays in evaluation mode and its features have unit length. A video's prediction is the mean
    of the class probabilities of its clips; top-1 and top-5 are shares of the test videos, in percent.
    Stopped, the same command goes on after the last finished epoch.
    """
    return evaluate(LinearConfig, **locals())


def finetune(
    work: Work,
    run: Run,
    recipe: RecipeOption = None,
    settings: Settings = None,
    weights: WeightsOption = None,
    backbone: BackboneOption = None,
    frames: Frames = None,
    allow_leak: AllowLeak = False,
    train_split: TrainSplit = FinetuneConfig.train_split,
    test_split: TestSplit = FinetuneConfig.test_split,
    clips: Clips = FinetuneConfig.clips,
    clip_frames: ClipFrames = None,
    frame_stride: FrameStride = None,
    crop_px: CropPx = None,
    epochs: Epochs = FinetuneConfig.epochs,
    batch_size: BatchSize = FinetuneConfig.batch_size,
    learning_rate: LearningRate = FinetuneConfig.learning_rate,
    weight_decay: WeightDecay = FinetuneConfig.weight_decay,
    milestones: Milestones = listed(FinetuneConfig.milestones),
    dropout: Dropout = FinetuneConfig.dropout,
    crop_scale_min: CropScaleMin = FinetuneConfig.crop_scale_min,
    flip_probability: FlipProbability = FinetuneConfig.flip_probability,
    seed: Seed = FinetuneConfig.seed,
    precision: PrecisionOption = FinetuneConfig.precision,
    device: Device = "auto",
    workers: Workers = None,
) -> int:
    """Finetune: train the whole network on labelled videos, and test it.

    A video's prediction is the mean of the class probabilities of its clips; top-1 and top-5 are shares of
    the test videos, in percent. Stopped, the same command goes on after the last finished epoch.
    """
    return evaluate(FinetuneConfig, **locals())


def retrieval(
    work: Work,
    run: Run,
    recipe: RecipeOption = None,
    settings: Settings = None,
    weights: WeightsOption = None,
    backbone: BackboneOption = None,
    frames: Frames = None,
    allow_leak: AllowLeak = False,
    train_split: TrainSplit = RetrievalConfig.train_split,
    test_split: TestSplit = RetrievalConfig.test_split,
    clips: Clips = RetrievalConfig.clips,
    clip_frames: ClipFrames = None,
    frame_stride: FrameStride = None,
    crop_px: CropPx = None,
    seed: Seed = RetrievalConfig.seed,
    precision: PrecisionOption = RetrievalConfig.precision,
    device: Device = "auto",
    workers: Workers = None,
) -> int:
    """Retrieval: find the training videos nearest to each test video, without any training.

    A video's feature is the mean over its clips, less the mean of the training videos; near is a great
    cosine. R@k is the share of test videos, in percent, with one of their class among the k nearest.
    """
    return evaluate(RetrievalConfig, **locals())


def knn(
    work: Work,
    run: Run,
    recipe: RecipeOption = None,
    settings: Settings = None,
    weights: WeightsOption = None,
    backbone: BackboneOption = None,
    frames: Frames = None,
    allow_leak: AllowLeak = False,
    train_split: TrainSplit = KnnConfig.train_split,
    test_split: TestSplit = KnnConfig.test_split,
    neighbours: Annotated[int, typer.Option(help="Training videos that vote, k.")] = KnnConfig.neighbours,
    temperature: Annotated[
        float, typer.Option(help="A neighbour votes with exp(similarity / temperature).")
    ] = KnnConfig.temperature,
    clips: Clips = KnnConfig.clips,
    clip_frames: ClipFrames = None,
    frame_stride: FrameStride = None,
    crop_px: CropPx = None,
    seed: Seed = KnnConfig.seed,
    precision: PrecisionOption = KnnConfig.precision,
    device: Device = "auto",
    workers: Workers = None,
) -> int:
    """Nearest neighbours: classify each test video by a vote of the training videos nearest to it.

    Nothing is trained and nothing is tuned. Features are those of fame eval retrieval, kept once for both.
    """
    return evaluate(KnnConfig, **locals())


def evaluate(
    config_type: type[EvaluationConfig],
    *,
    work: Path,
    run: Path,
    weights: str | None,
    backbone: BackboneName | None,
    frames: str | None,
    allow_leak: bool,
    device: str,
    workers: int | None,
    recipe: str | None,
    settings: list[str] | None,
    **options: Any,
) -> int:
    """Evaluate, unless that was done before, and show the result."""
    del recipe, settings  # their callbacks have given the other options their defaults
    refuse_wrong_folders(work, run, weights)
    for name, kind in (("milestones", int), ("sweep", float)):
        if name in options:
            options[name] = parse_list(name, options[name], kind)
    given = {name: options.pop(name) for name in ("clip_frames", "frame_stride", "crop_px")}
    config_type(**options)  # a wrong option is told before anything is read
    from fame_cli.data.frames import open_frame_store
    from fame_cli.data.manifest import read_manifest
    from fame_cli.evaluation.evaluation import Evaluation, clip_options
    from fame_cli.evaluation.leak import refuse_leak
    from fame_cli.evaluation.splits import choose_videos
    from fame_cli.learning.pretrain import choose_device

    store = open_frame_store(work, read_manifest(work), frames)
    videos = choose_videos(store, options["train_split"], options["test_split"])
    evaluated = find_weights(run, weights, backbone, options["seed"])
    console.say(str(evaluated))
    config = config_type(**(options | clip_options(evaluated, **given)))
    target = choose_device(device)
    evaluation = Evaluation(
        run, videos, evaluated, target, choose_workers(workers, target), console.progress_with_note
    )
    refuse_leak(evaluation, allow_leak)
    show(evaluation, config)
    return 0


def show(evaluation: "Evaluation", config: EvaluationConfig) -> None:
    """Evaluate by the protocol that the configuration belongs to, and print the result."""
    from fame_cli.evaluation import classify
    from fame_cli.evaluation.knn import knn
    from fame_cli.evaluation.retrieval import retrieval

    match config:
        case LinearConfig():
            protocol, evaluate_it = "linear", partial(classify.linear, evaluation, config)
        case FinetuneConfig():
            protocol, evaluate_it = "finetune", partial(classify.finetune, evaluation, config)
        case RetrievalConfig():
            protocol, evaluate_it = "retrieval", partial(retrieval, evaluation, config)
        case KnnConfig():
            protocol, evaluate_it = "knn", partial(knn, evaluation, config)
        case _:
            raise AssertionError(config)
    path = evaluation.result_path(protocol, config)
    there = path.exists()
    result = evaluate_it()
    show_result(result)
    if there:
        console.say(f"Nothing to do: already evaluated, in {path}")
    else:
        console.say(f"Done in {console.duration(result.seconds)}: {path}")


def refuse_wrong_folders(work: Path, run: Path, weights: str | None) -> None:
    """Raise unless RUN can be the folder of a pretraining, or of a result to be made."""
    from fame_cli.data.manifest import is_work
    from fame_cli.learning.run import resume_command

    if is_work(run):
        raise ConfigurationError(
            f"{run} is a WORK folder: it holds a manifest.csv.",
            "Give both folders, first WORK, then the RUN of a pretraining.",
        )
    if not run.is_dir() and (weights is None or run.exists()):
        raise InputError(
            f"{run} is not a folder.",
            "Give the folder of a pretraining, or the weights: --weights PATH, or --weights random.",
        )
    if weights is None and not (run / BACKBONE_FILE).exists():
        raise ArtefactError(
            f"{run} holds no {BACKBONE_FILE}: no pretraining was finished there.",
            f"Give other weights (--weights PATH), or finish it: {resume_command(work, run)}",
        )


def find_weights(run: Path, wanted: str | None, backbone: BackboneName | None, seed: int) -> "Weights":
    from fame_cli.evaluation.evaluation import random_weights, read_weights

    if wanted is None:
        if backbone is not None:
            raise ConfigurationError(
                "--backbone goes with --weights random or --weights PATH: those of RUN name their own."
            )
        return read_weights(run / BACKBONE_FILE)
    if wanted != "random":
        return read_weights(Path(wanted), backbone)
    if backbone is None:
        raise ConfigurationError(
            "--weights random does not say which network.",
            f"Give --backbone {'|'.join(get_args(BackboneName))}.",
        )
    return random_weights(backbone, seed)


def choose_workers(wanted: int | None, device: "torch.device") -> int:
    if wanted is not None:
        return wanted
    from fame_cli.learning.pretrain import loader_processes

    return loader_processes(device)


def parse_list(name: str, text: str, kind: type[int] | type[float]) -> tuple[float, ...]:
    """Numbers with commas between, as an option's value."""
    try:
        return tuple(kind(part) for part in text.split(",") if part.strip())
    except ValueError:
        example = "60,80" if kind is int else "10,3,1,0.3"
        raise ConfigurationError(
            f"--{name} is {text!r}; expected numbers with commas between.", f"Example: --{name} {example}"
        ) from None
