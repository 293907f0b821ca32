"""``fame verify RUN``: each file of a run that changed is named, and nothing is made of it."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import fame

from fame_cli.lock import locked

SMALL = [
    *("--backbone", "small", "--clip-frames", 4, "--frame-stride", 2, "--crop-px", 32),
    *("--batch-size", 4, "--queue-length", 16, "--steps", 2, "--device", "cpu", "--statistics", "online"),
]


def flip_a_byte(path: Path) -> None:
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.fixture
def work(tmp_path: Path, videos: Path) -> Path:
    fame(0, "extract", videos, "-o", tmp_path / "work", "-j", 1)
    return tmp_path / "work"


@pytest.fixture
def run(tmp_path: Path, work: Path) -> Path:
    fame(0, "pretrain", work, "-o", tmp_path / "run", *SMALL)
    cheap = ["--device", "cpu", "--epochs", 1, "--milestones", "", "--clips", 1]
    fame(0, "eval", "linear", work, tmp_path / "run", *cheap, "--train-on", "features", "--batch-size", 4)
    return tmp_path / "run"


def test_every_file_of_a_run_is_signed_and_each_that_changed_is_named(run: Path) -> None:
    said = fame(0, "verify", run)
    assert "files, all as written" in said
    assert "never signed" not in said
    signed = list(json.loads((run / "record.json").read_text())["sha256"])
    for wanted in ("config.toml", "metrics.jsonl", "backbone.safetensors", "results/", "classifier.safe"):
        assert any(wanted in name for name in signed), (wanted, signed)
    [features] = run.glob("features/*/videos-00000.h5")
    for path in [*(run / name for name in signed), features]:
        good = path.read_bytes()
        flip_a_byte(path)
        assert f"{path.relative_to(run)} " in fame(4, "verify", run)
        path.write_bytes(good)
    fame(0, "verify", run)
    assert "files, all as written" in fame(0, "verify", run)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("backbone.safetensors", lambda work, run: ["eval", "knn", work, run, "--clips", 1]),
        ("pretraining_set.json", lambda work, run: ["eval", "knn", work, run, "--clips", 1]),
        ("results/*.json", lambda _, run: ["report", run]),
        ("results/*.json", lambda _, run: ["compare", run]),
        ("config.toml", lambda _, run: ["visualize", "curves", run]),
        ("metrics.jsonl", lambda work, run: ["pretrain", work, "-o", run, *SMALL]),
        ("evaluations/*/classifier.safetensors", lambda work, run: ["visualize", "cam", work, run]),
    ],
)
def test_nothing_is_made_of_a_file_that_changed(
    work: Path, run: Path, name: str, arguments: Callable[[Path, Path], list[object]]
) -> None:
    [path] = run.glob(name)
    flip_a_byte(path)
    said = fame(4, *arguments(work, run))
    assert f"{path.name} is not what was written" in said


def test_damaged_features_are_named_and_not_used(work: Path, run: Path) -> None:
    [features] = run.glob("features/*/videos-00000.h5")
    flip_a_byte(features)
    cheap = ["--device", "cpu", "--epochs", 2, "--milestones", "", "--clips", 1, "--batch-size", 4]
    said = fame(4, "eval", "linear", work, run, *cheap, "--train-on", "features")
    assert "videos-00000.h5 is missing or damaged: it does not hold the bytes" in said


@pytest.mark.parametrize("command", ["masks", "eval"])
def test_nothing_is_signed_that_was_derived_from_damaged_frames(work: Path, run: Path, command: str) -> None:
    [frames] = work.glob("frames/*/00000.h5")
    flip_a_byte(frames)
    if command == "masks":
        said = fame(4, "masks", work, "--clip-frames", 4, "-j", 1)
    else:
        said = fame(4, "eval", "knn", work, run, "--clips", 2, "--device", "cpu")
    assert "00000.h5 is missing or damaged: it does not hold the bytes that were written" in said
    assert not list(work.glob("statistics/*/00000.json"))


def test_run_without_a_record_is_told(run: Path) -> None:
    (run / "record.json").unlink()
    assert "has no record.json" in fame(4, "verify", run)


def test_run_that_was_stopped_signs_what_it_leaves(tmp_path: Path, work: Path) -> None:
    options = [*SMALL, "--steps", 40, "--learning-rate", 1e30]
    said = fame(2, "pretrain", work, "-o", tmp_path / "run", *options)
    assert "diverged" in said
    assert "all as written" in fame(0, "verify", tmp_path / "run")
    with locked(tmp_path / "run"):
        flip_a_byte(tmp_path / "run" / "checkpoints" / "last.pt")
    said = fame(4, "pretrain", "--resume", tmp_path / "run")
    assert "last.pt is not what was written" in said
