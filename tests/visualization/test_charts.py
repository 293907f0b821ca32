"""A method has one colour in every chart."""

from fame_cli.visualization.charts import COLORS, METHOD_COLORS, colors_of


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
