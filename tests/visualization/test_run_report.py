"""The page about a run holds all that the run holds, escaped, and fetches nothing."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_report import Reader
from typer.testing import CliRunner

from fame_cli.cli.app import app
from fame_cli.config import PretrainConfig
from fame_cli.errors import ArtefactError
from fame_cli.evaluation.results import Figure, Neighbour, Prediction, Query, Result, write_result
from fame_cli.learning.pretraining_set import NOTHING
from fame_cli.learning.run import RunFolder
from fame_cli.visualization.pictures import save_png
from fame_cli.visualization.run_report import report_run, titles

pytestmark = pytest.mark.libraries

NASTY = "<b>walk</b> & $x_1$ \"quoted\" 'run'"
ROW = {"loss": 3.21, "chance": 4.17, "accuracy": 0.25, "learning_rate": 0.01, "samples_per_second": 9.0}


def result(protocol: str, **changes: Any) -> Result:
    whole = Result(
        protocol=protocol,
        figures={"top1": Figure(62.5, 8, 50.0, 1, (30.6, 86.3)), "top5": Figure(100.0, 8, 100.0, 2)},
        configuration={"clips": 10, "milestones": [60, 80], "note": NASTY},
        splits={
            "train": {"name": "train", "videos": 12},
            "test": {"name": "test", "videos": 8},
            "source": {"source": "ucf101", "split": 2},
            "content": "0a",
        },
        classes=(NASTY, "jump"),
        weights={"path": "backbone.safetensors", "fingerprint": "0123456789"},
        frames={},
        device="cpu",
        versions={"torch": "2"},
        seconds=1.0,
        notes=(NASTY,),
        predictions=(Prediction("a.avi", NASTY, "jump", 0.7, False),) * 8,
        class_figures={NASTY: Figure(0.0, 8, 50.0, 1, (0.0, 32.4))},
        seen_test_videos=0,
    )
    return dataclasses.replace(whole, **changes)


def begun(run: Path, **options: Any) -> RunFolder:
    folder = RunFolder(run)
    folder.begin(PretrainConfig.from_options(**options).to_dict(), {"frames": NASTY}, NOTHING, resume=False)
    return folder


def page_of(run: Path) -> tuple[Reader, str]:
    report_run(run, run / "report.html")
    text = (run / "report.html").read_text(encoding="utf-8")
    return Reader(text), text


def test_page_tells_options_curves_and_every_evaluation(tmp_path: Path) -> None:
    run = tmp_path / "<i>run"
    begun(run, beta=0.3).add_metrics([ROW | {"step": step} for step in range(3)])
    write_result(run / "results" / "linear-aaaaaaaaaa.json", result("linear"))
    paper = result("linear").configuration | {"train_on": "clips", "seed": 3}
    other = result("linear", configuration=paper, seen_test_videos=None)
    write_result(run / "results" / "linear-bbbbbbbbbb.json", other)
    query = Query("q.avi", "jump", (Neighbour("n.avi", "jump", 0.9),), True)
    recall = result("retrieval", predictions=(), class_figures={}, queries=(query,), seen_test_videos=5)
    write_result(run / "results" / "retrieval-cccccccccc.json", recall)
    page, text = page_of(run)
    assert page.texts("h1") == ["<i>run"]
    assert page.texts("h2") == [
        *("Results", "Pretraining", "linear (aaaaaaaaaa)", "linear --train-on clips (bbbbbbbbbb)"),
        *("retrieval (cccccccccc)", "Configuration"),
    ]
    rows = [row.split("<td") for row in text.split("<tr>")]
    assert any("beta" in row[0] and "0.3" in row[1] and "0.5" in row[2] for row in rows if len(row) == 3)
    cells = page.texts("td")
    for cell in ("62.5", "30.6 – 86.3", "50.0", "8 videos of ucf101 (split 2), split 'test'", "not known"):
        assert cell in cells, cell
    assert any("3 steps measured" in paragraph and "3.210" in paragraph for paragraph in page.texts("p"))
    assert "Leak: the pretraining saw 5 of 8 test videos, so these figures tell" in text
    assert len(page.attributes("img")) == 1 + 2 * 2 + 1  # curves; two with confusion, one without
    assert cells.count(NASTY) == 4  # the data once, the option of three evaluations
    assert "<b>" not in text
    assert all((image["src"] or "").startswith("data:image/png") for image in page.attributes("img"))


def test_pictures_and_measured_activation_are_shown_where_they_were_made(tmp_path: Path) -> None:
    begun(tmp_path / "run")
    pictures = tmp_path / "run" / "pictures"
    for name in ("cam.png", "mine.png", "confusion-linear.png"):
        save_png(pictures / name, np.zeros((4, 4, 3), np.uint8))
    means = [
        {"model": NASTY, "map": "class-agnostic", "mask": "truth", "percent": 61.25, "std": None, "clips": 9}
    ]
    mask = {"variant": "fame", "beta": 0.5}
    (pictures / "cam.json").write_text(json.dumps({"mask": mask, "means": means}))
    page, _ = page_of(tmp_path / "run")
    assert page.texts("h2") == ["Results", "Pretraining", "Pictures", "Configuration"]
    assert "mine.png" in page.texts("figcaption")
    assert len(page.attributes("img")) == 2
    assert {"truth", "61.2", "–", "9"} <= set(page.texts("td"))
    assert f"{NASTY} class-agnostic" in page.texts("th")
    (pictures / "cam.json").write_text("{")
    with pytest.raises(ArtefactError, match=r"cam\.json: cannot be read[\s\S]*visualize cam"):
        page_of(tmp_path / "run")


def test_folder_of_results_alone_has_a_page_and_an_empty_one_has_none(tmp_path: Path) -> None:
    write_result(tmp_path / "random" / "results" / "knn-aaaaaaaaaa.json", result("knn"))
    page, _ = page_of(tmp_path / "random")
    assert page.texts("h2") == ["Results", "knn (aaaaaaaaaa)"]
    printed = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert printed.exit_code == 4
    assert "holds neither a pretraining nor a result" in " ".join(printed.output.split())
    assert not (tmp_path / "report.html").exists()


def test_command_writes_the_page_where_it_is_asked_to(tmp_path: Path) -> None:
    begun(tmp_path / "run")
    page = tmp_path / "pages" / "report.html"
    printed = CliRunner().invoke(app, ["report", str(tmp_path / "run"), "-o", str(page.parent)])
    assert printed.exit_code == 0, printed.output
    assert f"Open {page}" in printed.output
    assert "No step was measured yet." in page.read_text()


def test_evaluation_of_other_weights_is_told_by_its_heading() -> None:
    found = {
        "linear-0a": result("linear"),
        "linear-0b": result("linear", weights={"path": "random", "fingerprint": "1"}),
    }
    assert titles(found) == {
        "linear-0a": "linear of backbone.safetensors (0a)",
        "linear-0b": "linear of random (0b)",
    }
