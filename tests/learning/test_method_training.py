"""Every distraction trains with every objective, by the name that the command line gives it."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from fame_cli.config import ExtractConfig, PretrainConfig
from fame_cli.data.frames import FrameStore, extract
from fame_cli.data.sources.folder import index_folder
from fame_cli.distraction.build import build_distraction
from fame_cli.errors import ConfigurationError
from fame_cli.learning.checkpoint import load_backbone
from fame_cli.learning.pretrain import pretrain

SMALL = {"backbone": "small", "clip_frames": 4, "frame_stride": 2, "crop_px": 32, "batch_size": 4, "steps": 2}
MOCO = {"queue_length": 10, "embedding_dim": 8, "batch_norm_clips": 2}
DISTRACTIONS = ("noise", "mixup", "cutmix", "frame-inter", "frame-intra")


@pytest.fixture
def frames(tmp_path: Path, videos: Path) -> FrameStore:
    report, manifest = extract(tmp_path / "work", index_folder(videos), ExtractConfig())
    return FrameStore(report.folder, manifest)


def train(run: Path, frames: FrameStore, **options: Any) -> list[dict[str, float]]:
    config = PretrainConfig.from_options(**SMALL | options)
    pretrain(run, frames, None, config, device="cpu")
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("distraction", DISTRACTIONS)
def test_distraction_by_its_name_trains_and_changes_what_moco_sees(
    frames: FrameStore, tmp_path: Path, distraction: str
) -> None:
    plain = train(tmp_path / "plain", frames, distraction="none", **MOCO)
    rows = train(tmp_path / "run", frames, distraction=distraction, **MOCO)
    assert [row["step"] for row in rows] == [0, 1]
    assert all(math.isfinite(row["loss"]) for row in rows)
    assert rows[0]["loss"] != plain[0]["loss"]


@pytest.mark.parametrize(
    "options",
    [
        {"objective": "simclr", "distraction": "frame-inter", "branch": "both"},
        {"objective": "byol", "distraction": "cutmix"},
        {"symmetric": False, "positive": "same-frames", "extra_negative": "intra-video", **MOCO},
    ],
)
def test_other_objectives_take_distractions_too(
    frames: FrameStore, tmp_path: Path, options: dict[str, Any]
) -> None:
    distraction = {"distraction": "frame-intra"} | options
    rows = train(tmp_path / "run", frames, **distraction)
    assert all(math.isfinite(row["loss"]) for row in rows)
    if "extra_negative" in options:
        assert rows[0]["chance"] == pytest.approx(math.log(12))
        assert 0 <= rows[0]["negatives"] <= 1


PRETEXT = {"clip_frames": 8, "frame_stride": 1, "order_gap_frames": 4}


@pytest.mark.parametrize(
    ("objective", "answers", "columns"), [("rotation", 4, 0), ("puzzle", 24, 0), ("order", 6, 1)]
)
def test_pretext_tasks_train_with_and_without_consistency_and_log_their_chance(
    frames: FrameStore, tmp_path: Path, objective: str, answers: int, columns: int
) -> None:
    known = PRETEXT if objective == "order" else {"clip_frames": 8}
    options = {"objective": objective, "distraction": "frame-intra", **known}
    plain = train(tmp_path / "plain", frames, **options)
    rows = train(tmp_path / "run", frames, consistency=2, psi="global", **options)
    assert all(row["chance"] == pytest.approx(math.log(answers)) for row in plain + rows)
    assert len({*rows[0]} - {*plain[0]}) == 2
    assert sum(name == "long_enough" and plain[0][name] == 1 for name in plain[0]) == columns
    for row in rows:
        assert row["loss"] == pytest.approx(row["task_loss"] + 2 * row["consistency"], rel=1e-5)
    backbone, keys = load_backbone(tmp_path / "run" / "checkpoints" / "last.pt")
    exported, _ = load_backbone(tmp_path / "run" / "backbone.safetensors")
    assert "0 missing, 0 unexpected" in str(keys)
    for mine, theirs in zip(backbone.parameters(), exported.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_videos_too_short_for_three_clips_in_order_are_refused_where_all_are(
    frames: FrameStore, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="take 53 frames, and no video to learn from") as told:
        train(tmp_path / "run", frames, objective="order", clip_frames=8, frame_stride=2, order_gap_frames=4)
    assert "--order-gap-frames" in told.value.hint


def test_options_of_a_distraction_reach_it() -> None:
    def built(**options: Any) -> Any:
        return build_distraction(PretrainConfig.from_options(**options))

    assert built(distraction="noise", sigma=2).sigma == 2
    assert built(distraction="mixup", gamma=0.2).gamma == 0.2
    inter, intra = built(distraction="frame-inter", gamma=0.1), built(distraction="frame-intra")
    assert (inter.gamma, inter.reads.partner) == (0.1, True)
    assert (intra.gamma, intra.reads.partner) == (0.3, False)
    assert built(distraction="none") is None


def test_note_and_command_tell_of_a_batch_that_is_one_group(frames: FrameStore, tmp_path: Path) -> None:
    torch.manual_seed(0)
    for clips, noted in ((2, 0), (8, 1)):
        options = {**MOCO, "batch_norm_clips": clips, "distraction": "none"}
        train(tmp_path / f"{clips}", frames, **options)
        log = (tmp_path / f"{clips}" / "log.txt").read_text()
        assert log.count("warning: all 4 videos of a batch are normalised in one group") == noted
