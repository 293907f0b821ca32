"""``fame eval masks``: masks against true ones."""

import itertools
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fame_cli.cli import console
from fame_cli.cli.options import AsJson, output_folder, own_number, repeatable, takes
from fame_cli.cli.workers import Jobs, available_cores
from fame_cli.option import Option
from fame_cli.segmentation.protocol import MaskProtocol, MaskSetting

if TYPE_CHECKING:
    from fame_cli.segmentation.scores import Figures, MaskScores
    from fame_cli.segmentation.sequences import TrueSequence

SEQUENCES_NAMED = 5
TITLES = {"auc": "AUC", "recall": "recall", "precision": "precision", "iou": "IoU"}


Variants = Annotated[list[str] | None, repeatable(MaskSetting, "variant")]
Motions = Annotated[list[str] | None, repeatable(MaskSetting, "motion")]
Hues = Annotated[list[str] | None, repeatable(MaskSetting, "hue")]


@takes(MaskProtocol)
def masks(
    config: MaskProtocol,
    truth: Annotated[
        Path,
        typer.Option(
            help="Folder of sequences: DIR/SEQUENCE/{frames,masks}, DIR/SET/SEQUENCE/{frames,masks}, DAVIS.",
            metavar="DIR",
        ),
    ],
    output: Annotated[Path, output_folder("Folder for masks.json and masks.png.", "OUT")],
    names: Annotated[
        Path | None,
        typer.Option(
            "--sequences",
            help="Text file of sequences to score, a name a line, such as DAVIS's ImageSets/2016/val.txt.",
            metavar="FILE",
            show_default="all",
        ),
    ] = None,
    variant: Variants = None,
    motion: Motions = None,
    hue: Hues = None,
    count: Annotated[
        int,
        own_number(
            "count", int, Option("Sequences in the picture, the worst and the best.", at_least=1, at_most=64)
        ),
    ] = 8,
    jobs: Jobs = None,
    as_json: AsJson = False,
) -> int:
    """Score masks against true object masks, such as those of DAVIS, SBI or CDnet.

    AUC: how often a pixel of the object has a higher soft mask than one of the background (0.5 is chance).
    Recall, precision and IoU are of the hard mask, which keeps --beta of all pixels: a random mask has a
    recall of --beta. Each figure is the mean over a sequence's clips, then over sequences.

    A pixel is object if it is object in more than half of a clip's frames; pixels that any frame ignores do
    not count, nor do clips with fewer than 20 object pixels. Grey masks: above 127 is object, 170 and 85 are
    ignored; coloured masks (DAVIS 2017): everything but black is object.

    Every combination of the given --variant, --motion and --hue is scored. Writes OUT/masks.json with all
    figures down to each clip, and OUT/masks.png with the worst and the best sequences.
    """
    settings = combinations(variant=variant, motion=motion, hue=hue)
    from fame_cli.segmentation.scores import setting_record, write_scores
    from fame_cli.segmentation.scoring import score_masks
    from fame_cli.segmentation.sequences import choose_sequences, find_sequences

    started = time.monotonic()
    sequences = find_sequences(truth)
    if names is not None:
        sequences = choose_sequences(sequences, names)
    with console.progress("scoring", "sequences") as tell:
        scores = score_masks(sequences, settings, config, jobs or available_cores(), tell)
    write_scores(output / "masks.json", scores, truth, time.monotonic() - started)
    draw(output / "masks.png", scores, sequences, count)
    show(scores)
    if as_json:
        settings_told = [setting_record(scores, number) for number in range(len(scores.settings))]
        console.say_json({"path": str(output / "masks.json"), "settings": settings_told})
    console.say(f"Done in {console.duration(time.monotonic() - started)}: {output / 'masks.json'}, masks.png")
    return 0


def combinations(**values: list[str] | None) -> list[MaskSetting]:
    """Every combination of the values given, in their order; of what is not given, the default alone.

    Of those that make the same masks, such as "gauss" with and without the camera's motion, only the first.
    """
    given = {name: chosen for name, chosen in values.items() if chosen}
    distinct: dict[tuple[str, ...], MaskSetting] = {}
    for choice in itertools.product(*given.values()):
        setting = MaskSetting.from_dict(dict(zip(given, choice, strict=True)))
        distinct.setdefault(setting.decisive, setting)
    return list(distinct.values())


def draw(path: Path, scores: "MaskScores", sequences: "list[TrueSequence]", count: int) -> None:
    from fame_cli.visualization.mask_scores import examples_of, mask_score_sheet
    from fame_cli.visualization.pictures import save_png

    with console.progress("drawing", "sequences") as tell:
        examples = examples_of(scores, sequences, count, tell)
    save_png(path, mask_score_sheet(examples, scores.settings, scores.best))


def show(scores: "MaskScores") -> None:
    """Print the figures and say what was left out."""
    if len(scores.settings) == 1:
        show_sequences(scores)
    else:
        show_settings(scores)
    clips = sum(len(sequence.windows) for sequence in scores.sequences)
    for reason, number in scores.left_out.items():
        console.warn(f"{number} of {clips} clips left out: {reason}")
    if unscored := [sequence.name for sequence in scores.sequences if not sequence.scored]:
        more = f" and {len(unscored) - SEQUENCES_NAMED} more" if len(unscored) > SEQUENCES_NAMED else ""
        console.warn(printable(f"no clip was scored of {', '.join(unscored[:SEQUENCES_NAMED])}{more}"))


def show_sequences(scores: "MaskScores") -> None:
    """One setting: a row a sequence, and the means."""
    rows = [
        [printable(sequence.name), str(len(sequence.scored)), *cells(sequence.mean(0))]
        for sequence in scores.scored
    ]
    for group in [*(group for group in scores.groups if group), None]:
        chosen = [sequence for sequence in scores.scored if group in (None, sequence.group)]
        name = f"mean of {printable(group)}" if group else "mean"
        clips = sum(len(sequence.scored) for sequence in chosen)
        rows.append([name, str(clips), *cells(scores.mean(0, group))])
    title = f"{scores.settings[0].name}, β = {scores.protocol.beta:g}"
    console.table(title, ["sequence", "clips", *TITLES.values()], rows)


def show_settings(scores: "MaskScores") -> None:
    """Several settings: a row each, with the AUC of each set of sequences and the means over all."""
    groups = [group for group in scores.groups if group]
    rows = [
        [
            setting.name,
            *(f"{scores.mean(number, group)['auc']:.3f}" for group in groups),
            *cells(scores.mean(number)),
        ]
        for number, setting in enumerate(scores.settings)
    ]
    title = f"means over {len(scores.scored)} sequences, β = {scores.protocol.beta:g}"
    console.table(title, ["masks", *(f"AUC {printable(group)}" for group in groups), *TITLES.values()], rows)


def cells(figures: "Figures") -> list[str]:
    return [f"{figures[name]:.3f}" for name in TITLES]


def printable(name: str) -> str:
    from fame_cli.data.sources.check import escape_name

    return escape_name(name)
