"""Which classes a classifier takes for which: its confusion matrix as a picture."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fame_cli.visualization.charts import new_figure, save_figure
from fame_cli.visualization.text import printable, shorten

NUMBERED_CLASSES = 24
"""With more classes than this, the share in a cell would be too small to read."""
NAME_WIDTH_PX = 170
LEAST_SIDE = 6.5
"""Inches in which the title has room."""


def draw_confusion(counts: NDArray[np.int64], names: Sequence[str], path: Path, title: str) -> None:
    """Draw a confusion matrix (K, K), truth downwards and prediction to the right, into a PNG.

    A cell's shade is its share of the videos of its row; a class without test videos has an empty row. With
    few classes each cell tells its share in percent.
    """
    K = len(names)
    videos = counts.sum(axis=1, keepdims=True)
    shares = 100 * counts / np.maximum(videos, 1)
    side = max(min(0.5 * K if K <= NUMBERED_CLASSES else 0.16 * K, 20.0) + 3.4, LEAST_SIDE)
    figure = new_figure(side + 0.9, side)
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    bar = figure.colorbar(image, ax=axes, shrink=0.7)
    bar.set_label("% of the videos of the true class")
    labels = [shorten(printable(name), NAME_WIDTH_PX, 14, at="end") for name in names]
    size = 9 if K <= NUMBERED_CLASSES else max(4.0, min(9.0, 900 / K))
    axes.set_xticks(range(K), labels, rotation=90, fontsize=size)
    axes.set_yticks(range(K), labels, fontsize=size)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set_parse_math(False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold", parse_math=False)
    axes.tick_params(length=0)
    if K <= NUMBERED_CLASSES:
        for row, column in zip(*np.nonzero(counts), strict=True):
            shade = "white" if shares[row, column] > 55 else "#222222"
            text = f"{shares[row, column]:.0f}"
            axes.text(column, row, text, ha="center", va="center", color=shade, fontsize=9)
    save_figure(figure, path)
