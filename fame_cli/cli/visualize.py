"""``fame visualize``: pictures a person can judge by."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fame_cli.cli import console
from fame_cli.cli.completion import complete_run
from fame_cli.cli.masks import Frames, StatisticsMotion, StatisticsStoreName, Work
from fame_cli.cli.options import choice, output_folder, own_number, takes
from fame_cli.config import DistractionsConfig, MaskConfig, Motion
from fame_cli.errors import ConfigurationError
from fame_cli.option import Option

if TYPE_CHECKING:
    from fame_cli.data.frames import FrameStore
    from fame_cli.data.statistics import StatisticsStore
    from fame_cli.visualization.examples import MaskOptions

Run = Annotated[
    Path,
    typer.Argument(help="Folder that fame pretrain made.", metavar="RUN", autocompletion=complete_run),
]
Runs = Annotated[
    list[Path],
    typer.Argument(help="Folders that fame pretrain made.", metavar="RUN...", autocompletion=complete_run),
]
Output = Annotated[
    Path | None,
    output_folder("Folder for the pictures.", "OUT", show_default="pictures in WORK or RUN"),
]
Videos = Annotated[
    list[str] | None,
    typer.Option("--video", help="Video to show, by its id or a part of it (repeatable).", metavar="ID"),
]
Count = Annotated[
    int, own_number("count", int, Option("Videos to show, spread over the manifest.", at_least=1, at_most=64))
]
SizePx = Annotated[
    int,
    own_number(
        "size_px", int, Option("Side of the square that clips are drawn at.", unit="pixels", at_least=32)
    ),
]
ANIMATION_FPS = 8


@takes(MaskConfig)
def masks(
    config: MaskConfig,
    work: Work,
    output: Output = None,
    video: Videos = None,
    count: Count = 8,
    size_px: SizePx = 128,
    frames: Frames = None,
    statistics_store: StatisticsStoreName = None,
    motion: StatisticsMotion = None,
) -> int:
    """Draw frames, seed, soft mask and mask of clips, and the masks of the variants (Figures 2 and 3)."""
    from fame_cli.visualization.examples import choose_examples, mask_example
    from fame_cli.visualization.masks import mask_sheet
    from fame_cli.visualization.pictures import save_png

    store, statistics, options = open_stores(work, frames, statistics_store, motion, config, size_px)
    video_indices = choose_examples(store, video or [], count)
    examples = [mask_example(store, statistics, video_index, options) for video_index in video_indices]
    target = (output or work / "pictures") / "masks.png"
    save_png(target, mask_sheet(examples, config.beta))
    return report_drawn(target)


@takes(MaskConfig)
def merge(
    config: MaskConfig,
    work: Work,
    output: Output = None,
    video: Videos = None,
    count: Count = 6,
    size_px: SizePx = 128,
    frames: Frames = None,
    statistics_store: StatisticsStoreName = None,
    motion: StatisticsMotion = None,
) -> int:
    """Draw clips merged as in pretraining: the foreground of one video on the background of the next.

    Writes merge.png and, with the clips playing, merge.gif.
    """
    from fame_cli.visualization.examples import choose_examples, merge_example
    from fame_cli.visualization.masks import merge_animation, merge_sheet
    from fame_cli.visualization.pictures import save_gif, save_png

    store, statistics, options = open_stores(work, frames, statistics_store, motion, config, size_px)
    video_indices = choose_examples(store, video or [], max(count, 2))
    if len(video_indices) < 2:
        raise ConfigurationError("a merge takes two videos.", "Name --video twice, or raise --count.")
    behind = [*video_indices[1:], video_indices[0]]
    examples = [
        merge_example(store, statistics, front, back, options)
        for front, back in zip(video_indices, behind, strict=True)
    ]
    folder = output or work / "pictures"
    save_png(folder / "merge.png", merge_sheet(examples))
    save_gif(folder / "merge.gif", merge_animation(examples), ANIMATION_FPS)
    return report_drawn(folder / "merge.png", folder / "merge.gif")


@takes(DistractionsConfig)
def distractions(
    config: DistractionsConfig,
    work: Work,
    output: Output = None,
    video: Videos = None,
    count: Count = 4,
    size_px: SizePx = 112,
    frames: Frames = None,
) -> int:
    """Draw the same clips under every distraction: FAME's merge, and the rows of BE's Table 4.

    Writes distractions.png and distractions.gif, where the clips play. Masks are made from the clips shown.
    """
    from fame_cli.visualization.distractions import (
        distraction_animation,
        distraction_examples,
        distraction_sheet,
    )
    from fame_cli.visualization.examples import choose_examples
    from fame_cli.visualization.pictures import save_gif, save_png

    store = open_frames(work, frames)
    video_indices = choose_examples(store, video or [], max(count, 2))
    if len(video_indices) < 2:
        raise ConfigurationError(
            "clips are mixed with those of other videos, which takes two.", "Name --video twice."
        )
    examples = distraction_examples(store, video_indices, config, size_px)
    folder = output or work / "pictures"
    save_png(folder / "distractions.png", distraction_sheet(examples))
    save_gif(folder / "distractions.gif", distraction_animation(examples), ANIMATION_FPS)
    return report_drawn(folder / "distractions.png", folder / "distractions.gif")


def retrieval(
    work: Work,
    run: Run,
    output: Output = None,
    count: Annotated[
        int,
        own_number("count", int, Option("Queries to show, spread over the result.", at_least=1, at_most=64)),
    ] = 8,
    neighbours: Annotated[
        int, own_number("neighbours", int, Option("Nearest videos of each query.", at_least=1, at_most=10))
    ] = 6,
    frames: Frames = None,
) -> int:
    """Draw queries of the last fame eval retrieval with their nearest videos; correct ones are marked."""
    from fame_cli.visualization.examples import retrieval_queries
    from fame_cli.visualization.gallery import retrieval_gallery
    from fame_cli.visualization.pictures import save_png

    queries = retrieval_queries(open_frames(work, frames), run, count, neighbours)
    target = (output or run / "pictures") / "retrieval.png"
    save_png(target, retrieval_gallery(queries))
    return report_drawn(target)


def confusion(
    run: Run,
    output: Output = None,
    protocol: Annotated[
        Literal["linear", "finetune", "knn"],
        choice(
            "protocol",
            Literal["linear", "finetune", "knn"],
            help="Evaluation whose predictions are drawn.",
        ),
    ] = "linear",
) -> int:
    """Draw the confusion matrix of the last evaluation."""
    from fame_cli.evaluation.scores import confusion_matrix
    from fame_cli.visualization.confusion import draw_confusion
    from fame_cli.visualization.examples import last_result

    _, result = last_result(run, protocol)
    top1 = result.figures["top1"]
    title = f"{run.resolve().name}, {protocol}: top-1 {top1.percent:.1f} % of {top1.videos} videos"
    target = (output or run / "pictures") / f"confusion-{protocol}.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    draw_confusion(confusion_matrix(result.predictions, result.classes), result.classes, target, title)
    return report_drawn(target)


def curves(runs: Runs, output: Output = None) -> int:
    """Draw loss, accuracy and learning rate of one or several runs in one picture."""
    from fame_cli.learning.run import RunFolder
    from fame_cli.visualization.curves import draw_curves

    rows = {}
    for run, name in zip(runs, run_names(runs), strict=True):
        folder = RunFolder(run)
        folder.read()
        for trouble in folder.metrics_troubles():
            console.warn(f"{folder.metrics}: {trouble}.")
        if measured := folder.read_metrics():
            rows[name] = measured
        else:
            console.warn(f"{run} has not measured anything yet.")
    if not rows:
        raise ConfigurationError("none of the runs has measured anything yet.", "Let a step finish first.")
    target = (output or runs[0] / "pictures") / "curves.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    draw_curves(rows, target)
    return report_drawn(target)


def bias(runs: Runs, output: Output = None) -> int:
    """Draw the bias reports of one or several runs in one picture: a row a test, dots with intervals."""
    from fame_cli.evaluation.bias.differences import require_same_clips
    from fame_cli.visualization.bias import draw_bias_chart
    from fame_cli.visualization.examples import last_result

    results = [last_result(run, "bias")[1] for run in runs]
    require_same_clips(results)
    target = (output or runs[0] / "pictures") / "bias.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    draw_bias_chart(dict(zip(run_names(runs), results, strict=True)), target)
    return report_drawn(target)


def run_names(runs: Sequence[Path]) -> list[str]:
    """The runs' folder names, or paths where folders share one."""
    names = [run.resolve().name for run in runs]
    return [name if names.count(name) == 1 else str(run) for run, name in zip(runs, names, strict=True)]


def open_frames(work: Path, name: str | None) -> "FrameStore":
    from fame_cli.data.frames import open_frame_store
    from fame_cli.data.manifest import read_manifest

    return open_frame_store(work, read_manifest(work), name)


def open_stores(
    work: Path,
    frames: str | None,
    statistics: str | None,
    motion: Motion | None,
    mask: MaskConfig,
    size_px: int,
) -> "tuple[FrameStore, StatisticsStore, MaskOptions]":
    from fame_cli.advice import command
    from fame_cli.data.statistics import StatisticsStore
    from fame_cli.data.store import choose_store
    from fame_cli.visualization.examples import MaskOptions

    store = open_frames(work, frames)
    wanted = {"parent": store.fingerprint, **({"motion": motion} if motion else {})}
    make = command("masks", work)
    folder = choose_store(work / "statistics", statistics, "--statistics-store", make, wanted)
    opened = StatisticsStore(folder, store)
    clip = opened.config
    options = MaskOptions(clip.clip_frames, clip.frame_stride, size_px, mask.beta, mask.variant)
    return store, opened, options


def report_drawn(*paths: Path) -> int:
    for path in paths:
        console.say(f"Drawn: {path}")
    return 0
