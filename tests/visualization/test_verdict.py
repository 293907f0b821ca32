"""The picture at the top of the demo: which test clip it shows, and what it says that networks named."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fame_cli.demo.material import METHODS, Demo
from fame_cli.demo.pictures import choose_verdict
from fame_cli.visualization.verdict import Shown, Verdict, draw_verdict

MOTIONS = ("move_left", "move_right", "move_up", "move_down", "circle_clockwise")


def predictions(named: dict[str, str]) -> SimpleNamespace:
    """Answers to three test clips; they are right where ``named`` has none."""
    ids = ["test/circle_clockwise/000.avi", "test/move_left/000.avi", "test/move_up/000.avi"]
    labels = {name: name.split("/")[1] for name in ids}
    rows = [
        SimpleNamespace(
            id=name,
            label=labels[name],
            predicted=named.get(name, labels[name]),
            right=name not in named,
        )
        for name in ids
    ]
    return SimpleNamespace(predictions=rows)


class Frames:
    """Stands for a store of the biased set; a frame has the number of its video as colour."""

    def __init__(self) -> None:
        names = [f"{split}/{motion}/000.avi" for split in ("train", "test") for motion in MOTIONS]
        self.videos = [SimpleNamespace(id=name, frame_count=4) for name in names]

    def read(self, video_index: int, indices: range) -> Any:
        return np.full((len(indices), 8, 8, 3), video_index, np.uint8)


def test_verdict_is_of_a_clip_that_its_background_misled_moco_on_and_not_fame() -> None:
    # The first test clip of a motion stands before the background of the next one in the list of motions.
    moco = predictions({"test/move_left/000.avi": "move_right", "test/move_up/000.avi": "move_left"})
    results: Any = {METHODS[0]: {"biased": moco}, METHODS[1]: {"biased": predictions({})}}
    verdict = choose_verdict(Demo(Path("demo"), labelled_per_motion=(1, 1)), Frames(), results)  # type: ignore[arg-type]
    assert verdict.said == {"MoCo": "move_right", "MoCo+FAME": "move_left"}
    assert (verdict.tested.motion, verdict.same_background.motion) == ("move_left", "move_right")
    assert [int(clip.frames.max()) for clip in (verdict.same_motion, verdict.same_background)] == [0, 1]
    assert int(verdict.tested.frames.max()) == 5


@pytest.mark.parametrize("said", ["move_left", "a_motion_with_a_name_that_is_rather_long"])
def test_verdict_is_drawn(tmp_path: Path, said: str) -> None:
    clip = Shown(np.full((5, 48, 48, 3), 90, np.uint8), "move_left")
    draw_verdict(Verdict(clip, clip, clip, {"MoCo": said, "MoCo+FAME": "move_left"}), tmp_path / "v.png")
    picture = np.asarray(Image.open(tmp_path / "v.png").convert("RGB"))
    assert (picture == 90).all(axis=2).mean() > 0.1
    assert (picture[:, -4:] == 255).all()
