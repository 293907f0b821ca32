"""A method has one colour in every chart."""

from pathlib import Path

import pytest
from PIL import Image

from fame_cli.visualization.charts import (
    COLORS,
    FILE_DPI,
    METHOD_COLORS,
    colors_of,
    new_figure,
    save_figure,
)


def test_a_method_has_its_colour_whatever_stands_beside_it() -> None:
    assert colors_of(["untrained", "MoCo", "MoCo+FAME"]) == [
        METHOD_COLORS[name] for name in ("untrained", "MoCo", "MoCo+FAME")
    ]
    assert colors_of(["MoCo+FAME"]) == colors_of(["MoCo", "MoCo+FAME"])[1:]


def test_other_runs_take_the_colours_that_are_free() -> None:
    assert colors_of(["run 1", "run 2"]) == list(COLORS[:2])
    mixed = colors_of(["run 1", "MoCo", "run 2"])
    assert len(set(mixed)) == 3
    assert mixed[1] == METHOD_COLORS["MoCo"]


def test_there_are_colours_for_any_number_of_runs() -> None:
    names = [f"run {number}" for number in range(20)] + list(METHOD_COLORS)
    assert len(colors_of(names)) == len(names)


@pytest.mark.parametrize(
    ("name", "method"),
    [("moco", "MoCo"), ("fame", "MoCo+FAME"), ("moco-fame", "MoCo+FAME"), ("MoCo_BE", "MoCo+BE")],
)
def test_a_run_named_after_a_method_has_its_colour(name: str, method: str) -> None:
    assert colors_of([name]) == [METHOD_COLORS[method]]


def test_a_run_has_the_colour_of_the_method_that_it_is_told_to_be_of() -> None:
    methods = {"run 1": "MoCo+FAME", "run 2": "MoCo", "moco": "MoCo+BE"}
    assert colors_of(["run 1", "run 2", "moco"], methods) == [
        METHOD_COLORS[name] for name in ("MoCo+FAME", "MoCo", "MoCo+BE")
    ]


def test_two_runs_of_one_method_are_told_apart() -> None:
    first, second = colors_of(["seed 0", "seed 1"], dict.fromkeys(("seed 0", "seed 1"), "MoCo+FAME"))
    assert first == METHOD_COLORS["MoCo+FAME"]
    assert second != first


def test_a_chart_is_written_sharper_than_it_is_shown(tmp_path: Path) -> None:
    save_figure(new_figure(3, 2), tmp_path / "chart.png")
    with Image.open(tmp_path / "chart.png") as image:
        assert image.size == (3 * FILE_DPI, 2 * FILE_DPI)
        assert round(image.info["dpi"][0]) == FILE_DPI
