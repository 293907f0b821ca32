"""Three official splits of one extraction, and their mean, as docs/datasets.md tells it."""

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fame_cli.cli.app import app

KNN = ["--device", "cpu", "--clips", "1", "--clip-frames", "4", "--crop-px", "16"]


def done(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def make_lists(folder: Path, videos: Path) -> Path:
    """Ten videos in the layout of UCF101; split n tests on every third, counted from n."""
    names = []
    for number, path in enumerate(sorted(videos.rglob("*.avi"))):
        names.append(f"{path.parent.name}/v_{path.parent.name}_g{number:02d}_c01.avi")
        (folder / "UCF-101" / names[-1]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / "UCF-101" / names[-1])
    lists = folder / "ucfTrainTestlist"
    lists.mkdir()
    for split in (1, 2, 3):
        for kind, wanted in (("train", False), ("test", True)):
            chosen = [name for n, name in enumerate(names) if (n % 3 == split - 1) == wanted]
            (lists / f"{kind}list{split:02d}.txt").write_text("\n".join(chosen))
    return folder / "UCF-101"


def test_mean_over_splits_of_one_extraction(tmp_path: Path, videos: Path) -> None:
    data, work, run = make_lists(tmp_path, videos), tmp_path / "work", tmp_path / "run"
    for split in (1, 2, 3):
        told = done("extract", data, "-o", work, "--source", "ucf101", "--split", split, "-j", 1)
        assert ("Nothing to do" in told) == (split > 1)
        done("eval", "knn", work, run, "--weights", "random", "--backbone", "small", *KNN)
    results = [json.loads(path.read_text()) for path in (run / "results").glob("*.json")]
    assert sorted(result["splits"]["test"]["videos"] for result in results) == [3, 3, 4]
    printed = done("compare", run, "--mean-over-splits", "--format", "csv")
    (row,) = csv.DictReader(io.StringIO(printed))
    by_hand = sum(result["figures"]["top1"]["percent"] for result in results) / 3
    assert float(row["top1"]) == pytest.approx(by_hand, abs=1e-4)
    refused = CliRunner().invoke(app, ["compare", str(run)])
    assert refused.exit_code == 2
    assert "not of the same test" in " ".join(refused.output.split())


def test_pretraining_on_one_split_is_refused_on_another(tmp_path: Path, videos: Path) -> None:
    data, work, run = make_lists(tmp_path, videos), tmp_path / "work", tmp_path / "run"
    done("extract", data, "-o", work, "--source", "ucf101", "--split", 1, "-j", 1)
    small = ["--backbone", "small", "--clip-frames", 4, "--crop-px", 32, "--batch-size", 2, "--steps", 1]
    begin = ["pretrain", work, "-o", run, *small, "--queue-length", 4, "--beta", 1, "--device", "cpu"]
    done(*begin)
    done("eval", "knn", work, run, "--device", "cpu", "--clips", 1)
    done("extract", data, "-o", work, "--source", "ucf101", "--split", 2, "-j", 1)
    refused = CliRunner().invoke(app, ["eval", "knn", str(work), str(run), "--device", "cpu"])
    assert refused.exit_code == 2
    assert "was pretrained on 3 of the 3 test videos" in " ".join(refused.output.split())
    changed = CliRunner().invoke(app, ["pretrain", "--resume", str(run)])
    assert changed.exit_code == 4
    assert "began with 6 videos to learn from" in " ".join(changed.output.split())
