"""Pictures of a training's own views: what its videos look like on their way into the network."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from fame_cli.cli.app import app
from fame_cli.config import PretrainConfig
from fame_cli.data.dataset import PretrainClips
from fame_cli.data.frames import open_frame_store
from fame_cli.data.manifest import read_manifest
from fame_cli.data.role import Role
from fame_cli.distraction.build import build_distraction
from fame_cli.visualization.training_pictures import training_pictures, view_columns

ROLES = (Role("key"), Role("query", distracted=True))
SEEN = "as the network gets it"


@pytest.fixture
def work(tmp_path: Path, videos: Path) -> Path:
    words = ["extract", str(videos), "-o", str(tmp_path / "work"), "-j", "1"]
    assert CliRunner().invoke(app, words).exit_code == 0
    return tmp_path / "work"


def clips_of(work: Path, **options: Any) -> PretrainClips:
    small = {"clip_frames": 4, "crop_px": 32, "color_jitter": 0.0, "flip_probability": 0.0}
    if options.get("distraction", "fame") == "fame":
        small["statistics"] = "online"
    config = PretrainConfig.from_options(**small, **options)
    frames = open_frame_store(work, read_manifest(work))
    return PretrainClips(frames, None, config, ROLES, build_distraction(config))


def test_merged_clip_keeps_what_the_mask_keeps_and_takes_the_rest_from_another(work: Path) -> None:
    clips = clips_of(work, beta=0.5)
    columns = view_columns(clips, [0, 2, 4], 0, 0)
    assert [*columns] == ["clip", "mask", "merged", SEEN]
    clip, mask, merged = columns["clip"], columns["mask"], columns["merged"]
    assert mask.mean() == pytest.approx(0.5, abs=0.01)
    kept = np.broadcast_to(mask[:, None, :, :, None], clip.shape)
    assert np.array_equal(merged[kept], clip[kept])
    for one in range(3):
        behind = [np.array_equal(merged[one][~kept[one]], clip[other][~kept[one]]) for other in range(3)]
        assert sum(behind) == 1
        assert not behind[one]
    # Of the role that is distracted, as the training's loader gives it.
    assert np.array_equal(clip[1], clips[0, 2]["query"]["frames"])


@pytest.mark.parametrize(
    ("distraction", "titles"),
    [("noise", ["clip", SEEN]), ("frame-intra", ["clip", SEEN]), ("none", ["clip", SEEN])],
)
def test_every_distraction_has_a_picture(work: Path, distraction: str, titles: list[str]) -> None:
    clips = clips_of(work, distraction=distraction)
    columns = view_columns(clips, [0, 1], 0, 0)
    assert [*columns] == titles
    assert columns[SEEN].shape == (2, 4, 32, 32, 3)
    [(name, picture)] = training_pictures(clips, list(range(8)), 0, 0).items()
    assert (name, picture.shape[2], picture.dtype) == ("views", 3, np.uint8)


def test_same_videos_are_shown_at_each_step_in_the_crops_of_its_epoch(work: Path) -> None:
    clips = clips_of(work)
    first, again, later = (training_pictures(clips, list(range(8)), epoch, 0)["views"] for epoch in (0, 0, 1))
    assert np.array_equal(first, again)
    assert first.shape == later.shape
    assert not np.array_equal(first, later)
