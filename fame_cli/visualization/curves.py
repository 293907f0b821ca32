"""Curves of pretraining runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from fame_cli.errors import ArtefactError
from fame_cli.visualization.charts import (
    colors_of,
    draw_chance,
    draw_legend,
    dress,
    new_figure,
    save_figure,
)


def draw_curves(
    runs: Mapping[str, Sequence[Mapping[str, float]]], path: Path, methods: Mapping[str, str] | None = None
) -> None:
    """Draw loss with its chance level, accuracy and learning rate of runs over steps into a PNG.

    A run is the rows of its metrics.jsonl: step, loss, chance, accuracy (share in [0, 1]), learning_rate.
    Faint: each row; strong: its moving average. ``methods``: see ``colors_of``.
    """
    for name, rows in runs.items():
        if not rows:
            raise ArtefactError(f"The run {name} has no logged steps.", "Pretrain it for at least one step.")
    figure, colors = new_figure(12.0, 4.4), colors_of(list(runs), methods)
    panels = figure.subplots(1, 3)
    columns = (
        ("loss", "loss", 1.0),
        ("accuracy", "accuracy (%)", 100.0),
        ("learning_rate", "learning rate", 1.0),
    )
    for axes, (key, title, factor) in zip(panels, columns, strict=True):
        dress(axes, title)
        axes.set_xlabel("step")
        for color, rows in zip(colors, runs.values(), strict=True):
            _draw_line(axes, _column(rows, "step"), factor * _column(rows, key), color)
    draw_chance(panels[0], {float(f"{_last_finite(_column(rows, 'chance')):.4g}") for rows in runs.values()})
    for axes in panels[1:]:
        highest = axes.dataLim.y1
        axes.set_ylim(0, 1.05 * highest if 0 < highest < np.inf else 1)
    draw_legend(figure, list(runs), colors)
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
