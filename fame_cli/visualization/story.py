"""The method in one picture: a video, its foreground, the merged clip, and what networks made of it."""

import textwrap
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from fame_cli.visualization.charts import CHANCE_COLOR, colors_of, new_figure, save_figure
from fame_cli.visualization.masks import MergeExample, cut_out
from fame_cli.visualization.pictures import RGB

CLIP_COLUMNS, BAR_COLUMN = 3, 1.35
"""Widths of the pictures and of the bars, a clip's picture being 1."""


def draw_story(example: MergeExample, accuracies: Mapping[str, float], chance: float, path: Path) -> None:
    """One row: the middle frame of a clip, its foreground, the merged clip, and top-1 (%) of each network.

    ``accuracies`` are of networks probed where the background misleads, by name; ``chance`` is a dashed line.
    """
    middle = len(example.foreground) // 2
    frames = [
        example.foreground[middle],
        cut_out(example.foreground[middle], example.mask),
        example.merged[middle],
    ]
    titles = ["a video", "its foreground", "on another's background"]
    figure = new_figure(12.0, 3.5)
    panels = figure.subplots(1, 4, width_ratios=[1] * CLIP_COLUMNS + [BAR_COLUMN])
    for axes, frame, title in zip(panels, frames, titles, strict=False):
        show_frame(axes, frame, title)
    draw_accuracies(panels[-1], accuracies, chance)
    save_figure(figure, path)


def show_frame(axes: Axes, frame: RGB, title: str) -> None:
    axes.imshow(frame, interpolation="nearest")
    axes.set_title(title, fontsize=11)
    axes.set_axis_off()


def draw_accuracies(axes: Axes, accuracies: Mapping[str, float], chance: float) -> None:
    names, values = list(accuracies), np.array(list(accuracies.values()))
    rows = np.arange(len(names))[::-1]
    axes.barh(rows, values, 0.62, color=colors_of(names))
    for row, value in zip(rows, values, strict=True):
        note = axes.annotate(f"{value:.0f} %", (value, row), (5, 0), textcoords="offset points", va="center")
        # Opaque, so that the line of guessing does not run through the figure.
        note.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1.0})
    axes.axvline(chance, color=CHANCE_COLOR, linestyle="--", linewidth=1.2)
    axes.annotate(
        "guessing", (chance, -0.6), (4, 0), textcoords="offset points", color=CHANCE_COLOR, va="center"
    )
    axes.set_yticks(rows, [textwrap.fill(name, 14) for name in names])
    axes.set_xlim(0, 1.2 * max(values.max(), chance, 1))
    axes.set_ylim(-0.9, len(names) - 0.4)
    axes.set_xticks([])
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.set_title("motion named; the background lies", fontsize=11)
