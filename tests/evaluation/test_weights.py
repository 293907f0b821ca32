"""Which weights are evaluated, and what they say of themselves."""

from pathlib import Path

import pytest
import torch

from fame_cli.cli.evaluate import find_weights
from fame_cli.errors import ArtefactError, ConfigurationError
from fame_cli.evaluation.evaluation import clip_options, random_weights, read_weights
from fame_cli.learning.checkpoint import save_backbone
from fame_cli.learning.weights import KeyCount

PRETRAINED = {"clip_frames": "8", "frame_stride": "4", "crop_px": "64"}


def saved(path: Path, extra: dict[str, str]) -> Path:
    save_backbone(path, random_weights("small", 3).backbone, "small", extra)
    return path


def test_weights_are_read_with_the_clips_of_their_pretraining(tmp_path: Path) -> None:
    weights = read_weights(saved(tmp_path / "backbone.safetensors", PRETRAINED))
    assert weights.name == "small"
    assert weights.keys == KeyCount(24, 0, 0)
    assert weights.clip_options == {"clip_frames": 8, "frame_stride": 4, "crop_px": 64}
    assert "24 backbone keys matched, 0 missing" in str(weights)
    expected = random_weights("small", 3).backbone.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in weights.backbone.state_dict().items())


def test_given_clips_go_before_those_of_the_pretraining(tmp_path: Path) -> None:
    weights = read_weights(saved(tmp_path / "backbone.safetensors", PRETRAINED))
    options = clip_options(weights, clip_frames=None, frame_stride=2, crop_px=None)
    assert options == {"clip_frames": 8, "frame_stride": 2, "crop_px": 64}


def test_weights_that_do_not_tell_their_clips_ask_for_them(tmp_path: Path) -> None:
    weights = read_weights(saved(tmp_path / "backbone.safetensors", {"crop_px": "64"}))
    with pytest.raises(ConfigurationError, match="Give --clip-frames, --frame-stride"):
        clip_options(weights, clip_frames=None, frame_stride=None, crop_px=None)


def test_clips_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="no whole numbers"):
        read_weights(saved(tmp_path / "backbone.safetensors", PRETRAINED | {"crop_px": "big"}))


def test_untrained_weights_belong_to_their_seed_and_leave_the_random_state_alone() -> None:
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    first, same, other = random_weights("small", 1), random_weights("small", 1), random_weights("small", 2)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert first.fingerprint == same.fingerprint != other.fingerprint
    assert first.clip_options == {"clip_frames": 16, "frame_stride": 2, "crop_px": 112}
    assert str(first) == "untrained small (the baseline)"


def of_another_program(path: Path) -> Path:
    state = random_weights("small", 3).backbone.state_dict()
    torch.save({f"module.encoder_q.{key}": value for key, value in state.items()}, path)
    return path


def test_weights_of_another_program_are_told_with_all_their_entries(tmp_path: Path) -> None:
    path = tmp_path / "moco.pth"
    state = {f"module.encoder_q.{key}": torch.zeros(()) for key in ("fc.0.weight", "fc.2.weight")}
    torch.save({"state_dict": torch.load(of_another_program(path)) | state | {"other": torch.zeros(1)}}, path)
    weights = read_weights(path)
    assert weights.name == "small"
    assert str(weights) == (
        f"{path}: 24 backbone keys matched, 0 missing, 1 unexpected (unexpected: other; ignored: 2 of head)"
    )
    with pytest.raises(ConfigurationError, match="Give --clip-frames, --frame-stride, --crop-px"):
        clip_options(weights, clip_frames=None, frame_stride=None, crop_px=None)


def test_the_network_of_a_file_can_be_named(tmp_path: Path) -> None:
    path = of_another_program(tmp_path / "moco.pth")
    assert find_weights(tmp_path, str(path), "small", 0).name == "small"
    assert find_weights(tmp_path, str(path), None, 0).name == "small"
    with pytest.raises(ArtefactError, match="does not fill r3d_18: 0 backbone keys matched, 120 missing, 24"):
        find_weights(tmp_path, str(path), "r3d_18", 0)


def test_the_network_of_a_run_needs_no_name(tmp_path: Path) -> None:
    saved(tmp_path / "backbone.safetensors", PRETRAINED)
    assert find_weights(tmp_path, None, None, 0).name == "small"
    with pytest.raises(ConfigurationError, match="--backbone goes with --weights random or --weights PATH"):
        find_weights(tmp_path, None, "small", 0)
