"""Networks are shown side by side only where that means something."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from fame_cli.cli.cam import clips_of, require_one_protocol
from fame_cli.data.frames import FrameStore
from fame_cli.errors import ArtefactError, ConfigurationError
from fame_cli.evaluation.classifier import Classifier, SavedClassifier, build_head, save_classifier
from fame_cli.evaluation.evaluation import random_weights
from fame_cli.evaluation.results import Figure, Result, write_result
from fame_cli.learning.checkpoint import save_backbone, weights_fingerprint
from fame_cli.visualization.cam_models import CamModel, read_cam_model
from fame_cli.visualization.examples import last_result, own_results

BACKBONE = random_weights("small", 0).backbone
PROBE = Classifier(BACKBONE, build_head(128, 2, dropout=0.5, seed=0), freeze=True, precision="fp32")
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
    probe = CamModel("moco", BACKBONE, CLASSIFIER, "linear-0123456789")
    bare = CamModel("bare", BACKBONE, None)
    require_one_protocol([probe, bare, CamModel("fame", BACKBONE, CLASSIFIER, "linear-9876543210")])
    shown = capsys.readouterr()
    assert "moco: classifier of linear-0123456789" in shown.out
    assert "bare has no classifier: only class-agnostic maps" in shown.err
    with pytest.raises(ConfigurationError, match=r"different protocols[\s\S]*--protocol linear"):
        require_one_protocol([probe, bare, CamModel("fame", BACKBONE, CLASSIFIER, "finetune-9876543210")])


def evaluated(run: Path, name: str, weights: str, frames: str) -> None:
    """A result in a RUN folder with a classifier, of weights and frames of these fingerprints."""
    values: dict[str, Any] = {
        "weights": {"fingerprint": weights},
        "frames": {"fingerprint": frames},
        "figures": {"top1": Figure(50.0, 4, 50.0)},
    }
    result = Result(
        "linear",
        configuration={},
        splits={},
        classes=("a", "b"),
        device="cpu",
        versions={},
        seconds=1.0,
        **values,
    )
    write_result(run / "results" / f"{name}.json", result)
    save_classifier(run / "evaluations" / name / "classifier.safetensors", PROBE, "small", ("a", "b"))


def test_classifier_on_other_weights_is_not_put_on_the_run(tmp_path: Path) -> None:
    run = pretrained(tmp_path / "run", 8)
    own = weights_fingerprint(run / "backbone.safetensors")
    frames = cast(FrameStore, SimpleNamespace(fingerprint="here"))
    evaluated(run, "linear-random", "random", "here")
    assert read_cam_model(run, frames).classifier is None
    with pytest.raises(ArtefactError, match="no result of linear for its own weights"):
        last_result(run, "linear")
    evaluated(run, "linear-here", own, "here")
    evaluated(run, "linear-elsewhere", own, "elsewhere")
    assert read_cam_model(run, frames).evaluation == "linear-here", "of these frames, though not the newest"
    assert last_result(run, "linear")[0].stem == "linear-elsewhere"
    (run / "backbone.safetensors").unlink()
    oldest, _ = own_results(run)[0]
    assert oldest.stem == "linear-random", "of what is there, nothing is other"
