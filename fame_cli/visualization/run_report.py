"""All that is known of a run on one page: what it was asked, how it learned, what each evaluation found."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fame_cli import record
from fame_cli.config import PretrainConfig
from fame_cli.configuration import flatten
from fame_cli.data.manifest import is_work
from fame_cli.errors import ArtefactError
from fame_cli.evaluation.bias.differences import bias_columns, bias_rows, describe_masks
from fame_cli.evaluation.bias.report import PROTOCOL
from fame_cli.evaluation.comparable import decisive, describe_test, find_differences, in_a_name
from fame_cli.evaluation.leak import leak_note
from fame_cli.evaluation.results import Figure, Result, read_result
from fame_cli.evaluation.scores import confusion_matrix
from fame_cli.learning.key_leak import read_key_leak
from fame_cli.learning.run import RunFolder
from fame_cli.visualization.bias import draw_bias_chart
from fame_cli.visualization.confusion import draw_confusion
from fame_cli.visualization.curves import draw_bars, draw_curves
from fame_cli.visualization.report import PagePicture, Section, Table, Text, write_report

Block = Text | Table | PagePicture

GALLERY = {
    "cam.png": "Where the networks look: class-agnostic maps, and maps of the predicted class.",
    "cam.gif": "The same clips, playing.",
    "retrieval.png": "Test videos and their nearest training videos.",
}
"""Pictures of ``fame visualize`` that belong to a run, with their captions."""
OWN_PICTURES = ("curves", "confusion-", "figures-", "chart-", "clips-")
"""How names of pictures begin that the report draws itself, or that others drew of the same."""


def report_run(run: Path, path: Path) -> None:
    """Write the page about a RUN folder to ``path``.

    Raises ArtefactError where the folder holds neither a pretraining nor a result.
    """
    results = read_results(run)
    headings = titles(results)
    folder = RunFolder(run)
    if is_work(run):
        raise ArtefactError(
            f"{run} is a WORK folder: it holds a manifest.csv.", "Give the folder of a pretraining, a RUN."
        )
    if not (results or folder.config.exists()):
        raise ArtefactError(
            f"{run} holds neither a pretraining nor a result.", "Give the folder that fame pretrain made."
        )
    sections = [Section("Results", overview(results, headings))]
    if folder.config.exists():
        sections.append(Section("Pretraining", list(pretraining(folder))))
    sections += [
        Section(headings[name], list(evaluation(run, name, result))) for name, result in results.items()
    ]
    sections += list(galleries(run / "pictures"))
    if folder.config.exists():
        sections.append(Section("Configuration", list(configuration(folder))))
    write_report(path, run.resolve().name, sections)


def read_results(run: Path) -> dict[str, Result]:
    """Results of a run by the name of their file, in the order of protocols and then of time."""
    paths = sorted((run / "results").glob("*.json"), key=lambda path: path.stat().st_mtime)
    found = {path.stem: read_result(path) for path in paths}
    order = ("linear", "finetune", "knn", "retrieval", PROTOCOL)
    return dict(sorted(found.items(), key=lambda item: order.index(item[1].protocol)))


def overview(results: Mapping[str, Result], headings: Mapping[str, str]) -> list[Block]:
    if not results:
        return [Text("Nothing was evaluated yet.")]
    rows = [
        [headings[name], first, *figure_cells(figure), describe_test(result), leak_cell(result)]
        for name, result in results.items()
        for first, figure in list(result.figures.items())[:1]
    ]
    columns = ["evaluation", "figure", "%", "95 % interval", "chance %", "videos", "test", "seen before"]
    return [
        Table(
            columns,
            rows,
            "First figure of each evaluation; the digits name its file in results/.",
        ),
        Text("Seen before: test videos that the pretraining saw."),
    ]


def figure_cells(figure: Figure) -> list[str]:
    low, high = figure.interval
    return [f"{figure.percent:.1f}", f"{low:.1f} – {high:.1f}", f"{figure.chance:.1f}", str(figure.videos)]


def leak_cell(result: Result) -> str:
    return "not known" if result.seen_test_videos is None else str(result.seen_test_videos)


KEY_LEAK = (
    "Own: keys as the training computes them. Mixed: keys computed among clips of other videos. What the "
    "accuracy loses by that was told by the statistics of a batch, not by the clip; a few points are chance."
)
KEY_LEAK_IS_LARGE = (
    "That is much: queries find their keys by whom they were normalised with, which teaches the backbone "
    "nothing. Pretrain with a smaller --batch-norm-clips, or a larger --batch-size."
)


def pretraining(folder: RunFolder) -> Iterator[Block]:
    """How the run learned: where it stands, and its curves."""
    rows = folder.read_metrics()
    if troubles := folder.metrics_troubles():
        yield Text(f"{folder.metrics.name} is damaged: {'; '.join(troubles)}. Curves show what can be read.")
    if not rows:
        yield Text("No step was measured yet.")
        return
    last = rows[-1]
    state = "Finished" if folder.backbone.exists() else "Not finished"
    yield Text(
        f"{state}: {len(rows)} steps measured. Last: loss {last['loss']:.3f} (one that knows nothing: "
        f"{last['chance']:.3f}){accuracy_of(last)}."
    )
    if leak := read_key_leak(folder.key_leak):
        told = f"{str(leak).capitalize()}. "
        yield Text(told + (KEY_LEAK_IS_LARGE if leak.is_large else KEY_LEAK))
    path = folder.folder / "pictures" / "curves.png"
    draw_curves({folder.folder.resolve().name: rows}, path)
    yield PagePicture(path, "Faint: each step; strong: the moving average; dashed: guessing.")


def accuracy_of(row: Mapping[str, float]) -> str:
    return f", accuracy {100 * row['accuracy']:.1f} %" if "accuracy" in row else ""


def titles(results: Mapping[str, Result]) -> dict[str, str]:
    """A heading for each evaluation: its protocol, what it differs in from others of it, and its digits."""
    found = {}
    for name, result in results.items():
        same = [other for other in results.values() if other.protocol == result.protocol]
        known = decisive(result)
        told = [in_a_name(what, result) for what in find_differences(same) if what in known]
        if len({other.weights.get("path") for other in same}) > 1:
            told.append(f"of {result.weights.get('path')}")
        # The digits tell evaluations apart that differ in their seed alone.
        found[name] = f"{result.protocol} {', '.join(told)} ({name.rpartition('-')[2]})".replace("  ", " ")
    return found


def evaluation(run: Path, name: str, result: Result) -> Iterator[Block]:
    """One evaluation: its figures, what has to be known of them, its pictures, and what made it."""
    train = result.splits["train"]
    yield Text(
        f"{describe_test(result)}; learned from {train['videos']} videos of split {train['name']!r}, "
        f"{len(result.classes)} classes."
    )
    for note in (*result.notes, leak_note(result)):
        if note:
            yield Text(note)
    if result.protocol == PROTOCOL:
        yield from bias_report(run, name, result)
        return
    yield from figures(run, name, result)


def bias_report(run: Path, name: str, result: Result) -> Iterator[Block]:
    """What the classifier made of altered clips: table, chart, and the clips themselves."""
    yield Text(describe_masks(result.bias["masks"]))
    caption = (
        f"Classifier: {result.bias['classifier']}. ↑ higher is better, ↓ lower is better. In brackets: 95 % "
        "intervals. Less as they are: paired difference to the unaltered clips, in points."
    )
    yield Table(bias_columns([run.resolve().name]), bias_rows([result]), caption)
    chart, clips = (run / "pictures" / f"{kind}-{name}.png" for kind in ("chart", "clips"))
    draw_bias_chart({run.resolve().name: result}, chart)
    yield PagePicture(chart, "Every test, with its 95 % interval.")
    if clips.exists():
        yield PagePicture(clips, "What each test shows, on the same videos.")
    yield made_with(result)


def made_with(result: Result) -> Table:
    made = {**result.configuration, **result.training, "device": result.device, **result.versions}
    made |= {"weights": result.weights.get("path", ""), "weights' fingerprint": result.weights["fingerprint"]}
    return Table(["made with", "value"], [[key, as_text(value)] for key, value in made.items()])


def figures(run: Path, name: str, result: Result) -> Iterator[Block]:
    rows = [[label, *figure_cells(figure), str(figure.k)] for label, figure in result.figures.items()]
    yield Table(["figure", "%", "95 % interval", "chance %", "videos", "k"], rows)
    bars = run / "pictures" / f"figures-{name}.png"
    draw_bars(
        {
            label: {"found": figure.percent, "guessing": figure.chance}
            for label, figure in result.figures.items()
        },
        bars,
        value_label="% of the test videos",
    )
    yield PagePicture(bars, "What was found, and what guessing would give.")
    if result.predictions:
        yield confusion(run, name, result)
        rows = [[label, *figure_cells(figure)] for label, figure in result.class_figures.items()]
        yield Table(["class", "%", "95 % interval", "chance %", "videos"], rows, "Top-1 of each class.")
    yield made_with(result)


def confusion(run: Path, name: str, result: Result) -> PagePicture:
    top1 = result.figures["top1"]
    path = run / "pictures" / f"confusion-{name}.png"
    title = f"{result.protocol}: top-1 {top1.percent:.1f} % of {top1.videos} videos"
    draw_confusion(confusion_matrix(result.predictions, result.classes), result.classes, path, title)
    return PagePicture(
        path, "Which class was taken for which: true ones downwards, predicted ones to the right."
    )


def galleries(pictures: Path) -> Iterator[Section]:
    """The pictures that fame visualize drew of this run, and the activation that it measured."""
    known = [
        PagePicture(pictures / name, text) for name, text in GALLERY.items() if (pictures / name).exists()
    ]
    others = [
        PagePicture(path, path.name)
        for path in sorted(pictures.glob("*"))
        if path.suffix in (".png", ".gif")
        and path.name not in GALLERY
        and not path.name.startswith(OWN_PICTURES)
    ]
    blocks: list[Block] = [*known, *others]
    if (pictures / "cam.json").exists():
        blocks.insert(0, focus_table(pictures / "cam.json"))
    if blocks:
        yield Section("Pictures", blocks)


def focus_table(path: Path) -> Table:
    """Means of ``cam.json``: how much of the activation lies inside masks."""
    record.require_as_written(path, "Draw it again (visualize cam).")
    try:
        measured = json.loads(path.read_text(encoding="utf-8"))
        rows = [
            [
                f"{mean['model']} {mean['map']}".strip(),
                mean["mask"],
                *("–" if mean[key] is None else f"{mean[key]:.1f}" for key in ("percent", "std")),
                str(mean["clips"]),
            ]
            for mean in measured["means"]
        ]
        mask = "{variant}, β {beta:g}".format(**measured["mask"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtefactError(f"{path}: cannot be read ({error}).", "Draw it again (visualize cam).") from error
    caption = f"Share of the activation inside masks (mask: {mask}; truth: the true foreground)."
    return Table(["model and map", "inside", "%", "standard deviation", "clips"], rows, caption)


def configuration(folder: RunFolder) -> Iterator[Table]:
    """Every option beside its default, which data was read, and on which machine."""
    asked = folder.read()
    options: Mapping[str, Any] = asked["pretrain"]
    # Each method has its own defaults, so they are those of the methods that were chosen.
    chosen = {key: {"name": value["name"]} for key, value in options.items() if isinstance(value, Mapping)}
    defaults = flatten(PretrainConfig.from_dict(chosen).to_dict())
    rows = [
        [name, as_text(value), as_text(defaults.get(name, ""))] for name, value in flatten(options).items()
    ]
    rows.sort(key=lambda row: row[1] == row[2])
    yield Table(["option", "value", "default"], rows, "Options of the pretraining, changed ones first.")
    yield Table(["data", "value"], pairs(asked["data"]))
    if values := folder.read_environment():
        yield Table(["environment", "value"], pairs(values))


def pairs(values: Mapping[str, Any]) -> list[list[str]]:
    return [[name, as_text(value)] for name, value in values.items()]


def as_text(value: object) -> str:
    match value:
        case float():
            return f"{value:g}"
        case Sequence() if not isinstance(value, str):
            return ", ".join(map(as_text, value)) or "–"
        case _:
            return str(value)
