"""What every command that shows figures or state says to programs: one JSON document on standard output."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from docs.option_tables import commands_below
from fame_cli.cli.app import app
from fame_cli.data.sources.rosters import weizmann

SMALL = [
    *("--backbone", "small", "--clip-frames", 4, "--crop-px", 32, "--batch-size", 4),
    *("--queue-length", 16, "--device", "cpu"),
]
CHEAP = ["--clips", 1, "--device", "cpu"]


def fame(code: int, *arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.stdout


def told(*arguments: object, code: int = 0) -> Any:
    """What a command prints, which has to be JSON from the first letter to the last."""
    return json.loads(fame(code, *arguments, "--json"))


@pytest.fixture
def work(tmp_path: Path, videos: Path) -> Path:
    fame(0, "extract", videos, "-o", tmp_path / "work", "-j", 1)
    fame(0, "masks", tmp_path / "work", "--clip-frames", 4, "--hop-frames", 16, "-j", 1)
    return tmp_path / "work"


@pytest.fixture
def run(tmp_path: Path, work: Path) -> Path:
    fame(0, "pretrain", work, "-o", tmp_path / "run", "--steps", 1, *SMALL)
    return tmp_path / "run"


def make_truth(folder: Path) -> Path:
    """A sequence of a moving square with its true masks, as ``fame eval masks`` reads them."""
    for name in ("frames", "masks"):
        (folder / "square" / name).mkdir(parents=True)
    for number in range(16):
        frame, mask = np.full((48, 64, 3), 90, np.uint8), np.zeros((48, 64), np.uint8)
        frame[18:30, 3 + 2 * number :][:, :12] = (30, 30, 220)
        mask[18:30, 3 + 2 * number :][:, :12] = 255
        cv2.imwrite(str(folder / "square" / "frames" / f"{number:05d}.png"), frame)
        cv2.imwrite(str(folder / "square" / "masks" / f"{number:05d}.png"), mask)
    return folder


def make_weizmann(folder: Path) -> Path:
    """A folder that holds all files of a small dataset."""
    folder.mkdir()
    for video in weizmann(folder).videos.values():
        (folder / video.name).write_bytes(b"video")
    return folder


def test_every_command_with_figures_or_state_prints_json_alone(
    tmp_path: Path, work: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fame_cli.learning.benchmark.time_memory_formats", lambda *_: {"contiguous": 0.5})
    monkeypatch.setattr("fame_cli.learning.benchmark.measure_convolution_rate", lambda _: 1e12)
    linear = [*CHEAP, "--train-on", "features", "--epochs", 1, "--milestones", 1]
    finetune = [*CHEAP, "--epochs", 1, "--milestones", 1, "--batch-size", 4]
    calls: dict[str, list[object]] = {
        "status": ["status", work],
        "verify": ["verify", work],
        "recipes": ["recipes"],
        "recipes show": ["recipes", "show", "ucf101-r2plus1d-fame"],
        "datasets": ["datasets"],
        "datasets show": ["datasets", "show", "ucf101"],
        "datasets check": ["datasets", "check", "weizmann", make_weizmann(tmp_path / "weizmann")],
        "eval linear": ["eval", "linear", work, run, *linear],
        "eval finetune": ["eval", "finetune", work, run, *finetune],
        "embed": ["embed", work, run, "-o", tmp_path / "features.npz", *CHEAP],
        "export": ["export", run, "-o", tmp_path / "a.safetensors", "--to", "safetensors"],
        "eval retrieval": ["eval", "retrieval", work, run, *CHEAP],
        "eval knn": ["eval", "knn", work, run, *CHEAP],
        "eval bias": ["eval", "bias", work, run, *CHEAP, "--epochs", 1],
        "eval masks": [
            *("eval", "masks", "--truth", make_truth(tmp_path / "truth"), "-o", tmp_path / "scores"),
            *("--clip-frames", 4, "-j", 1),
        ],
        "compare": ["compare", run, "--protocol", "knn"],
        "benchmark train": ["benchmark", "train", "--steps", 1, *SMALL],
        "doctor": ["doctor", tmp_path],
    }
    with_json = {
        name
        for name, command in commands_below(typer.main.get_command(app))
        if any("--json" in parameter.opts for parameter in command.params)
    }
    assert set(calls) == with_json
    monkeypatch.setattr("fame_cli.doctor.CHECKS", ())
    said = {name: told(*words) for name, words in calls.items()}

    assert said["status"]["videos"]["train"]["ok"] == 8
    assert [stage["state"] for stage in said["status"]["stages"]] == ["complete", "complete"]
    assert said["status"]["next"].startswith("fame pretrain")
    assert said["verify"] == {"folder": str(work), "whole": True, "damage": {}, "commands": []}
    assert "ucf101-r2plus1d-fame" in [recipe["name"] for recipe in said["recipes"]]
    assert said["recipes show"]["tables"]["pretrain"]["backbone"] == "r2plus1d_18"
    assert "ucf101" in [dataset["name"] for dataset in said["datasets"]]
    assert said["datasets show"]["classes"] == 101
    assert said["datasets check"]["complete"]
    for protocol, figure in (("linear", "top1"), ("finetune", "top1"), ("retrieval", "R@1"), ("knn", "top1")):
        result = said[f"eval {protocol}"]
        assert result["protocol"] == protocol
        assert 0 <= result["figures"][figure]["percent"] <= 100
        assert json.loads(Path(result["path"]).read_text())["figures"] == result["figures"]
    [report] = said["eval bias"]
    assert report["figures"]["scuba_stripes"]["videos"] > 0
    assert "hits" not in report["bias"]
    assert 0 <= said["eval masks"]["settings"][0]["mean"]["auc"] <= 1
    [row] = said["compare"]["rows"]
    assert row["figures"]["top1"]["mean"] == said["eval knn"]["figures"]["top1"]["percent"]
    assert said["benchmark train"]["samples_per_second"] > 0
    assert [finding["name"] for finding in said["doctor"]["findings"]] == ["disk", "locks"]

    state = told("status", run)
    assert (state["state"], state["last"]["step"]) == ("done", 0)
    assert state["next"] == f"fame eval linear {work} {run}"
    whole = told("verify", run)
    assert whole["whole"]
    assert whole["files"] > 5


def test_damage_is_told_as_json_and_by_the_exit_code(work: Path, run: Path) -> None:
    [shard] = work.glob("frames/*/00001.h5")
    shard.write_bytes(shard.read_bytes()[:-1])
    said = told("verify", work, code=4)
    assert not said["whole"]
    assert list(said["damage"]) == [str(shard)]
    assert said["commands"][0].startswith("fame extract")
    assert "unfinished" in [stage["state"] for stage in told("status", work)["stages"]]
    (run / "metrics.jsonl").unlink()
    said = told("verify", run, code=4)
    assert said["damage"] == {str(run / "metrics.jsonl"): "is missing"}


def test_quiet_leaves_results_and_verbose_adds_what_was_chosen(
    tmp_path: Path, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del capsys
    runner: Callable[..., Any] = CliRunner().invoke
    again = ["masks", str(work), "--clip-frames", "4", "--hop-frames", "16", "-j", "1"]
    assert "Nothing to do" in runner(app, again).output
    assert runner(app, [*again, "-q"]).output == ""
    assert runner(app, ["--quiet", *again]).output == ""
    other = runner(app, ["masks", "-q", str(work), "--clip-frames", "8", "-j", "1"])
    assert (other.exit_code, other.output) == (0, "")
    assert "complete" in runner(app, ["status", str(work), "-q"]).stdout
    told_more = runner(app, [*again, "--verbose"])
    assert f"frames: {work}/frames/short128" in told_more.stderr
    assert "--hop-frames 16" in told_more.stderr
    assert "Nothing to do" in runner(app, again).output  # what one command was told is not kept for the next
    assert "is not a WORK folder" in runner(app, ["status", "-q", str(tmp_path)]).output
