"""A test on videos that the pretraining saw is refused, or told wherever its figures stand."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fame_cli.cli.app import app

SMALL = ["--backbone", "small", "--clip-frames", 4, "--crop-px", 32, "--batch-size", 2, "--steps", 1]
CHEAP = ["--device", "cpu", "--clips", 1]
PROTOCOLS = {
    "linear": ["--epochs", 1, "--train-on", "features"],
    "finetune": ["--epochs", 1, "--batch-size", 4],
    "retrieval": [],
    "knn": [],
}


def fame(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def done(*arguments: object) -> str:
    result = fame(*arguments)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


@pytest.fixture
def work(tmp_path: Path, videos: Path) -> Path:
    done("extract", videos, "-o", tmp_path / "work", "-j", 1)
    return tmp_path / "work"


def pretrain(work: Path, run: Path, split: str) -> Path:
    plain = ["--queue-length", 4, "--beta", 1, "--device", "cpu"]
    done("pretrain", work, "-o", run, *SMALL, *plain, "--split", split)
    return run


def evaluate(protocol: str, work: Path, run: Path, *options: object) -> Result:
    return fame("eval", protocol, work, run, *CHEAP, *PROTOCOLS[protocol], *options)


def only_result(run: Path) -> dict[str, object]:
    (path,) = (run / "results").glob("*.json")
    record: dict[str, object] = json.loads(path.read_text())
    return record


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_refuses_a_leak_and_tells_an_allowed_one(
    work: Path, tmp_path: Path, protocol: str
) -> None:
    run = pretrain(work, tmp_path / "run", "test")
    refused = evaluate(protocol, work, run)
    said = " ".join(refused.output.split())
    assert refused.exit_code == 2, said
    assert "was pretrained on 2 of the 2 test videos: test/" in said
    assert "clip 4.avi" in said
    assert "--allow-leak" in said
    assert not (run / "results").exists()
    allowed = evaluate(protocol, work, run, "--allow-leak")
    assert allowed.exit_code == 0, allowed.output
    assert "leak: pretraining saw 2 test videos" in " ".join(allowed.output.split())
    assert "Leak: the pretraining saw 2 of 2 test videos" in " ".join(allowed.output.split())
    assert only_result(run)["seen_test_videos"] == 2
    assert evaluate(protocol, work, run).exit_code == 2  # the result that is there changes nothing
    assert "run (leak: pretraining saw 2 test videos)" in done("compare", run, "--format", "markdown")


def test_leak_is_found_by_copies_in_another_work_folder(work: Path, tmp_path: Path, videos: Path) -> None:
    run = pretrain(work, tmp_path / "run", "test")
    copies = tmp_path / "copies"
    for number, path in enumerate(sorted(videos.rglob("*.avi"))):
        # The other split of the same videos, as another annotation would have it.
        target = copies / ("test" if number % 2 else "train") / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    done("extract", copies, "-o", tmp_path / "other", "-j", 1)
    refused = evaluate("knn", tmp_path / "other", run)
    assert refused.exit_code == 2
    assert "was pretrained on" in " ".join(refused.output.split())


def test_clean_and_unknown_pretrainings_are_told_apart(work: Path, tmp_path: Path) -> None:
    run = pretrain(work, tmp_path / "run", "train")
    clean = evaluate("knn", work, run)
    assert clean.exit_code == 0, clean.output
    assert only_result(run)["seen_test_videos"] == 0
    assert "the pretraining saw" not in " ".join(clean.output.split())
    moved = tmp_path / "moved"
    moved.mkdir()
    shutil.copy(run / "backbone.safetensors", moved)
    unknown = evaluate("knn", work, moved)
    assert "Whether the pretraining saw test videos is not known." in " ".join(unknown.output.split())
    assert only_result(moved)["seen_test_videos"] is None
    told = done("compare", run, moved)
    assert "not known whether the pretraining saw test videos: moved" in told
    baseline = evaluate("knn", work, tmp_path / "random", "--weights", "random", "--backbone", "small")
    assert baseline.exit_code == 0, baseline.output
    assert only_result(tmp_path / "random")["seen_test_videos"] == 0


def test_pretraining_on_clips_of_the_same_film_is_a_leak(tmp_path: Path, videos: Path) -> None:
    films = tmp_path / "films"
    for number, path in enumerate(sorted(videos.rglob("*.avi"))):
        label = path.parent.name
        split = "test" if number % 5 == 4 else "train"
        target = films / split / label / f"v_{label}_g{number % 4:02d}_c{number:02d}.avi"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    done("extract", films, "-o", tmp_path / "work", "-j", 1)
    run = pretrain(tmp_path / "work", tmp_path / "run", "train")
    refused = evaluate("knn", tmp_path / "work", run)
    said = " ".join(refused.output.split())
    assert refused.exit_code == 2, said
    assert "was pretrained on videos of the same groups (clips of one film, say) as 2 of the 2" in said
    allowed = evaluate("knn", tmp_path / "work", run, "--allow-leak")
    said = " ".join(allowed.output.split())
    assert allowed.exit_code == 0, said
    assert "leak: pretraining saw videos of the same groups as 2 test videos" in said
    assert "Leak: the pretraining saw videos of the same groups as 2 of 2 test videos" in said
    assert only_result(run)["seen_test_videos"] == 0
    assert only_result(run)["related_test_videos"] == 2
