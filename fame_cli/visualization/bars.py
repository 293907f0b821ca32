"""Bars of what evaluations found, with their intervals and what guessing would give."""

import textwrap
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from fame_cli.visualization.charts import (
    CHANCE_COLOR,
    colors_of,
    draw_chance,
    draw_legend,
    dress,
    new_figure,
    save_figure,
)
from fame_cli.visualization.text import printable

Groups = Mapping[str, Mapping[str, float]]


def draw_bars(
    groups: Groups,
    path: Path,
    *,
    value_label: str = "top-1 accuracy (%)",
    chance: float | None = None,
    levels: Mapping[str, float] | None = None,
    intervals: Mapping[str, Mapping[str, tuple[float, float]]] | None = None,
    methods: Mapping[str, str] | None = None,
) -> None:
    """Draw ``groups[group][run] = value`` as groups of bars, a bar a run with its value on it, into a PNG.

    A run that a group lacks is shown as "none".

    Args:
        groups: values by group and run.
        path: of the PNG.
        value_label: what the values are.
        chance: the value that guessing gives, a dashed line.
        levels: the same for each group, where it differs.
        intervals: ends of each value's interval, as ``groups``; a run may lack one.
        methods: the method of runs by their name, see ``colors_of``.
    """
    runs = list(dict.fromkeys(run for values in groups.values() for run in values))
    assert runs, "bars need at least one value"
    colors = colors_of(runs, methods)
    heights = np.array([[values.get(run, np.nan) for values in groups.values()] for run in runs])
    figure = new_figure(max(6.0, 1.5 + 0.5 * len(groups) * (len(runs) + 1)), 4.6)
    axes = figure.subplots()
    dress(axes, value_label)
    width, tops = 0.8 / max(2, len(runs)), [0.0]
    for number, (run, color) in enumerate(zip(runs, colors, strict=True)):
        places = np.arange(len(groups)) + width * (number - (len(runs) - 1) / 2)
        axes.bar(places, np.nan_to_num(heights[number]), 0.92 * width, color=color)
        for group, place, height in zip(groups, places, heights[number], strict=True):
            ends = (intervals or {}).get(group, {}).get(run)
            tops.append(draw_value(axes, place, height, ends))
    labels = [textwrap.fill(printable(name), 18) for name in groups]
    if levels and len(set(levels.values())) == 1:
        chance, levels = next(iter(levels.values())), None
    if chance is not None:
        draw_chance(axes, {chance})
    if levels:
        draw_levels(axes, [levels[name] for name in groups])
        # Beneath, where no line or bar can cross it.
        labels = [f"{label}\nchance {levels[name]:.4g}" for label, name in zip(labels, groups, strict=True)]
    axes.set_ylim(0, 1.12 * max(*tops, chance or 0.0, *(levels or {}).values(), 1e-9))
    axes.set_xlim(-0.6, len(groups) - 0.4)
    axes.set_xticks(range(len(groups)), labels)
    for label in axes.get_xticklabels():
        label.set_parse_math(False)
    axes.tick_params(axis="x", length=0)
    draw_legend(figure, runs, colors)
    save_figure(figure, path)


def draw_value(axes: Axes, place: float, height: float, ends: tuple[float, float] | None) -> float:
    """Write a bar's value above it, and above its interval if it has one; returns how high that is."""
    text, top = ("none", 0.0) if np.isnan(height) else (f"{height:.1f}", float(height))
    if ends is not None:
        axes.plot([place, place], ends, color=CHANCE_COLOR, linewidth=1.3)
        top = max(top, ends[1])
    note = axes.annotate(text, (place, top), (0, 4), textcoords="offset points", ha="center", va="bottom")
    # Opaque, so that the chance line does not run through the figure.
    note.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.6})
    return top


def draw_levels(axes: Axes, levels: list[float]) -> None:
    """A short dashed line through each group at the value that guessing gives there."""
    for number, level in enumerate(levels):
        ends = (number - 0.44, number + 0.44)
        axes.plot(ends, (level, level), color=CHANCE_COLOR, linestyle="--", linewidth=1.3)
