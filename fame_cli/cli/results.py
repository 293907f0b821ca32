"""What the terminal shows of an evaluation: figures, the ends of its classes, what has to be known."""

import re
import statistics
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fame_cli.cli import console

if TYPE_CHECKING:
    from fame_cli.evaluation.results import Figure, Result

CLASSES_SHOWN = 3
OF_EACH_VIDEO = ("predictions", "queries")


def show_result(result: "Result") -> None:
    """Print the figures of a result; what is said of them goes to standard error."""
    from fame_cli.evaluation.leak import leak_note

    rows = [
        [
            label(name, figure.k),
            f"{figure.percent:.2f}",
            interval(figure),
            f"{figure.chance:.2f}",
            str(figure.videos),
        ]
        for name, figure in result.figures.items()
    ]
    console.table(title(result), ["figure", "%", "95 % interval", "chance %", "test videos"], rows)
    if result.class_figures:
        console.say(classes_line(result.class_figures))
    for note in (*result.notes, leak_note(result)):
        if note:
            console.warn(note)


def summarise(result: "Result", path: Path) -> dict[str, Any]:
    """A result as plain values, without what it has of each video, and where all of it is."""
    values = asdict(result)
    values["bias"].pop("hits", None)
    return {"path": str(path), **{name: values[name] for name in values if name not in OF_EACH_VIDEO}}


def title(result: "Result") -> str:
    """Of the table: what was tested, on how many clips of each video, and whether it was seen before."""
    from fame_cli.evaluation.results import leak_mark

    clips = result.configuration["clips"]
    split, classes = result.splits["test"]["name"], len(result.classes)
    mark = leak_mark(result.seen_test_videos, result.related_test_videos)
    leak = f" (leak: {mark})" if mark else ""
    kept = f", only what {result.keep_only['masks']} keeps" if result.keep_only else ""
    chosen = ", epoch chosen on the test videos" if "epoch" in result.training else ""
    shown = f"{clips} clips a video{kept}{chosen}{leak}"
    return f"{result.protocol} on split {split!r}, {classes} classes, {shown}"


def interval(figure: "Figure") -> str:
    return "{:.1f} – {:.1f}".format(*figure.interval)


def label(name: str, k: int) -> str:
    """A figure's name, with the k that it was capped to."""
    return name if re.search(rf"\D{k}$", name) else f"{name} (k = {k})"


def classes_line(figures: "dict[str, Figure]") -> str:
    """Mean over the classes, and those at either end; the result's file has them all."""
    ordered = sorted(figures.items(), key=lambda item: item[1].percent)
    mean = statistics.fmean(figure.percent for figure in figures.values())
    told = f"mean of {len(figures)} learned classes with test videos {mean:.2f} %"
    if len(ordered) <= 2 * CLASSES_SHOWN:
        return f"{told}: {describe_figures(ordered)}"
    lowest, highest = describe_figures(ordered[:CLASSES_SHOWN]), describe_figures(ordered[-CLASSES_SHOWN:])
    return f"{told}; lowest {lowest}; highest {highest}"


def describe_figures(figures: "list[tuple[str, Figure]]") -> str:
    return ", ".join(f"{name} {figure.percent:.1f}" for name, figure in figures)
