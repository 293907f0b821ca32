"""What is printed of an evaluation's classes, against means done by hand."""

from fame_cli.cli.results import classes_line
from fame_cli.evaluation.results import Figure


def figures(*percents: float) -> dict[str, Figure]:
    return {f"c{number}": Figure(percent, 4, 10.0) for number, percent in enumerate(percents)}


def test_few_classes_are_all_named_from_lowest_to_highest() -> None:
    line = classes_line(figures(75.0, 25.0, 50.0))
    assert line == "mean of 3 learned classes with test videos 50.00 %: c1 25.0, c2 50.0, c0 75.0"


def test_of_many_classes_the_ends_are_named() -> None:
    line = classes_line(figures(10, 90, 30, 70, 50, 20, 80, 50))
    assert line == (
        "mean of 8 learned classes with test videos 50.00 %; lowest c0 10.0, c5 20.0, c2 30.0; "
        "highest c3 70.0, c6 80.0, c1 90.0"
    )
