"""What charts share: an empty figure, its way into a PNG file, colours. Matplotlib without pyplot."""

import io
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from fame_cli.disk import write_whole
from fame_cli.visualization.text import printable, shorten, text_width

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


CHANCE_COLOR = "#44444A"
NAME_WIDTH_PX = 300
SCREEN_DPI, FILE_DPI = 100, 200
"""Charts are laid out at the first and written at the second, so that they stay sharp where enlarged."""


def colors_of(names: Sequence[str], methods: Mapping[str, str] | None = None) -> list[str]:
    """A colour for each run: its method's own, or else the next that is free.

    ``methods`` tells the method of runs by their name; others are of the method that they are named like. Of
    several runs of one method the first has its colour, so that they can be told apart.
    """
    chosen: dict[str, str] = {}
    for name in names:
        color = METHOD_COLORS.get((methods or {}).get(name) or method_named(name))
        if color and color not in chosen.values():
            chosen[name] = color
    taken = set(chosen.values())
    free = [color for color in COLORS if color not in taken] or COLORS
    others = [name for name in dict.fromkeys(names) if name not in chosen]
    chosen |= {name: free[number % len(free)] for number, name in enumerate(others)}
    return [chosen[name] for name in names]


def method_named(name: str) -> str:
    """The method that a run is named after, such as "MoCo+FAME" by "moco-fame" or "FAME"; else the name."""
    known = {method.casefold(): method for method in METHOD_COLORS}
    known |= {"fame": "MoCo+FAME", "be": "MoCo+BE", "wide+micro": "wide-micro"}
    return known.get(re.sub(r"[-_ ]", "+", name.casefold()), name)


def new_figure(width_inches: float, height_inches: float) -> Figure:
    figure = Figure(figsize=(width_inches, height_inches), dpi=SCREEN_DPI, facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.12)
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    data = io.BytesIO()
    with warnings.catch_warnings():
        # A name in letters that the font lacks is drawn as boxes; a warning for each letter helps nobody.
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(data, format="png", dpi=FILE_DPI)
    write_whole(path, data.getvalue())


def dress(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)


def draw_chance(axes: Axes, levels: Iterable[float]) -> None:
    """Dashed lines through the axes at the values that guessing gives."""
    for level in sorted(level for level in levels if isfinite(level)):
        axes.axhline(level, color=CHANCE_COLOR, linestyle="--", linewidth=1.3, zorder=2)
        # Beside the axes, where no line or bar can cross it.
        place = axes.get_yaxis_transform()
        axes.text(1.01, level, f"chance\n{level:.4g}", transform=place, va="center", color=CHANCE_COLOR)


def draw_legend(figure: Figure, names: Sequence[str], colors: Sequence[str]) -> None:
    """The names of runs beneath a chart, each with its colour."""
    texts = [shorten(printable(name), NAME_WIDTH_PX, 14) for name in names]
    handles = [Patch(color=color) for color in colors]
    entry_px = 70 + max(text_width(text, 14) for text in texts)
    columns = max(1, min(len(names), int(figure.get_figwidth() * figure.dpi) // entry_px))
    legend = figure.legend(
        handles, ["run"] * len(names), loc="outside lower center", ncols=columns, frameon=False
    )
    # Set afterwards: matplotlib hides labels with a leading underscore (before 3.10) and reads $ as math.
    for label, text in zip(legend.get_texts(), texts, strict=True):
        label.set_parse_math(False)
        label.set_text(text)
