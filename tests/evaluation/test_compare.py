"""Results side by side: only what may be compared, with the right mean and spread."""

import csv
import dataclasses
import io
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fame_cli.cli.app import app
from fame_cli.errors import ArtefactError, ConfigurationError
from fame_cli.evaluation.compare import as_csv, as_latex, as_markdown, compare, find_results
from fame_cli.evaluation.results import Figure, Result, write_result


def result(percent: float, seed: int = 0, **changes: Any) -> Result:
    whole = Result(
        protocol="linear",
        figures={"top1": Figure(percent, 40, 25.0), "top5": Figure(100.0, 40, 100.0)},
        configuration={"clips": 10, "seed": seed},
        splits={
            "train": {"name": "train", "videos": 90},
            "test": {"name": "test", "videos": 40},
            "source": {"source": "ucf101", "split": 1},
        },
        classes=("a", "b"),
        weights={},
        frames={},
        device="cpu",
        versions={},
        seconds=1.0,
    )
    return dataclasses.replace(whole, **changes)


def test_row_shows_mean_and_standard_deviation_over_its_repetitions() -> None:
    groups = [("MoCo", [result(60.0), result(70.0, seed=1), result(65.0, seed=2)]), ("FAME", [result(81.25)])]
    assert compare(groups).cells() == [
        ["MoCo", "3", "65.0 ± 5.0", "100.0 ± 0.0"],
        ["FAME", "1", "81.2", "100.0"],
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"protocol": "finetune"}, "of several protocols: finetune, linear"),
        ({"configuration": {"clips": 1, "seed": 0}}, "--clips is 10 in one and 1 in another"),
        ({"classes": ("a", "c")}, "the list of classes"),
        (
            {
                "splits": {
                    "train": {"name": "train", "videos": 90},
                    "test": {"name": "test", "videos": 40},
                    "source": {"source": "ucf101", "split": 2},
                }
            },
            "split 2",
        ),
    ],
)
def test_results_of_different_tests_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        compare([("x", [result(50.0)]), ("y", [result(60.0, **changes)])])


def test_different_splits_are_mixed_when_asked_for_and_named() -> None:
    other = dict(result(0).splits, source={"source": "ucf101", "split": 2})
    mixed = compare([("x", [result(50.0), result(60.0, splits=other)])], mixed=True)
    assert mixed.cells()[0][2] == "55.0 ± 7.1"
    assert "(split 1)" in mixed.test
    assert "(split 2)" in mixed.test


def test_markdown_latex_and_csv_hold_the_same_figures() -> None:
    comparison = compare([("a_b|c", [result(60.0), result(70.0)]), ("d", [result(55.0)])])
    assert as_markdown(comparison).splitlines()[2] == "| a_b\\|c | 2 | 65.0 ± 7.1 | 100.0 ± 0.0 |"
    latex = as_latex(comparison)
    assert "a\\_b|c & 2 & 65.0 $\\pm$ 7.1 & 100.0 $\\pm$ 0.0 \\\\" in latex
    assert latex.startswith("\\begin{tabular}{lrrr}")
    rows = list(csv.DictReader(io.StringIO(as_csv(comparison))))
    assert (rows[0]["run"], float(rows[0]["top1"]), float(rows[0]["top1 std"])) == ("a_b|c", 65.0, 7.0711)
    assert (rows[1]["top1"], rows[1]["top1 std"]) == ("55.0", "")


def test_command_finds_the_results_of_runs_and_joins_runs_of_one_name(tmp_path: Path) -> None:
    for number, percent in enumerate((60.0, 70.0, 80.0)):
        write_result(tmp_path / f"run{number}" / "results" / "linear-1.json", result(percent, seed=number))
    write_result(tmp_path / "run0" / "results" / "knn-1.json", result(10.0, protocol="knn"))
    runs = [f"moco={tmp_path}/run0", f"moco={tmp_path}/run1", f"{tmp_path}/run2"]
    printed = CliRunner().invoke(app, ["compare", *runs, "--protocol", "linear", "--format", "csv"])
    assert printed.exit_code == 0, printed.output
    assert printed.output.splitlines()[1:] == ["moco,2,65.0,7.0711,100.0,0.0", "run2,1,80.0,,100.0,"]
    refused = CliRunner().invoke(app, ["compare", *runs])
    assert refused.exit_code == 2
    assert "Name the one to compare: --protocol" in refused.output


def test_folder_without_results_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"holds no result of linear[\s\S]*fame eval"):
        find_results(tmp_path, "linear")
