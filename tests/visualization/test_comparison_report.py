"""Several runs on one page: results beside each other, paired differences, and what the runs differ in."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_report import Reader
from test_run_report import NASTY, ROW, begun, result
from typer.testing import CliRunner

from fame_cli.cli.app import app
from fame_cli.evaluation.results import Figure, Prediction, Result, write_result
from fame_cli.visualization.comparison_report import differing, report_comparison
from fame_cli.visualization.pictures import save_png

pytestmark = pytest.mark.libraries


def answered(rights: str, **changes: Any) -> Result:
    """A linear probe that has the videos marked with 1 right."""
    predictions = tuple(
        Prediction(f"{number}.avi", "jump", "jump" if right == "1" else NASTY, 0.9, right == "1")
        for number, right in enumerate(rights)
    )
    figures = {"top1": Figure(100 * rights.count("1") / len(rights), len(rights), 50.0, 1, (20.0, 80.0))}
    return result("linear", predictions=predictions, figures=figures, **changes)


@pytest.fixture
def runs(tmp_path: Path) -> dict[str, Path]:
    """Two runs of 8 test videos: the second alone has 4 right that the first has wrong, the first alone 1."""
    found = {}
    for name, beta, rights in (("moco", 1.0, "11000001"), ("<i>mine", 0.3, "01111101")):
        found[name] = tmp_path / name
        begun(found[name], beta=beta).add_metrics([ROW | {"step": step} for step in range(3)])
        write_result(found[name] / "results" / "linear-aaaaaaaaaa.json", answered(rights))
        save_png(found[name] / "pictures" / "cam.png", np.zeros((4, 4, 3), np.uint8))
    save_png(found["moco"] / "pictures" / "only.png", np.zeros((4, 4, 3), np.uint8))
    return found


def page_of(runs: dict[str, Path], folder: Path) -> Reader:
    report_comparison(runs, folder / "comparison.html")
    return Reader((folder / "comparison.html").read_text(encoding="utf-8"))


def rows_of(page: Reader) -> list[list[str]]:
    """Cells of all tables, by rows."""
    found: list[list[str]] = []
    for tag, text in page.text:
        if tag == "th":
            found.append([text])
        elif tag == "td":
            found[-1].append(text)
    return [row for row in found if len(row) > 1]


def test_results_stand_side_by_side_with_the_paired_difference(runs: dict[str, Path], tmp_path: Path) -> None:
    page = page_of(runs, tmp_path)
    assert page.texts("h1") == ["moco · <i>mine"]
    assert page.texts("h2") == ["Results", "linear", "How they learned", "What they differ in", "Pictures"]
    rows = rows_of(page)
    assert ["moco", "1", "37.5 (20.0 – 80.0)"] in rows
    assert ["<i>mine", "1", "75.0 (20.0 – 80.0)"] in rows
    (paired,) = [row for row in rows if row[0] == "<i>mine less moco"]
    assert paired[1:3] == ["top1", "+37.5"]
    assert paired[4:] == ["4", "1", "0.38"]  # McNemar: 2 · (1 + 5) / 2⁵ = 0.375


def test_only_what_differs_is_shown_of_the_options(runs: dict[str, Path], tmp_path: Path) -> None:
    rows = rows_of(page_of(runs, tmp_path))
    assert ["beta", "1", "0.3"] in rows
    assert not any(row[0] in ("batch_size", "objective", "seed") for row in rows)


def test_pictures_that_all_have_stand_side_by_side(runs: dict[str, Path], tmp_path: Path) -> None:
    page = page_of(runs, tmp_path)
    # Overview, two confusions, curves, and cam of both; the picture that one alone has is left to its report.
    assert len(page.attributes("img")) == 6
    assert page.texts("figcaption")[-2:] == ["moco", "<i>mine"]
    assert [div.get("class") for div in page.attributes("div")].count("side") == 2


def test_results_of_other_tests_are_sections_of_their_own(runs: dict[str, Path], tmp_path: Path) -> None:
    other = answered("11", configuration=result("linear").configuration | {"clips": 2})
    write_result(runs["moco"] / "results" / "linear-bbbbbbbbbb.json", other)
    page = page_of(runs, tmp_path)
    assert page.texts("h2")[:3] == ["Results", "linear --clips 10", "linear --clips 2"]


def test_weights_of_others_are_rows_of_their_own(runs: dict[str, Path], tmp_path: Path) -> None:
    random = answered("00000000", weights={"path": "random", "fingerprint": "1"})
    write_result(runs["moco"] / "results" / "linear-bbbbbbbbbb.json", random)
    rows = rows_of(page_of(runs, tmp_path))
    assert [row[0] for row in rows][:3] == ["moco: backbone.safetensors", "moco: random", "<i>mine"]


def test_repetitions_have_a_mean_and_no_paired_difference(runs: dict[str, Path], tmp_path: Path) -> None:
    again = answered("11111111", configuration=result("linear").configuration | {"seed": 1})
    write_result(runs["moco"] / "results" / "linear-bbbbbbbbbb.json", again)
    rows = rows_of(page_of(runs, tmp_path))
    assert ["moco", "2", "68.8 ± 44.2"] in rows
    assert not any("less" in row[0] for row in rows)


def test_bias_reports_of_three_runs_share_a_table_and_a_chart(tmp_path: Path) -> None:
    figure = Figure(50.0, 2, 50.0, 1, (1.0, 99.0))
    bias = {"hits": {"as_they_are": [1, 0]}, "classifier": "linear", "masks": {"title": "m", "kept": 0.5}}
    report = dataclasses.replace(answered("10"), protocol="bias", figures={"as_they_are": figure}, bias=bias)
    runs = {name: tmp_path / name for name in ("a", "b", "c")}
    for run in runs.values():
        write_result(run / "results" / "bias-aaaaaaaaaa.json", report)
    page = page_of(runs, tmp_path)
    assert page.texts("h2") == ["Results", "bias"]
    assert ["↑ as they are", *["50.0 (1–99)"] * 3, *["+0.0 (-65.8 to +65.8)"] * 2, "50.0", "2"] in rows_of(
        page
    )
    assert {"b less a", "c less a"} <= set(page.texts("th"))


def test_a_value_that_one_run_lacks_differs() -> None:
    assert differing({"a": {"x": 1, "y": 2}, "b": {"x": 1}}) == [["y", "2", "–"]]


def test_command_writes_the_page_into_the_folder_that_holds_all_runs(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    printed = CliRunner().invoke(app, ["report", f"plain={runs['moco']}", str(runs["<i>mine"])])
    assert printed.exit_code == 0, printed.output
    page = Reader((tmp_path / "comparison.html").read_text())
    assert page.texts("h1") == ["plain · <i>mine"]
    assert not list(tmp_path.glob("*/report.html"))


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["{moco}", "{moco}"], 2, "is named twice"),
        (["a={moco}", "a={mine}"], 2, "2 runs are named a"),
        (["{moco}", "{nothing}"], 4, "holds neither a pretraining nor a result"),
        (["{moco}", "{mine}", "-o", "page.html"], 2, "which receives comparison.html"),
    ],
)
def test_what_cannot_be_compared_is_told(
    runs: dict[str, Path], tmp_path: Path, words: list[str], code: int, told: str
) -> None:
    places = {"moco": runs["moco"], "mine": runs["<i>mine"], "nothing": tmp_path / "nothing"}
    printed = CliRunner().invoke(app, ["report", *(word.format(**places) for word in words)])
    assert printed.exit_code == code
    assert told in " ".join(printed.output.split())
    assert not (tmp_path / "comparison.html").exists()
