"""Curves of pretraining runs and bars of their evaluations."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from fame_cli.errors import ArtefactError
from fame_cli.visualization.charts import colors_of, new_figure, save_figure
from fame_cli.visualization.text import printable, shorten, text_width

CHANCE_COLOR = "#44444A"
NAME_WIDTH_PX = 300


def draw_curves(runs: Mapping[str, Sequence[Mapping[str, float]]], path: Path) -> None:
    """Draw loss with its chance level, accuracy and learning rate of runs over steps into a PNG.

    A run is the rows of its metrics.jsonl: step, loss, chance, accuracy (share in [0, 1]), learning_rate.
    Faint: each row; strong: its moving average.
    """
    for name, rows in runs.items():
        if not rows:
            raise ArtefactError(f"The run {name} has no logged steps.", "Pretrain it for at least one step.")
    figure = new_figure(12.0, 4.4)
    panels = figure.subplots(1, 3)
    columns = (
        ("loss", "loss", 1.0),
        ("accuracy", "accuracy (%)", 100.0),
        ("learning_rate", "learning rate", 1.0),
    )
    for axes, (key, title, factor) in zip(panels, columns, strict=True):
        _dress(axes, title)
        axes.set_xlabel("step")
        for color, rows in zip(colors_of(list(runs)), runs.values(), strict=True):
            _draw_line(axes, _column(rows, "step"), factor * _column(rows, key), color)
    _draw_chance(panels[0], {float(f"{_last_finite(_column(rows, 'chance')):.4g}") for rows in runs.values()})
    for axes in panels[1:]:
        highest = axes.dataLim.y1
        axes.set_ylim(0, 1.05 * highest if 0 < highest < np.inf else 1)
    draw_legend(figure, list(runs))
    save_figure(figure, path)


def draw_bars(
    groups: Mapping[str, Mapping[str, float]],
    path: Path,
    *,
    value_label: str = "top-1 accuracy (%)",
    chance: float | None = None,
) -> None:
    """Draw ``groups[set][run] = value`` as groups of bars, a bar a run with its value on it, into a PNG.

    ``chance`` is a dashed line at the value that guessing gives. A run that a group lacks is shown as "none".
    """
    runs = list(dict.fromkeys(run for values in groups.values() for run in values))
    assert runs, "bars need at least one value"
    heights = np.array([[values.get(run, np.nan) for values in groups.values()] for run in runs])
    figure = new_figure(max(6.0, 1.5 + 0.5 * len(groups) * (len(runs) + 1)), 4.6)
    axes = figure.subplots()
    _dress(axes, value_label)
    width = 0.8 / max(2, len(runs))
    for number, color in enumerate(colors_of(runs)):
        places = np.arange(len(groups)) + width * (number - (len(runs) - 1) / 2)
        axes.bar(places, np.nan_to_num(heights[number]), 0.92 * width, color=color)
        for place, height in zip(places, heights[number], strict=True):
            _write_value(axes, place, height)
    axes.set_ylim(0, 1.12 * max(np.nan_to_num(heights).max(), chance or 0.0, 1e-9))
    axes.set_xlim(-0.6, len(groups) - 0.4)
    axes.set_xticks(range(len(groups)), [textwrap.fill(printable(name), 18) for name in groups])
    for label in axes.get_xticklabels():
        label.set_parse_math(False)
    axes.tick_params(axis="x", length=0)
    if chance is not None:
        _draw_chance(axes, {chance})
    draw_legend(figure, runs)
    save_figure(figure, path)


def smooth(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Centred moving average over up to ``window`` values (fewer at the ends), leaving out NaN."""
    finite = np.isfinite(values)
    box = np.ones(min(window, len(values)))
    total = np.convolve(np.where(finite, values, 0), box, mode="same")
    count = np.convolve(finite, box, mode="same")
    mean: NDArray[np.float64] = np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0.5)
    return mean


def _column(rows: Sequence[Mapping[str, float]], key: str) -> NDArray[np.float64]:
    return np.array([row.get(key, float("nan")) for row in rows], dtype=np.float64)


def _last_finite(values: NDArray[np.float64]) -> float:
    finite = values[np.isfinite(values)]
    return float(finite[-1]) if len(finite) else float("nan")


def _draw_line(axes: Axes, steps: NDArray[np.float64], values: NDArray[np.float64], color: str) -> None:
    window = max(1, len(values) // 25)
    if window > 1:
        axes.plot(steps, values, color=color, alpha=0.25, linewidth=0.8)
    marker = "o" if len(values) == 1 else ""
    axes.plot(steps, smooth(values, window), color=color, linewidth=2.0, marker=marker)


def _draw_chance(axes: Axes, levels: set[float]) -> None:
    for level in sorted(level for level in levels if np.isfinite(level)):
        axes.axhline(level, color=CHANCE_COLOR, linestyle="--", linewidth=1.3, zorder=2)
        # Beside the axes, where no line or bar can cross it.
        place = axes.get_yaxis_transform()
        axes.text(1.01, level, f"chance\n{level:.4g}", transform=place, va="center", color=CHANCE_COLOR)


def _write_value(axes: Axes, place: float, height: float) -> None:
    text, top = ("none", 0.0) if np.isnan(height) else (f"{height:.1f}", height)
    note = axes.annotate(text, (place, top), (0, 4), textcoords="offset points", ha="center", va="bottom")
    # Opaque, so that the chance line does not run through the figure.
    note.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.6})


def _dress(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)


def draw_legend(figure: Figure, names: Sequence[str]) -> None:
    texts = [shorten(printable(name), NAME_WIDTH_PX, 14) for name in names]
    handles = [Patch(color=color) for color in colors_of(names)]
    entry_px = 70 + max(text_width(text, 14) for text in texts)
    columns = max(1, min(len(names), int(figure.get_figwidth() * figure.dpi) // entry_px))
    legend = figure.legend(
        handles, ["run"] * len(names), loc="outside lower center", ncols=columns, frameon=False
    )
    # Set afterwards: matplotlib hides labels with a leading underscore (before 3.10) and reads $ as math.
    for label, text in zip(legend.get_texts(), texts, strict=True):
        label.set_parse_math(False)
        label.set_text(text)
