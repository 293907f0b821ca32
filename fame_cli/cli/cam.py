"""``fame visualize cam`` and ``saliency``: where networks look, and how much of it is foreground."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fame_cli.cli import console
from fame_cli.cli.masks import Frames, Work
from fame_cli.cli.options import choice, own_number, takes
from fame_cli.cli.visualize import (
    ANIMATION_FPS,
    Count,
    Output,
    Runs,
    Videos,
    open_frames,
    report_drawn,
    run_names,
)
from fame_cli.config import MaskConfig
from fame_cli.errors import ConfigurationError
from fame_cli.option import Option

if TYPE_CHECKING:
    from fame_cli.data.frames import FrameStore
    from fame_cli.visualization.cam_models import CamModel
    from fame_cli.visualization.pointing import Mean


Split = Annotated[str, typer.Option(help="Split to take videos from; all where it is empty.", metavar="TEXT")]
Protocol = Annotated[
    Literal["linear", "finetune"] | None,
    choice(
        "protocol",
        Literal["linear", "finetune"],
        help="Evaluation whose classifier is used.",
        show_default="the last one",
    ),
]
Truth = Annotated[
    Path | None,
    typer.Option(
        help="Folder of true masks of made videos: TRUTH/ID.png, where ID is the video's without suffix.",
        metavar="DIR",
    ),
]
Measured = Annotated[
    int,
    own_number(
        "measured", int, Option("Videos to measure activation on, those drawn among them.", at_least=1)
    ),
]


@takes(MaskConfig)
def cam(
    config: MaskConfig,
    work: Work,
    runs: Runs,
    output: Output = None,
    video: Videos = None,
    count: Count = 6,
    split: Split = "",
    protocol: Protocol = None,
    truth: Truth = None,
    measured: Measured = 100,
    frames: Frames = None,
) -> int:
    """Draw where networks look: class-agnostic and class activation maps over the frames (Figure 4).

    Class maps need a classifier: run fame eval linear or finetune first. Several runs are shown side by side.
    Each map is labelled with the share of activation inside what FAME keeps (and inside the true foreground,
    with --truth); the mean over more clips is printed. Writes cam.png, cam.gif and cam.json.
    """
    store = open_frames(work, frames)
    models = read_models(runs, store, protocol)
    return draw("cam", config, store, models, runs, output, video, count, split, truth, measured)


@takes(MaskConfig)
def saliency(
    config: MaskConfig,
    work: Work,
    runs: Runs,
    output: Output = None,
    video: Videos = None,
    count: Count = 6,
    split: Split = "",
    protocol: Protocol = None,
    truth: Truth = None,
    measured: Measured = 100,
    frames: Frames = None,
) -> int:
    """Draw where the decomposition of wide-micro finds motion, beside the maps of fame visualize cam.

    The weights of motion are those that a run of wide-micro was trained with; of other runs, those of its
    defaults. How much of them lies inside what FAME keeps (and inside the true foreground, with --truth) is
    measured as that of the activation. Writes saliency.png, saliency.gif and saliency.json.
    """
    from fame_cli.visualization.motion import motion_view_of

    store = open_frames(work, frames)
    models = [
        replace(model, motion=motion_view_of(run))
        for model, run in zip(read_models(runs, store, protocol), runs, strict=True)
    ]
    return draw("saliency", config, store, models, runs, output, video, count, split, truth, measured)


def read_models(runs: Sequence[Path], store: "FrameStore", protocol: str | None) -> "list[CamModel]":
    from fame_cli.visualization.cam_models import read_cam_model

    clips_of(runs)
    models = [
        read_cam_model(run, store, protocol or "", name)
        for run, name in zip(runs, run_names(runs), strict=True)
    ]
    require_one_protocol(models)
    return models


def draw(
    name: str,
    config: MaskConfig,
    store: "FrameStore",
    models: "Sequence[CamModel]",
    runs: Sequence[Path],
    output: Path | None,
    video: Sequence[str] | None,
    count: int,
    split: str,
    truth: Path | None,
    measured: int,
) -> int:
    """Ask the models about clips, and write picture, animation and measurements of that name."""
    from fame_cli.visualization.cam import cam_animation, cam_sheet
    from fame_cli.visualization.cam_models import cam_example, read_made_truth
    from fame_cli.visualization.examples import MaskOptions, choose_examples
    from fame_cli.visualization.pictures import save_gif, save_png
    from fame_cli.visualization.pointing import average, measure, write_focus

    clips = clips_of(runs)
    shape = (clips["clip_frames"], clips["frame_stride"], clips["crop_px"])
    options = MaskOptions(*shape, config.beta, config.variant)
    true_masks = read_made_truth(truth) if truth else None
    drawn = choose_examples(store, video or [], count, split)
    examples, shares = [], []
    with console.progress("measuring", "videos") as tell:
        others = [] if video else choose_examples(store, [], measured, split)
        video_indices = list(dict.fromkeys([*drawn, *others]))
        for done, video_index in enumerate(video_indices, start=1):
            example = cam_example(store, video_index, models, options, true_masks)
            shares += measure(example)
            if video_index in drawn:
                examples.append(example)
            tell(done, len(video_indices))
    folder = output or runs[0] / "pictures"
    save_png(folder / f"{name}.png", cam_sheet(examples))
    save_gif(folder / f"{name}.gif", cam_animation(examples), ANIMATION_FPS)
    about = {
        "runs": {model.name: model.evaluation for model in models},
        "frames": store.folder.name,
        "split": split,
        "mask": {"beta": config.beta, "variant": config.variant},
        "videos": len(video_indices),
    }
    write_focus(folder / f"{name}.json", about, shares)
    show_pointing(average(shares), config.variant, config.beta, len(video_indices))
    return report_drawn(*(folder / f"{name}.{suffix}" for suffix in ("png", "gif", "json")))


def require_one_protocol(models: "Sequence[CamModel]") -> None:
    """Say whose classifiers are asked; raise ConfigurationError where some are probes, some finetuned."""
    for model in models:
        if model.classifier is None:
            console.warn(f"{model.name} has no classifier: only class-agnostic maps (eval linear makes one).")
        else:
            console.say(f"{model.name}: classifier of {model.evaluation}")
    if len({model.evaluation.rpartition("-")[0] for model in models if model.classifier}) > 1:
        raise ConfigurationError(
            "the runs were last evaluated by different protocols; finetuning changed the backbones of some.",
            "Name one that all were evaluated by: --protocol linear, or finetune.",
        )


def clips_of(runs: Sequence[Path]) -> dict[str, int]:
    """Length, stride and size of the clips that all runs were pretrained on."""
    from fame_cli.evaluation.evaluation import clip_options, read_weights

    found = [clip_options(read_weights(run / "backbone.safetensors")) for run in runs]
    for run, clips in zip(runs, found, strict=True):
        if clips != found[0]:
            raise ConfigurationError(
                f"{runs[0]} and {run} were pretrained on other clips: {found[0]} and {clips}.",
                "Side by side, networks are shown the same clips: draw each by itself.",
            )
    return found[0]


def show_pointing(means: "Sequence[Mean]", variant: str, beta: float, videos: int) -> None:
    """Print how much of each map lies inside the masks, in percent."""
    masks = list(dict.fromkeys(mean.mask for mean in means))
    rows: dict[tuple[str, str], list[str]] = {}
    for mean in means:
        spread = "" if mean.std is None else f" ± {mean.std:.1f}"
        row = rows.setdefault((mean.model, mean.map), [f"{mean.model} {mean.map}".strip(), str(mean.clips)])
        row.append(f"{mean.percent:.1f}{spread}")
    titles = {"mask": f"{variant} mask, β {beta:g}", "truth": "true foreground"}
    console.table(
        f"% of the activation inside, mean ± standard deviation over {videos} clips",
        ["model", "clips", *(titles[mask] for mask in masks)],
        list(rows.values()),
    )
    console.say("FAME's own mask may favour a network trained with it; the true foreground does not.")
