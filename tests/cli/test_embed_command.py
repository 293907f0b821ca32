"""``fame embed``: a table of features, for other programs."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from commands import fame

CLIPS = ["--clips", 2, "--clip-frames", 4, "--frame-stride", 2, "--crop-px", 32, "--device", "cpu"]
UNTRAINED = ["--weights", "random", "--backbone", "small"]


@pytest.fixture
def work(tmp_path: Path, videos: Path) -> Path:
    fame(0, "extract", videos, "-o", tmp_path / "work", "-j", 1, "--short-side-px", 48)
    return tmp_path / "work"


@pytest.mark.libraries
def test_both_kinds_of_file_hold_the_same_rows(work: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    for name in ("all.npz", "all.parquet"):
        fame(0, "embed", work, run, "-o", tmp_path / name, *UNTRAINED, *CLIPS)
    arrays = np.load(tmp_path / "all.npz")
    table = pyarrow.parquet.read_table(tmp_path / "all.parquet")
    assert arrays["features"].dtype == np.float32
    assert np.array_equal(np.stack(table["feature"].to_pylist()).astype(np.float32), arrays["features"])
    for name in ("id", "path", "label", "split", "group"):
        assert table[name].to_pylist() == arrays[name].tolist()
    assert len(arrays["features"]) == 10
    assert set(arrays["label"].tolist()) == {"red", "blue"}
    about = json.loads(table.schema.metadata[b"about"])
    assert about == json.loads(str(arrays["about"]))
    assert (about["backbone"], about["clips"], about["clip_frames"]) == ("small", 2, 4)


def test_features_are_those_that_evaluations_made(work: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    fame(0, "eval", "retrieval", work, run, *UNTRAINED, *CLIPS)
    shards = {path: path.stat().st_mtime_ns for path in run.glob("features/*/*.h5")}
    assert shards
    said = fame(0, "embed", work, run, "-o", tmp_path / "a.npz", "--split", "test", *UNTRAINED, *CLIPS)
    assert "2 videos of" in said
    assert {path: path.stat().st_mtime_ns for path in run.glob("features/*/*.h5")} == shards
    assert set(np.load(tmp_path / "a.npz")["split"].tolist()) == {"test"}


def test_videos_without_labels_are_embedded(work: Path, tmp_path: Path) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    for number, path in enumerate(sorted((work.parent / "videos").rglob("*.avi"))[:3]):
        shutil.copy(path, flat / f"{number}.avi")
    fame(0, "extract", flat, "-o", tmp_path / "unlabelled", "-j", 1, "--short-side-px", 48)
    fame(0, "embed", tmp_path / "unlabelled", tmp_path / "run", "-o", tmp_path / "a.npz", *UNTRAINED, *CLIPS)
    arrays = np.load(tmp_path / "a.npz")
    assert len(arrays["features"]) == len(arrays["id"]) == 3
    assert set(arrays["label"].tolist()) == {""}


def test_wrong_files_and_splits_are_refused_before_any_work(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = ["embed", work, tmp_path / "run", *UNTRAINED, *CLIPS, "-o"]
    assert "ends in .csv. Name a file that ends in .parquet or .npz" in fame(2, *call, tmp_path / "a.csv")
    (tmp_path / "folder.npz").mkdir()
    assert "is a folder" in fame(2, *call, tmp_path / "folder.npz")
    said = fame(3, *call, tmp_path / "a.npz", "--split", "tests")
    assert "no video is of split 'tests'; there are 'test', 'train'. Did you mean test?" in said
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "pip install pyarrow" in fame(2, *call, tmp_path / "a.parquet")
    assert not (tmp_path / "run").exists()
