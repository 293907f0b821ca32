"""Shares of activation inside masks, against sums done by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from fame_cli.data.manifest import Video
from fame_cli.data.synthetic import SIDE_PX, write_truth
from fame_cli.errors import ArtefactError
from fame_cli.foreground.of_clips import Maps
from fame_cli.visualization.cam import Answer, CamExample, share_inside
from fame_cli.visualization.cam_models import read_made_truth
from fame_cli.visualization.examples import Scene
from fame_cli.visualization.pointing import AREA, Mean, average, measure, write_focus

LEFT = np.array([[1, 0], [1, 0]])


def test_share_is_the_activation_under_the_mask_over_all_of_it() -> None:
    maps = np.array([[[3.0, 1.0], [2.0, 4.0]]])
    assert share_inside(maps, LEFT[None]) == pytest.approx(5 / 10)
    assert share_inside(maps, np.stack([LEFT, 1 - LEFT, LEFT])) == pytest.approx(15 / 30)
    assert share_inside(maps, np.ones((2, 2, 2))) == 1


def test_share_of_an_even_map_is_that_of_the_area() -> None:
    mask = np.zeros((4, 8, 8))
    mask[:, :2, :3] = 1
    assert share_inside(np.full((2, 3, 3), 0.3), mask) == pytest.approx(6 / 64)


def test_share_follows_the_mask_through_time() -> None:
    maps = np.zeros((2, 1, 2))
    maps[0, 0, 0] = maps[1, 0, 1] = 1
    moving = np.array([[[1, 0]], [[0, 1]]])
    assert share_inside(maps, moving) == 1
    assert share_inside(maps, moving[::-1]) == 0


def test_map_without_activation_has_no_share() -> None:
    assert share_inside(np.zeros((1, 2, 2)), LEFT[None]) is None


def examples() -> list[CamExample]:
    """Two clips of two frames, half of each kept, a quarter of each true."""
    truth = np.zeros((2, 2, 2))
    truth[:, 0, 0] = 1
    maps = [np.array([[[6.0, 1.0], [2.0, 1.0]]]), np.array([[[2.0, 1.0], [2.0, 5.0]]])]
    return [
        CamExample(name, np.zeros((2, 2, 2, 3), np.uint8), [Answer("m", one, nothing)], "", LEFT, truth)
        for name, one, nothing in zip("ab", maps, [np.zeros((1, 2, 2)), maps[0]], strict=True)
    ]


def test_means_are_over_the_clips_that_have_activation() -> None:
    shares = [share for example in examples() for share in measure(example)]
    means = average(shares)
    assert [mean for mean in means if mean.model == AREA] == [
        Mean(AREA, "", "mask", 50.0, 0.0, 2),
        Mean(AREA, "", "truth", 25.0, 0.0, 2),
    ]
    agnostic = [mean for mean in means if mean.map == "class-agnostic"]
    assert [mean.percent for mean in agnostic] == pytest.approx([(80 + 40) / 2, (60 + 20) / 2])
    assert [mean.std for mean in agnostic] == pytest.approx([40 / 2**0.5] * 2)
    ofclass = [mean for mean in means if mean.map == "predicted class"]
    assert [(mean.percent, mean.std, mean.clips) for mean in ofclass] == [
        (pytest.approx(80), None, 1),
        (pytest.approx(60), None, 1),
    ]


def test_file_holds_means_and_every_clip(tmp_path: Path) -> None:
    shares = measure(examples()[0])
    write_focus(tmp_path / "cam.json", {"split": "test"}, shares)
    record = json.loads((tmp_path / "cam.json").read_text())
    assert record["split"] == "test"
    assert {clip["video"] for clip in record["clips"]} == {"a"}
    assert len(record["clips"]) == 6
    assert [clip["percent"] for clip in record["clips"] if clip["map"] == "predicted class"] == [None, None]
    assert len(record["means"]) == 4


def test_true_masks_are_those_of_the_frames_shown(tmp_path: Path) -> None:
    masks = np.zeros((6, SIDE_PX, SIDE_PX), bool)
    for time in range(6):
        masks[time, 8 * time : 8 * time + 8] = True
    write_truth(tmp_path / "run" / "a.png", masks)
    empty = np.zeros((1, 24, 24))
    frames = np.zeros((2, 24, 24, 3), np.uint8)
    scene = Scene(Video("run/a.avi", "run/a.avi"), np.array([1, 3]), frames, Maps(empty, empty))
    found = read_made_truth(tmp_path)(scene)
    assert found.shape == (2, 24, 24)
    assert found[0].any(axis=1).nonzero()[0].tolist() == [4, 5, 6, 7]
    assert found[1].any(axis=1).nonzero()[0].tolist() == [12, 13, 14, 15]
    with pytest.raises(ArtefactError, match="there is no true mask"):
        read_made_truth(tmp_path / "other")(scene)
