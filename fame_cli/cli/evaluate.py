"""``fame eval``: linear probe, finetune and retrieval of pretrained weights."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar, get_args

import typer

from fame_cli.cli import console
from fame_cli.cli.completion import complete_run
from fame_cli.cli.dry_run import tell_forecast
from fame_cli.cli.masks import Frames, Work
from fame_cli.cli.options import AsJson, DryRun, choice, takes
from fame_cli.cli.pretrain import Device, Workers
from fame_cli.cli.recipes import RecipeOption
from fame_cli.cli.results import show_result, summarise
from fame_cli.config import (
    BackboneName,
    EvaluationConfig,
    FinetuneConfig,
    KnnConfig,
    LinearConfig,
    RetrievalConfig,
)
from fame_cli.errors import ArtefactError, ConfigurationError, FameError, InputError

if TYPE_CHECKING:
    import torch

    from fame_cli.evaluation.evaluation import Evaluation, Weights
    from fame_cli.evaluation.results import Result
    from fame_cli.learning.foreign import Normalisation

Config = TypeVar("Config", bound=EvaluationConfig)
BACKBONE_FILE = "backbone.safetensors"

QUERIES_SHOWN, NEIGHBOURS_SHOWN = 8, 6
"""In the gallery that a retrieval adds to the log of its run."""

Run = Annotated[
    Path,
    typer.Argument(
        help="Folder of a pretraining; receives the results.", metavar="RUN", autocompletion=complete_run
    ),
]
WeightsOption = Annotated[
    str | None,
    typer.Option(
        "--weights",
        help="Weights of this toolkit, torchvision, MoCo, FAME, BE or MAC_SSL (docs/library.md), a "
        "TorchScript or ONNX file, torchvision:NAME for those that torchvision publishes, 'random' for an "
        "untrained network, the baseline, or 'own' for those that --backbone package.module:name comes with.",
        metavar="PATH|NAME",
        show_default="RUN/backbone.safetensors",
    ),
]
BackboneOption = Annotated[
    str | None,
    choice(
        "backbone",
        BackboneName | str,
        help="Network of --weights random, or of a file that does not name its own.",
    ),
]
Mean = Annotated[
    str,
    typer.Option(
        "--mean",
        help="Mean red, green and blue, in [0, 1], that a TorchScript or ONNX network was trained with.",
        metavar="R,G,B",
        show_default="Kinetics-400's",
    ),
]
Std = Annotated[
    str,
    typer.Option(
        "--std",
        help="Their standard deviation.",
        metavar="R,G,B",
        show_default="Kinetics-400's",
    ),
]
AllowLeak = Annotated[
    bool,
    typer.Option("--allow-leak", help="Test on videos that the pretraining saw as well; the result says so."),
]

KeepOnly = Annotated[
    Path | None,
    typer.Option(
        "--keep-only",
        help="Blank everything outside the masks, in every video: a folder of masks or boxes of any source "
        "(docs/keep-only.md).",
        metavar="MASKS",
        rich_help_panel="Data",
    ),
]


def protocol(
    config_type: type[Config],
) -> "Callable[[Callable[[Evaluation, Config], Result]], Callable[..., int]]":
    """Make a command of a protocol: the options of its configuration, and those that all protocols share.

    The function that is decorated evaluates; its name is the command's and the result's, its docstring the
    help.
    """

    def decorate(evaluate_it: "Callable[[Evaluation, Config], Result]") -> Callable[..., int]:
        def command(
            config: Config,
            given: Mapping[str, int | None],
            work: Work,
            run: Run,
            recipe: RecipeOption = None,  # noqa: ARG001
            weights: WeightsOption = None,
            backbone: BackboneOption = None,
            mean: Mean = "",
            std: Std = "",
            allow_leak: AllowLeak = False,
            frames: Frames = None,
            masks: KeepOnly = None,
            device: Device = "auto",
            workers: Workers = None,
            dry_run: DryRun = False,
            as_json: AsJson = False,
        ) -> int:
            refuse_wrong_folders(work, run, weights)
            from fame_cli.data.frames import open_frame_store
            from fame_cli.data.manifest import read_manifest
            from fame_cli.data.mask_folder import open_mask_folder
            from fame_cli.evaluation.evaluation import Evaluation, clip_options
            from fame_cli.evaluation.forecast import forecast_evaluation
            from fame_cli.evaluation.keep_only import keep_only
            from fame_cli.evaluation.leak import refuse_leak
            from fame_cli.evaluation.splits import choose_videos
            from fame_cli.learning.device import choose_device

            store = open_frame_store(work, read_manifest(work), frames)
            console.detail(f"frames: {store.folder}")
            videos = choose_videos(store, config.train_split, config.test_split)
            if masks is not None:
                videos = keep_only(videos, open_mask_folder(masks))
            evaluated = find_weights(run, weights, backbone, config.seed, mean, std)
            console.say(str(evaluated))
            complete = config_type.from_dict(config.to_dict() | clip_options(evaluated, **given))
            target = choose_device(device)
            console.detail(f"device: {target}")
            evaluation = Evaluation(
                run, videos, evaluated, target, choose_workers(workers, target), console.progress_with_note
            )
            refuse_leak(evaluation, allow_leak)
            if dry_run:
                forecast = forecast_evaluation(evaluation, evaluate_it.__name__, complete)
                return tell_forecast(forecast, "it is once one like it is done.")
            path = evaluation.result_path(evaluate_it.__name__, complete)
            there = path.exists()
            result = evaluate_it(evaluation, complete)
            show_result(result)
            if as_json:
                console.say_json(summarise(result, path))
            if there:
                console.say(f"Nothing to do: already evaluated, in {path}")
            else:
                console.say(f"Done in {console.duration(result.seconds)}: {path}")
            return 0

        command.__name__, command.__doc__ = evaluate_it.__name__, evaluate_it.__doc__
        return takes(config_type)(command)

    return decorate


@protocol(LinearConfig)
def linear(evaluation: "Evaluation", config: LinearConfig) -> "Result":
    """Linear probe: train a last layer on the frozen backbone and test it.

    The backbone stays in evaluation mode and its features have unit length. A video's prediction is the mean
    of the class probabilities of its clips; top-1 and top-5 are percentages of the test videos.
    If it is interrupted, the same command resumes after the last finished epoch.
    """
    from fame_cli.evaluation import classify

    return classify.linear(evaluation, config)


@protocol(FinetuneConfig)
def finetune(evaluation: "Evaluation", config: FinetuneConfig) -> "Result":
    """Finetune: train the whole network on labelled videos and test it.

    A video's prediction is the mean of the class probabilities of its clips; top-1 and top-5 are percentages
    of the test videos. If it is interrupted, the same command resumes after the last finished epoch.
    """
    from fame_cli.evaluation import classify

    return classify.finetune(evaluation, config)


@protocol(RetrievalConfig)
def retrieval(evaluation: "Evaluation", config: RetrievalConfig) -> "Result":
    """Retrieval: find the training videos nearest to each test video, without any training.

    A video's feature is the mean over its clips, minus the mean of the training videos; nearest means highest
    cosine similarity. R@k is the percentage of test videos with a video of their class among the k nearest.
    """
    from fame_cli.evaluation.retrieval import retrieval

    done = evaluation.result_path("retrieval", config).exists()
    result = retrieval(evaluation, config)
    if not done:
        show_gallery(evaluation)
    return result


def show_gallery(evaluation: "Evaluation") -> None:
    """Add queries and what they found to the log of the training, where these are the run's own weights."""
    from fame_cli.learning.run import RunFolder
    from fame_cli.learning.trackers import add_pictures
    from fame_cli.visualization.examples import retrieval_queries
    from fame_cli.visualization.gallery import retrieval_gallery

    folder = RunFolder(evaluation.run)
    if evaluation.weights.source != str(folder.backbone) or not folder.tensorboard.is_dir():
        return
    frames = evaluation.videos.frames
    try:
        queries = retrieval_queries(frames, evaluation.run, QUERIES_SHOWN, NEIGHBOURS_SHOWN)
        told = add_pictures(folder, {"retrieval": retrieval_gallery(queries)})
    except FameError as error:
        console.warn(f"{error.message} The result is kept; fame visualize retrieval draws it.")
    else:
        console.detail(f"a gallery of it: {', '.join(told)}")


@protocol(KnnConfig)
def knn(evaluation: "Evaluation", config: KnnConfig) -> "Result":
    """Nearest neighbours: classify each test video by a vote of its nearest training videos.

    Nothing is trained or tuned. Features are those of fame eval retrieval, computed once for both.
    """
    from fame_cli.evaluation.knn import knn

    return knn(evaluation, config)


def refuse_wrong_folders(work: Path, run: Path, weights: str | None) -> None:
    """Raise unless RUN can be the folder of a pretraining, or of a result to be made."""
    from fame_cli.data.manifest import is_work
    from fame_cli.learning.run import finish_command

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
            f"Give other weights (--weights PATH), or finish it: {finish_command(work, run)}",
        )


def find_weights(
    run: Path, wanted: str | None, backbone: str | None, seed: int, mean: str = "", std: str = ""
) -> "Weights":
    """The weights that are given, or those of RUN."""
    from fame_cli.evaluation.evaluation import (
        own_weights,
        published_weights,
        random_weights,
        read_weights,
    )
    from fame_cli.learning.torchvision_weights import PREFIX
    from fame_cli.option import is_object_path

    normalisation = parse_normalisation(mean, std)
    if normalisation is not None and (wanted in (None, "random", "own") or str(wanted).startswith(PREFIX)):
        raise ConfigurationError(
            "--mean and --std go with --weights FILE, a TorchScript or ONNX file.",
            "A network of your own states them as its attribute normalisation (docs/bias.md).",
        )

    if wanted is None:
        if backbone is not None and not is_object_path(backbone):
            raise ConfigurationError(
                "--backbone goes with --weights random or --weights PATH: those of RUN name their own."
            )
        return read_weights(run / BACKBONE_FILE, backbone)
    if wanted.startswith(PREFIX):
        return published_weights(wanted, backbone)
    if wanted == "own":
        if backbone is None or not is_object_path(backbone):
            raise ConfigurationError(
                "--weights own goes with --backbone package.module:name, a network that comes with weights."
            )
        return own_weights(backbone)
    if wanted != "random":
        return read_weights(Path(wanted), backbone, normalisation)
    if backbone is None:
        raise ConfigurationError(
            "--weights random does not say which network.",
            f"Give --backbone {'|'.join(get_args(BackboneName))}.",
        )
    return random_weights(backbone, seed)


def parse_normalisation(mean: str, std: str) -> "Normalisation | None":
    """What --mean and --std say; None where neither is given."""
    from fame_cli.learning.foreign import Normalisation

    if not (mean or std):
        return None
    try:
        given = [tuple(float(part) for part in text.split(",")) for text in (mean, std)]
    except ValueError as error:
        raise ConfigurationError(
            f"--mean {mean} --std {std}: expected both, each three numbers with commas between.",
            "For instance --mean 0.45,0.45,0.45 --std 0.225,0.225,0.225",
        ) from error
    return Normalisation(*given)


def choose_workers(wanted: int | None, device: "torch.device") -> int:
    if wanted is not None:
        return wanted
    from fame_cli.learning.device import loader_processes

    return loader_processes(device)
