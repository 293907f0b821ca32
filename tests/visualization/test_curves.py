"""Curves are drawn for every run, whatever its name and length."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb as color_to_rgb
from matplotlib.figure import Figure
from PIL import Image

from fame_cli.errors import ArtefactError
from fame_cli.visualization import curves
from fame_cli.visualization.charts import COLORS, METHOD_COLORS
from fame_cli.visualization.curves import draw_curves, smooth

pytestmark = pytest.mark.libraries


def metrics(count: int, chance: float = 6.24) -> list[dict[str, float]]:
    return [
        {"step": step, "loss": 6 - step / count, "chance": chance, "accuracy": 0.5, "learning_rate": 0.01}
        for step in range(count)
    ]


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def pixels_of(picture: np.ndarray, color: str) -> int:
    rgb = np.rint(np.array(color_to_rgb(color)) * 255).astype(int)
    return int((np.abs(picture.astype(int) - rgb).max(axis=2) <= 2).sum())


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that were saved, for a look at what they hold."""
    figures: list[Figure] = []
    save = curves.save_figure

    def keep(figure: Figure, path: Path) -> None:
        figures.append(figure)
        save(figure, path)

    monkeypatch.setattr(curves, "save_figure", keep)
    return figures


def test_smoothing_is_the_mean_of_the_neighbours_and_fewer_at_the_ends() -> None:
    values = np.array([0.0, 3.0, 6.0, 3.0])
    assert np.allclose(smooth(values, 3), [1.5, 3, 4, 4.5])
    assert np.array_equal(smooth(values, 1), values)


def test_smoothing_leaves_out_values_that_are_not_finite() -> None:
    assert np.allclose(smooth(np.array([2.0, np.nan, 4.0]), 3), [2, 3, 4])
    assert np.isnan(smooth(np.array([np.nan, np.nan]), 1)).all()


def test_every_run_has_its_colour_in_lines_and_legend(tmp_path: Path, drawn: list[Figure]) -> None:
    draw_curves({"MoCo": metrics(60), "MoCo+FAME": metrics(30)}, tmp_path / "curves.png")
    picture = read(tmp_path / "curves.png")
    assert picture.shape == (880, 2400, 3)  # sharp where it is enlarged
    assert pixels_of(picture, COLORS[0]) > 200
    assert pixels_of(picture, COLORS[1]) > 200
    assert pixels_of(picture, COLORS[2]) == 0
    for axes in drawn[0].axes:
        assert {line.get_color() for line in axes.lines if line.get_linestyle() == "-"} == set(COLORS[:2])


def test_chance_is_a_dashed_line_in_the_loss_panel_alone(tmp_path: Path, drawn: list[Figure]) -> None:
    draw_curves({"a": metrics(9), "b": metrics(9), "c": metrics(9, chance=7.6)}, tmp_path / "curves.png")
    dashed = [
        [float(line.get_ydata()[0]) for line in axes.lines if line.get_linestyle() == "--"]
        for axes in drawn[0].axes
    ]
    assert dashed == [[6.24, 7.6], [], []]


def test_a_long_run_has_a_faint_raw_and_a_strong_smooth_line(tmp_path: Path, drawn: list[Figure]) -> None:
    draw_curves({"a": metrics(100)}, tmp_path / "curves.png")
    raw, smoothed = drawn[0].axes[2].lines
    assert (raw.get_alpha(), smoothed.get_alpha()) == (0.25, None)
    assert len(np.asarray(raw.get_ydata())) == 100


def test_accuracy_is_shown_in_percent(tmp_path: Path, drawn: list[Figure]) -> None:
    draw_curves({"a": metrics(3)}, tmp_path / "curves.png")
    assert np.allclose(np.asarray(drawn[0].axes[1].lines[0].get_ydata(), dtype=float), 50)


def test_a_run_of_one_step_is_drawn_as_a_dot(tmp_path: Path, drawn: list[Figure]) -> None:
    draw_curves({"a": metrics(1)}, tmp_path / "curves.png")
    assert drawn[0].axes[0].lines[0].get_marker() == "o"


def test_a_diverged_loss_and_missing_columns_leave_gaps(tmp_path: Path) -> None:
    rows = [{"step": 0.0, "loss": 6.0}, {"step": 1.0, "loss": float("nan")}, {"step": 2.0}]
    draw_curves({"a": rows}, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 1000


def test_a_run_without_steps_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="run empty has no logged steps"):
        draw_curves({"good": metrics(3), "empty": []}, tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()


def test_names_are_shown_as_they_are(tmp_path: Path, drawn: list[Figure]) -> None:
    names = ["_hidden", "cost $x_{$", "日本", "bad\udcff"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_curves({name: metrics(3) for name in names}, tmp_path / "curves.png")
    for figure in drawn:
        shown = [text.get_text() for text in figure.legends[0].get_texts()]
        assert shown == ["_hidden", "cost $x_{$", "日本", "bad�"]


def test_more_runs_than_colours_are_drawn(tmp_path: Path) -> None:
    draw_curves({f"run {number}": metrics(2) for number in range(len(COLORS) + 2)}, tmp_path / "curves.png")


def test_a_run_has_the_colour_of_its_method_whatever_its_name(tmp_path: Path, drawn: list[Figure]) -> None:
    draw_curves({"mine": metrics(3)}, tmp_path / "curves.png", {"mine": "MoCo+FAME"})
    assert drawn[0].axes[0].lines[0].get_color() == METHOD_COLORS["MoCo+FAME"]
