"""What charts share: an empty figure, its way into a PNG file, colours. Matplotlib without pyplot."""

import io
import warnings
from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fame_cli.disk import write_whole

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6A4C93", "#5C5C5C")
"""Told apart by colour-blind readers too (after Okabe and Ito); reused when there are more runs."""
METHOD_COLORS = {
    "MoCo": "#0072B2",
    "MoCo+FAME": "#D55E00",
    "MoCo+BE": "#009E73",
    "wide-micro": "#CC79A7",
    "supervised": "#6A4C93",
    "untrained": "#9A9AA0",
}
"""A method has one colour in all charts, whatever stands beside it."""


def colors_of(names: Sequence[str]) -> list[str]:
    """A colour for each run: a method's own if it is named like one, or else the next that is free."""
    taken = {METHOD_COLORS[name] for name in names if name in METHOD_COLORS}
    free = [color for color in COLORS if color not in taken] or COLORS
    others = [name for name in names if name not in METHOD_COLORS]
    chosen = {name: free[number % len(free)] for number, name in enumerate(others)}
    return [METHOD_COLORS.get(name) or chosen[name] for name in names]


def new_figure(width_inches: float, height_inches: float) -> Figure:
    figure = Figure(figsize=(width_inches, height_inches), dpi=100, facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.12)
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    data = io.BytesIO()
    with warnings.catch_warnings():
        # A name in letters that the font lacks is drawn as boxes; a warning for each letter helps nobody.
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(data, format="png")
    write_whole(path, data.getvalue())
