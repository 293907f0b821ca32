"""``fame eval bias``: how much of what a network knows is the background."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fame_cli.cli import console
from fame_cli.cli.dry_run import tell_forecast
from fame_cli.cli.evaluate import (
    AllowLeak,
    BackboneOption,
    Mean,
    Run,
    Std,
    WeightsOption,
    choose_workers,
    find_weights,
    refuse_wrong_folders,
)
from fame_cli.cli.masks import Frames, StatisticsStoreName, Work
from fame_cli.cli.options import AsJson, DryRun, takes
from fame_cli.cli.pretrain import Device, Workers
from fame_cli.cli.recipes import RecipeOption
from fame_cli.cli.results import summarise, title
from fame_cli.config import BiasConfig
from fame_cli.errors import ConfigurationError

if TYPE_CHECKING:
    from fame_cli.data.frames import FrameStore
    from fame_cli.evaluation.bias.pairing import Pairing
    from fame_cli.evaluation.bias.report import BiasSetting
    from fame_cli.evaluation.evaluation import Evaluation
    from fame_cli.evaluation.results import Result
    from fame_cli.evaluation.splits import LabelledVideos

Against = Annotated[
    Path | None,
    typer.Option("--against", help="A second RUN, tested on the very same clips.", metavar="RUN"),
]
Masks = Annotated[
    Path | None,
    typer.Option(
        "--masks",
        help="Folder of masks from elsewhere (SAM, Mask R-CNN, annotators), a PNG for each frame or video.",
        metavar="DIR",
        show_default="FAME's, of WORK/statistics",
        rich_help_panel="Foreground",
    ),
]
Truth = Annotated[
    Path | None,
    typer.Option(
        "--truth",
        help="Folder of true masks, to measure how much background the masks leak.",
        metavar="DIR",
        rich_help_panel="Foreground",
    ),
]
PairingFile = Annotated[
    Path | None,
    typer.Option(
        "--pairing",
        help="Backgrounds that an earlier report paired with the videos.",
        metavar="FILE",
        show_default="drawn by --seed, kept in WORK/pairings",
        rich_help_panel="Data",
    ),
]
ClassifierOption = Annotated[
    Path | None,
    typer.Option(
        "--classifier",
        help="Finetuned network to test, a folder RUN/evaluations/finetune-….",
        metavar="PATH",
        show_default="a linear probe, trained once",
    ),
]


@takes(BiasConfig)
def bias(
    config: BiasConfig,
    given: Mapping[str, int | None],
    work: Work,
    run: Run,
    against: Against = None,
    recipe: RecipeOption = None,  # noqa: ARG001
    weights: WeightsOption = None,
    backbone: BackboneOption = None,
    mean: Mean = "",
    std: Std = "",
    classifier: ClassifierOption = None,
    masks: Masks = None,
    truth: Truth = None,
    pairing: PairingFile = None,
    allow_leak: AllowLeak = False,
    dry_run: DryRun = False,
    frames: Frames = None,
    statistics_store: StatisticsStoreName = None,
    device: Device = "auto",
    workers: Workers = None,
    as_json: AsJson = False,
) -> int:
    """Bias report: one classifier meets test clips whose background, foreground or order was changed.

    A linear probe is trained once, or a finetuned network given (--classifier). It is tested on the clips as
    they are, on their foreground before stripes, other scenes and other videos, on the background alone, and
    on shuffled frames (docs/bias.md). If it is stopped, the same command continues after the last finished
    videos.
    """
    refuse_wrong_folders(work, run, weights)
    refuse_wrong_pair(work, against, classifier)
    from dataclasses import replace

    from fame_cli.data.frames import open_frame_store
    from fame_cli.data.manifest import read_manifest
    from fame_cli.evaluation.bias.forecast import forecast_bias
    from fame_cli.evaluation.bias.judge import read_finetuned
    from fame_cli.evaluation.bias.report import bias_path
    from fame_cli.evaluation.evaluation import Evaluation, clip_options
    from fame_cli.evaluation.leak import refuse_leak
    from fame_cli.evaluation.splits import choose_videos
    from fame_cli.learning.device import choose_device

    store = open_frame_store(work, read_manifest(work), frames)
    videos = choose_videos(store, config.train_split, config.test_split)
    evaluated = find_weights(run, weights, backbone, config.seed, mean, std)
    finetuned = read_finetuned(classifier, evaluated) if classifier else None
    evaluated = finetuned.weights if finetuned else evaluated
    console.say(str(evaluated))
    complete = BiasConfig.from_dict(config.to_dict() | clip_options(evaluated, **given))
    target = choose_device(device)
    evaluation = Evaluation(
        run, videos, evaluated, target, choose_workers(workers, target), console.progress_with_note
    )
    if finetuned:
        finetuned.require_same(evaluation)
    evaluations = [evaluation]
    if against is not None:
        other = find_weights(against, None, backbone, config.seed)
        console.say(str(other))
        evaluations.append(replace(evaluation, run=against, weights=other))
    for one in evaluations:
        refuse_leak(one, allow_leak)
    path, pairs = find_pairing(work, videos, pairing, config.seed, keep=not dry_run)
    setting = make_setting(work, store, complete, pairs, masks, truth, statistics_store)
    setting = replace(setting, finetuned=finetuned)
    if dry_run:
        for one in evaluations:
            tell_forecast(forecast_bias(one, complete, setting), "it is once a report like it is done.")
        return 0
    results = [report(one, complete, setting) for one in evaluations]
    show([one.run.resolve().name for one in evaluations], results)
    if as_json:
        paths = [bias_path(one, complete, setting) for one in evaluations]
        console.say_json([summarise(*made) for made in zip(results, paths, strict=True)])
    console.say(f"Pairing of videos and backgrounds, for --pairing on other machines: {path}")
    return 0


def refuse_wrong_pair(work: Path, against: Path | None, classifier: Path | None) -> None:
    """Raise unless a second RUN, if there is one, can be tested as the first is."""
    if against is None:
        return
    refuse_wrong_folders(work, against, None)
    if classifier is not None:
        raise ConfigurationError(
            "--against and --classifier exclude each other.",
            "Report on each finetuned network by itself, then: fame compare RUN RUN --protocol bias",
        )


def find_pairing(
    work: Path, videos: "LabelledVideos", given: Path | None, seed: int, *, keep: bool
) -> "tuple[Path, Pairing]":
    """The pairing that is given, or that of WORK for these test videos, and its file; ``keep`` writes it."""
    from fame_cli.evaluation.bias.pairing import (
        draw_pairing,
        keep_pairing,
        pairing_path,
        read_pairing,
        require_videos,
    )

    if given is None:
        path = pairing_path(work, videos, seed)
        pairs = keep_pairing(path, videos, seed) if keep or path.exists() else draw_pairing(videos, seed)
    else:
        path, pairs = given, read_pairing(given)
    require_videos(pairs, videos, path)
    return path, pairs


def make_setting(
    work: Path,
    store: "FrameStore",
    config: BiasConfig,
    pairing: "Pairing",
    masks: Path | None,
    truth: Path | None,
    statistics_store: str | None,
) -> "BiasSetting":
    """Where the masks of a report come from, and what it pairs."""
    from fame_cli.data.statistics import open_statistics_store
    from fame_cli.evaluation.bias.masks import FameMasks, MaskSource, open_masks
    from fame_cli.evaluation.bias.report import BiasSetting

    true_masks = open_masks(truth, store) if truth else None
    source: MaskSource
    if masks is not None:
        source = open_masks(masks, store)
    else:
        statistics = open_statistics_store(
            work, store, config.clip_frames, config.frame_stride, statistics_store
        )
        source = FameMasks(statistics, config.beta, config.variant)
    return BiasSetting(source, pairing, true_masks)


def report(evaluation: "Evaluation", config: BiasConfig, setting: "BiasSetting") -> "Result":
    """Make the report of one network, with its pictures, as far as they are not there."""
    from fame_cli.evaluation.bias.report import bias, bias_path
    from fame_cli.visualization.bias import draw_bias_chart
    from fame_cli.visualization.bias_clips import draw_bias_clips

    path = bias_path(evaluation, config, setting)
    there = path.exists()
    result = bias(evaluation, config, setting)
    pictures = evaluation.run / "pictures"
    clips, chart = pictures / f"clips-{path.stem}.png", pictures / f"chart-{path.stem}.png"
    if not clips.exists():
        draw_bias_clips(evaluation, config, setting, result, clips)
    draw_bias_chart({evaluation.run.resolve().name: result}, chart)
    if there:
        console.say(f"Nothing to do: already evaluated, in {path}")
    else:
        console.say(f"Done in {console.duration(result.seconds)}: {path}")
    console.say(f"Drawn: {clips}\nDrawn: {chart}")
    return result


def show(names: list[str], results: "list[Result]") -> None:
    """Print the table of one report, or of two side by side; what is said of it goes to standard error."""
    from fame_cli.evaluation.bias.differences import (
        bias_columns,
        bias_rows,
        describe_masks,
        require_same_clips,
    )
    from fame_cli.evaluation.leak import leak_note

    require_same_clips(results)
    columns = bias_columns(names if len(set(names)) == len(names) else ["first", "second"])
    console.table(title(results[0]), columns, bias_rows(results))
    console.say(
        f"Classifier: {results[0].bias['classifier']}. ↑ higher is better, ↓ lower is better; in brackets: "
        "95 % intervals, of differences in points and paired."
    )
    console.say(describe_masks(results[0].bias["masks"]))
    told = [note for result in results for note in (*result.notes, leak_note(result)) if note]
    for note in dict.fromkeys(told):
        console.warn(note)
