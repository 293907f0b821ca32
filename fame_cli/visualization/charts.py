"""An empty figure and its way into a PNG file. Matplotlib without pyplot: no global state."""

import io
import warnings
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fame_cli.disk import write_whole


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
