"""What a page tells of the results of a run: all of them in a table, and each by itself."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fame_cli.evaluation.bias.differences import bias_columns, bias_rows, describe_masks
from fame_cli.evaluation.bias.report import PROTOCOL
from fame_cli.evaluation.comparable import decisive, describe_test, find_differences, in_a_name
from fame_cli.evaluation.leak import leak_note
from fame_cli.evaluation.results import Figure, Result, read_result
from fame_cli.evaluation.scores import confusion_matrix
from fame_cli.visualization.bars import draw_bars
from fame_cli.visualization.bias import draw_bias_chart
from fame_cli.visualization.confusion import draw_confusion
from fame_cli.visualization.provenance import duration
from fame_cli.visualization.report import Block, PagePicture, Table, Text

PROTOCOLS = ("linear", "finetune", "knn", "retrieval", PROTOCOL)
"""In the order of a page."""

BARS_CAPTION = "Bars: what was found. Thin lines: 95 % intervals. Dashed: what guessing gives."
BIAS_CAPTION = (
    "Dots: what was found. Lines: 95 % intervals. Dashed: what guessing gives. A network that goes by what "
    "moves stays high where the background was replaced, and falls to guessing where the foreground was "
    "removed."
)
CONFUSION_CAPTION = (
    "Which class was taken for which: true ones downwards, predicted ones to the right. A good classifier is "
    "strong on the diagonal and faint elsewhere."
)


def read_results(run: Path) -> dict[str, Result]:
    """Results of a run by the name of their file, in the order of protocols and then of time."""
    paths = sorted((run / "results").glob("*.json"), key=lambda path: path.stat().st_mtime)
    found = {path.stem: read_result(path) for path in paths}
    return dict(sorted(found.items(), key=lambda item: PROTOCOLS.index(item[1].protocol)))


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


def evaluation(run: Path, name: str, result: Result, method: str) -> Iterator[Block]:
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
        yield from bias_report(run, name, result, method)
        return
    yield from figures(run, name, result, method)


def bias_report(run: Path, name: str, result: Result, method: str) -> Iterator[Block]:
    """What the classifier made of altered clips: table, chart, and the clips themselves."""
    yield Text(describe_masks(result.bias["masks"]))
    caption = (
        f"Classifier: {result.bias['classifier']}. ↑ higher is better, ↓ lower is better. In brackets: 95 % "
        "intervals. Less as they are: paired difference to the unaltered clips, in points."
    )
    yield Table(bias_columns([run.resolve().name]), bias_rows([result]), caption)
    chart, clips = (run / "pictures" / f"{kind}-{name}.png" for kind in ("chart", "clips"))
    name = run.resolve().name
    draw_bias_chart({name: result}, chart, {name: method})
    yield PagePicture(chart, BIAS_CAPTION, chart=True)
    if clips.exists():
        yield PagePicture(clips, "What each test shows, on the same videos.")
    yield made_with(result)


def made_with(result: Result) -> Table:
    made = {**result.configuration, **result.training, "device": result.device, **result.versions}
    made["took"] = duration(result.seconds)
    made |= {"weights": result.weights.get("path", ""), "weights' fingerprint": result.weights["fingerprint"]}
    return Table(["made with", "value"], [[key, as_text(value)] for key, value in made.items()])


def figures(run: Path, name: str, result: Result, method: str) -> Iterator[Block]:
    rows = [[label, *figure_cells(figure), str(figure.k)] for label, figure in result.figures.items()]
    yield Table(["figure", "%", "95 % interval", "chance %", "videos", "k"], rows)
    bars = run / "pictures" / f"figures-{name}.png"
    network = run.resolve().name
    draw_bars(
        {label: {network: figure.percent} for label, figure in result.figures.items()},
        bars,
        value_label="% of the test videos",
        levels={label: figure.chance for label, figure in result.figures.items()},
        intervals={label: {network: figure.interval} for label, figure in result.figures.items()},
        methods={network: method},
    )
    yield PagePicture(bars, BARS_CAPTION, chart=True)
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
    return PagePicture(path, CONFUSION_CAPTION, chart=True)


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
