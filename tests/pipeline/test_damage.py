"""Damage to any file of WORK and RUN is named or harmless; ``benchmarks/damage.py`` does it by hundreds."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.damage import damage_all, damages
from fame_cli.cli.app import app

SMALL = [
    *("--backbone", "small", "--clip-frames", 4, "--frame-stride", 2, "--crop-px", 32),
    *("--batch-size", 4, "--queue-length", 16, "--steps", 2, "--device", "cpu"),
]


def fame(*arguments: object) -> None:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output


@pytest.fixture
def folders(tmp_path: Path, videos: Path) -> tuple[Path, Path]:
    work, run = tmp_path / "work", tmp_path / "run"
    fame("extract", videos, "-o", work, "-j", 1)
    fame("masks", work, "--clip-frames", 4, "--hop-frames", 16, "-j", 1)
    fame("pretrain", work, "-o", run, *SMALL)
    fame("eval", "knn", work, run, "--clips", 2, "--device", "cpu")
    return work, run


def test_random_damage_is_named_or_harmless(folders: tuple[Path, Path]) -> None:
    counts, wrong = damage_all(*folders, count=14)
    assert wrong == []
    assert counts["named"] >= 8
    assert counts.total() == 14


def test_every_kind_of_file_is_damaged(folders: tuple[Path, Path]) -> None:
    kinds = {(name, below.parts[0]) for name, below, _, _ in damages(*folders, count=40, seed=0)}
    work = {"manifest.csv", "source.json", "frames", "statistics"}
    run = {"config.toml", "metrics.jsonl", "backbone.safetensors", "record.json", "pretraining_set.json"}
    assert kinds >= {("work", name) for name in work} | {("run", name) for name in run}
    assert kinds >= {("run", "results"), ("run", "features"), ("run", "checkpoints")}
