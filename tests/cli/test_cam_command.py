"""Networks are shown side by side only where that means something."""

import re
from pathlib import Path

import pytest
import torch

from fame_cli.cli.cam import clips_of, require_one_protocol
from fame_cli.errors import ConfigurationError
from fame_cli.evaluation.classifier import SavedClassifier
from fame_cli.evaluation.subject import random_weights
from fame_cli.learning.checkpoint import save_backbone
from fame_cli.visualization.lookers import Looker

BACKBONE = random_weights("small", 0).backbone
CLASSIFIER = SavedClassifier(torch.zeros(2, 4), torch.zeros(2), ("a", "b"), "small", None)


def pretrained(run: Path, clip_frames: int) -> Path:
    run.mkdir()
    clips = {"clip_frames": str(clip_frames), "frame_stride": "2", "crop_px": "48"}
    save_backbone(run / "backbone.safetensors", BACKBONE, "small", clips)
    return run


def test_runs_of_other_clips_are_not_shown_the_same_ones(tmp_path: Path) -> None:
    first, same, other = (
        pretrained(tmp_path / name, length) for name, length in (("a", 8), ("b", 8), ("c", 16))
    )
    assert clips_of([first, same]) == {"clip_frames": 8, "frame_stride": 2, "crop_px": 48}
    with pytest.raises(ConfigurationError, match=re.escape(f"{first} and {other} were pretrained on other")):
        clips_of([first, same, other])


def test_probe_is_not_shown_beside_a_finetuned_network(capsys: pytest.CaptureFixture[str]) -> None:
    probe = Looker("moco", BACKBONE, CLASSIFIER, "linear-0123456789")
    bare = Looker("bare", BACKBONE, None)
    require_one_protocol([probe, bare, Looker("fame", BACKBONE, CLASSIFIER, "linear-9876543210")])
    shown = capsys.readouterr()
    assert "moco: classifier of linear-0123456789" in shown.out
    assert "bare has no classifier: only class-agnostic maps" in shown.err
    with pytest.raises(ConfigurationError, match=r"different protocols[\s\S]*--protocol linear"):
        require_one_protocol([probe, bare, Looker("fame", BACKBONE, CLASSIFIER, "finetune-9876543210")])
