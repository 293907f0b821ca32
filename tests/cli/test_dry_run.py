"""``--dry-run``: what would be done is said, and nothing is written."""

import shutil
from pathlib import Path

import pytest
from commands import fame

from fame_cli.cli.dry_run import tell_forecast
from fame_cli.forecast import Forecast

SMALL = [
    *("--backbone", "small", "--clip-frames", 4, "--crop-px", 32, "--batch-size", 4),
    *("--queue-length", 16, "--device", "cpu", "--distraction", "none"),
]


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_every_stage_tells_what_it_would_do_and_writes_nothing(tmp_path: Path, videos: Path) -> None:
    work, run = tmp_path / "work", tmp_path / "run"
    said = fame(0, "extract", videos, "-o", work, "--dry-run")
    assert f"Would do: frames of 10 of 10 videos, in {work}/frames/short128-q95-" in said
    assert "Disk: not known yet" in said
    assert not work.exists()
    fame(0, "extract", videos, "-o", work, "-j", 1)
    assert "Nothing is left to do." in fame(0, "extract", videos, "-o", work, "--dry-run")
    shutil.copy(videos / "train" / "red" / "clip 0.avi", videos / "train" / "red" / "new.avi")
    before = files(work)
    said = fame(0, "extract", videos, "-o", work, "--dry-run")
    # The new one comes last, into the second shard.
    assert "frames of 3 of 11 videos (8 are done)" in said
    assert "Disk: about " in said
    said = fame(0, "masks", work, "--clip-frames", 4, "--dry-run")
    assert "Would do: statistics of 10 of 10 videos" in said
    assert files(work) == before

    begin = ["pretrain", work, "-o", run, "--steps", 3, *SMALL]
    said = fame(0, *begin, "--dry-run")
    assert f"Would do: 3 steps of 4 of 8 videos, in {run}" in said
    assert f"Time: not known yet; this measures it: fame benchmark train {work}" in said
    assert not run.exists()
    fame(0, *begin)
    said = fame(0, "pretrain", "--resume", run, "--steps", 5, "--dry-run")
    assert "2 steps of 4 of 8 videos (3 of 5 are done)" in said
    assert "at the rate of what was done before" in said
    assert "3 steps of 4" in fame(0, *begin, "--overwrite", "--dry-run")
    before = files(run)
    knn = ["eval", "knn", work, run, "--clips", 1, "--device", "cpu"]
    assert "8 videos to learn from and 2 to test on" in fame(0, *knn, "--dry-run")
    assert files(run) == before
    fame(0, *knn)
    assert "(it is done)" in fame(0, *knn, "--dry-run")
    said = fame(0, *knn[:4], "--clips", 2, "--device", "cpu", "--dry-run")
    assert "at the rate of what was done before" in said


def test_checkpoint_takes_what_was_foretold(tmp_path: Path, videos: Path) -> None:
    from fame_cli.config import PretrainConfig
    from fame_cli.data.frames import open_frame_store
    from fame_cli.data.manifest import read_manifest
    from fame_cli.learning.forecast import forecast_training

    work, run = tmp_path / "work", tmp_path / "run"
    fame(0, "extract", videos, "-o", work, "-j", 1)
    fame(0, "pretrain", work, "-o", run, "--steps", 1, *SMALL)
    asked = PretrainConfig.from_options(
        backbone="small", clip_frames=4, crop_px=32, batch_size=4, queue_length=16, distraction="none"
    )
    foretold = forecast_training(tmp_path / "new", open_frame_store(work, read_manifest(work)), asked).bytes
    checkpoint, backbone = (run / name for name in ("checkpoints/last.pt", "backbone.safetensors"))
    taken = 2 * checkpoint.stat().st_size + backbone.stat().st_size
    assert foretold is not None
    assert 0.8 * taken < foretold < 1.1 * taken


def test_disk_that_is_too_small_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tell_forecast(Forecast("all of it", tmp_path, 1, bytes=1 << 60, seconds=7300), "")
    told = capsys.readouterr()
    assert "Time: about 2 h 01 min" in told.out
    assert "there is not enough room" in told.err
