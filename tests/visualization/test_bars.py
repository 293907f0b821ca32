"""Bars have their heights, values, intervals and levels of chance."""

import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from fame_cli.visualization import bars
from fame_cli.visualization.bars import draw_bars
from fame_cli.visualization.charts import METHOD_COLORS


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that were saved, for a look at what they hold."""
    figures: list[Figure] = []
    monkeypatch.setattr(bars, "save_figure", lambda figure, _path: figures.append(figure))
    return figures


GROUPS = {"same background": {"MoCo": 96.2, "FAME": 94.1}, "other background": {"MoCo": 61.0}}


def test_bars_have_their_heights_and_print_their_values(tmp_path: Path, drawn: list[Figure]) -> None:
    draw_bars(GROUPS, tmp_path / "bars.png", chance=12.5)
    (axes,) = drawn[0].axes
    assert [bar.get_height() for bar in axes.patches] == [96.2, 61.0, 94.1, 0]
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["96.2", "61.0", "94.1", "none", "chance\n12.5"]
    assert [bar.get_facecolor() for bar in axes.patches[::2]] == [
        pytest.approx(to_rgba(METHOD_COLORS[name])) for name in ("MoCo", "MoCo+FAME")
    ]


def test_bars_of_a_group_stand_side_by_side_around_its_name(tmp_path: Path, drawn: list[Figure]) -> None:
    draw_bars({"a": {"x": 1.0, "y": 2.0, "z": 3.0}}, tmp_path / "bars.png")
    edges = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in drawn[0].axes[0].patches]
    assert edges == sorted(edges)
    assert all(right < left for (_, right), (left, _) in pairwise(edges))
    assert edges[0][0] == pytest.approx(-edges[-1][1])


def test_without_chance_no_line_is_drawn(tmp_path: Path, drawn: list[Figure]) -> None:
    draw_bars(GROUPS, tmp_path / "bars.png")
    assert len(drawn[0].axes[0].lines) == 0


def test_intervals_are_lines_from_end_to_end_with_the_value_above(
    tmp_path: Path, drawn: list[Figure]
) -> None:
    ends = {"a": {"x": (30.0, 70.0)}}
    draw_bars({"a": {"x": 50.0, "y": 20.0}}, tmp_path / "bars.png", intervals=ends)
    (axes,) = drawn[0].axes
    assert [np.asarray(line.get_ydata()).tolist() for line in axes.lines] == [[30.0, 70.0]]
    assert [text.xy[1] for text in axes.texts] == [70.0, 20.0]  # type: ignore[attr-defined]
    assert axes.get_ylim()[1] > 70


def test_each_group_can_have_a_chance_of_its_own(tmp_path: Path, drawn: list[Figure]) -> None:
    draw_bars({"a": {"x": 50.0}, "b": {"x": 90.0}}, tmp_path / "bars.png", levels={"a": 12.5, "b": 62.5})
    (axes,) = drawn[0].axes
    assert [np.asarray(line.get_ydata()).tolist() for line in axes.lines] == [[12.5, 12.5], [62.5, 62.5]]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a\nchance 12.5", "b\nchance 62.5"]


def test_one_chance_of_all_groups_is_one_line(tmp_path: Path, drawn: list[Figure]) -> None:
    draw_bars({"a": {"x": 50.0}, "b": {"x": 90.0}}, tmp_path / "bars.png", levels={"a": 12.5, "b": 12.5})
    (axes,) = drawn[0].axes
    assert len(axes.lines) == 1
    assert [text.get_text() for text in axes.texts][-1] == "chance\n12.5"


def test_names_of_groups_and_runs_are_shown_as_they_are(tmp_path: Path) -> None:
    names = ["_hidden", "cost $x_{$", "日本", "bad\udcff"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_bars({name: dict.fromkeys(names, 1.0) for name in names}, tmp_path / "bars.png")
    assert (tmp_path / "bars.png").stat().st_size > 1000
