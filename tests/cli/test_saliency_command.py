"""Where the decomposition finds motion, drawn by the command beside the maps of other runs."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from fame_cli.cli.app import app
from fame_cli.errors import ConfigurationError
from fame_cli.learning.backbones import Backbone, build_backbone
from fame_cli.visualization.cam import AGNOSTIC, MOTION
from fame_cli.visualization.motion import MotionView, motion_map, motion_view_of

CLIPS = ["--backbone=small", "--clip-frames=4", "--crop-px=32", "--statistics=online"]
SMALL = [*CLIPS, "--batch-size=4", "--steps=1", "--queue-length=8"]
METHOD = ["--objective=wide-micro", "--background=still", "--saliency-layer=2", "--saliency-temperature=1"]


def run(*words: str | Path) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def trained(tmp_path: Path, videos: Path) -> Path:
    run("extract", videos, "-o", tmp_path / "work")
    run("pretrain", tmp_path / "work", "-o", tmp_path / "fame", *SMALL)
    run("pretrain", tmp_path / "work", "-o", tmp_path / "wide-micro", *SMALL, *METHOD)
    return tmp_path


def test_command_draws_and_measures_weights_of_motion_beside_activation(trained: Path) -> None:
    assert motion_view_of(trained / "wide-micro") == MotionView(2, 1.0)
    assert motion_view_of(trained / "fame") == MotionView(1, 0.5)
    runs = [trained / "fame", trained / "wide-micro"]
    said = run("visualize", "saliency", trained / "work", *runs, "-o", trained / "out", "--count", "2")
    assert "wide-micro motion weights" in said
    assert {path.name for path in (trained / "out").iterdir()} >= {"saliency.png", "saliency.gif"}
    means = json.loads((trained / "out" / "saliency.json").read_text())["means"]
    assert {(mean["model"], mean["map"]) for mean in means if mean["map"]} == {
        (model, name) for model in ("fame", "wide-micro") for name in (MOTION, AGNOSTIC)
    }
    # What moves is a small square that FAME keeps: more of the weight lies inside than of the area.
    inside = {(mean["model"], mean["map"]): mean["percent"] for mean in means}
    assert inside["wide-micro", MOTION] > inside["even activation", ""] + 10


def test_map_is_the_weights_of_the_layer_and_adds_up_to_one() -> None:
    torch.manual_seed(0)
    clips = torch.rand(1, 3, 8, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = [motion_map(build_backbone("small").eval(), clips, MotionView(layer)) for layer in (1, 2)]
    assert [one.shape for one in found] == [(1, 8, 8), (1, 4, 4)]
    assert all(np.isclose(one.sum(), 1) for one in found)


def test_network_without_stages_has_no_such_map() -> None:
    class Own(Backbone):
        feature_dim = 3

        def feature_map(self, clips: torch.Tensor) -> torch.Tensor:
            return clips

    with pytest.raises(ConfigurationError, match="network Own has no stages"):
        motion_map(Own(), torch.rand(1, 3, 2, 4, 4), MotionView())
