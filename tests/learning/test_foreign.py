"""Networks of other programs: modules, TorchScript and ONNX files, and weights that torchvision publishes."""

import copy
import importlib.util
import sys
import types
import urllib.error
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.models import video
from torchvision.models.video import R2Plus1D_18_Weights, Swin3D_T_Weights

from fame_cli.config import EvaluationConfig
from fame_cli.data.views import normalise
from fame_cli.errors import ArtefactError, ConfigurationError, InputError
from fame_cli.evaluation.evaluation import (
    own_weights,
    published_weights,
    random_weights,
    read_weights,
    require_clips_fit,
)
from fame_cli.learning.backbones import build_backbone
from fame_cli.learning.foreign import ForeignNetwork, Normalisation, adopt, kind_of_file
from fame_cli.learning.memory_format import to_channels_last

CONFIG = EvaluationConfig(clip_frames=4, frame_stride=1, crop_px=16)
HALF = Normalisation((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


class Plain(nn.Module):
    """No Backbone: the mean colour of a clip, times a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.feature_dim = 3
        self.weight = nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))

    def forward(self, clips: Tensor) -> Tensor:
        return clips.mean(dim=[2, 3, 4]) * self.weight


class Stated(Plain):
    normalisation = ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


class Listing(Plain):
    def forward(self, clips: Tensor) -> Any:
        return [clips]


class Maps(Plain):
    def forward(self, clips: Tensor) -> Tensor:
        return clips


class Shapeless(nn.Module):
    pass


@pytest.fixture(name="clips")
def random_clips() -> Tensor:
    return torch.rand(2, 3, 4, 16, 16, generator=torch.Generator().manual_seed(0))


def test_module_with_a_feature_dim_is_a_backbone(clips: Tensor) -> None:
    network = build_backbone("test_foreign:Plain")
    assert isinstance(network, ForeignNetwork)
    assert network.feature_dim == 3
    torch.testing.assert_close(network(normalise(clips)), Plain()(normalise(clips)))
    with pytest.raises(ConfigurationError, match="no map to draw"):
        network.feature_map(clips)


def test_module_gets_the_normalisation_that_it_states(clips: Tensor) -> None:
    network = build_backbone("test_foreign:Stated")
    torch.testing.assert_close(network(normalise(clips)), Plain()((clips - 0.5) / 0.25))
    assert torch.equal(copy.deepcopy(network)(normalise(clips)), network(normalise(clips)))


def test_entries_of_a_module_keep_their_names_in_files(tmp_path: Path, clips: Tensor) -> None:
    module = Stated()
    with torch.no_grad():
        module.weight.fill_(7)
    torch.save(module.state_dict(), tmp_path / "plain.pt")
    weights = read_weights(tmp_path / "plain.pt", "test_foreign:Stated")
    assert weights.keys is not None
    assert weights.keys.matched == 1
    assert list(weights.backbone.state_dict()) == ["weight"]
    torch.testing.assert_close(weights.backbone(normalise(clips)), module((clips - 0.5) / 0.25))


@pytest.mark.parametrize(
    ("module", "message"),
    [(Listing(), "gave a list; expected a tensor"), (Maps(), r"gave a tensor \(2, 3, 4, 16, 16\)")],
)
def test_output_that_is_no_feature_vector_is_told(module: nn.Module, message: str, clips: Tensor) -> None:
    with pytest.raises(ConfigurationError, match=message):
        adopt(module)(clips)


def test_module_without_a_feature_dim_and_wrong_normalisations_are_told() -> None:
    with pytest.raises(ConfigurationError, match="Shapeless has no feature_dim"):
        build_backbone("test_foreign:Shapeless")
    module = Plain()
    module.normalisation = 0.5  # type: ignore[assignment]
    with pytest.raises(ConfigurationError, match="expected \\(mean, std\\), three numbers each"):
        adopt(module)
    with pytest.raises(ConfigurationError, match="deviations above 0"):
        Normalisation((0, 0, 0), (1, 1, 0))


def test_network_with_convolutions_in_two_dimensions_is_evaluated_too(clips: Tensor) -> None:
    class Frames(nn.Module):
        feature_dim = 5
        normalisation = ((0.5,) * 3, (0.25,) * 3)

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(3, 5, 3)

        def forward(self, clips: Tensor) -> Tensor:
            maps = self.layer(clips.transpose(1, 2).reshape(-1, 3, 16, 16))
            return maps.view(len(clips), -1, 5, 14 * 14).mean(dim=(1, 3))

    network = to_channels_last(adopt(Frames()), torch.device("cpu"))
    prepared = normalise(clips).contiguous(memory_format=torch.channels_last_3d)
    assert network(prepared).shape == (2, 5)


def test_own_network_comes_with_its_weights() -> None:
    weights = own_weights("test_foreign:Plain")
    assert str(weights) == "own (test_foreign:Plain): as its function gives it"
    assert weights.fingerprint == own_weights("test_foreign:Plain").fingerprint
    assert weights.pretraining_set is None  # nobody knows what it saw


def test_torchscript_file_brings_its_network(tmp_path: Path, clips: Tensor) -> None:
    path = tmp_path / "model.pt"
    torch.jit.save(torch.jit.script(Plain()), path)
    assert kind_of_file(path) == "torchscript:file"
    weights = read_weights(path, None, HALF)
    require_clips_fit(weights, CONFIG)
    assert weights.backbone.feature_dim == 3
    copied = copy.deepcopy(weights.backbone).requires_grad_(False).eval()
    torch.testing.assert_close(copied(normalise(clips)), Plain()((clips - 0.5) / 0.25))
    assert weights.fingerprint != read_weights(path).fingerprint  # the normalisation is part of it


@pytest.mark.parametrize(
    ("told", "clips"),
    [
        ('{"clip_frames": "4", "crop_px": "16"}', {"clip_frames": 4, "crop_px": 16}),
        ("of another program", {}),
    ],
)
def test_torchscript_file_tells_its_clips(tmp_path: Path, told: str, clips: dict[str, int]) -> None:
    torch.jit.save(torch.jit.script(Plain()), tmp_path / "model.pt", _extra_files={"fame": told})
    assert read_weights(tmp_path / "model.pt").clip_options == clips


def test_torchscript_file_with_clips_that_are_none_is_refused(tmp_path: Path) -> None:
    extra = {"fame": '{"clip_frames": "many"}'}
    torch.jit.save(torch.jit.script(Plain()), tmp_path / "model.pt", _extra_files=extra)
    with pytest.raises(ArtefactError, match="clips of its pretraining are no whole numbers"):
        read_weights(tmp_path / "model.pt")


def test_checkpoints_are_not_taken_for_networks(tmp_path: Path) -> None:
    torch.save(Plain().state_dict(), tmp_path / "state.pt")
    assert kind_of_file(tmp_path / "state.pt") == ""
    assert kind_of_file(tmp_path / "none.pt") == ""
    with pytest.raises(ConfigurationError, match="--mean and --std go with TorchScript and ONNX files"):
        read_weights(tmp_path / "state.pt", "test_foreign:Plain", HALF)


def test_network_that_cannot_take_the_clips_is_told(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    whole = nn.Sequential(nn.Flatten(), nn.Linear(3 * 2 * 16 * 16, 5))
    torch.jit.save(torch.jit.trace(whole, torch.zeros(1, 3, 2, 16, 16)), path)
    with pytest.raises(ConfigurationError, match=r"cannot take clips \(1, 3, 4, 16, 16\)"):
        require_clips_fit(read_weights(path), CONFIG)


class Session:
    """Stands for onnxruntime's: the mean colours of two clips at a time, as a fixed export has it."""

    def __init__(self, path: str, providers: list[str]) -> None:  # noqa: ARG002
        if Path(path).read_bytes() != b"onnx":
            raise RuntimeError("INVALID_PROTOBUF")

    def get_inputs(self) -> list[Any]:
        return [types.SimpleNamespace(name="clips", shape=[2, 3, 4, 16, 16])]

    def get_modelmeta(self) -> Any:
        return types.SimpleNamespace(custom_metadata_map={"clip_frames": "4", "author": "somebody"})

    def run(self, _names: None, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        assert feed["clips"].shape == (2, 3, 4, 16, 16)
        return [feed["clips"].mean(axis=(2, 3, 4))]


@pytest.fixture
def onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = types.ModuleType("onnxruntime")
    module.InferenceSession, module.get_available_providers = Session, lambda: ["CPU"]
    monkeypatch.setitem(sys.modules, "onnxruntime", module)


@pytest.mark.usefixtures("onnxruntime")
def test_onnx_file_with_a_fixed_batch_takes_any_number_of_clips(tmp_path: Path, clips: Tensor) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"onnx")
    weights = read_weights(path)
    assert weights.clip_options == {"clip_frames": 4}
    require_clips_fit(weights, CONFIG)
    three = torch.cat([clips, clips[:1]])
    torch.testing.assert_close(copy.deepcopy(weights.backbone)(three), three.mean(dim=(2, 3, 4)))
    path.write_bytes(b"else")
    with pytest.raises(ArtefactError, match=r"no ONNX file that can be read: INVALID_PROTOBUF"):
        read_weights(path)


def test_onnx_file_without_onnxruntime_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    (tmp_path / "model.onnx").write_bytes(b"onnx")
    with pytest.raises(ConfigurationError, match="needs onnxruntime") as raised:
        read_weights(tmp_path / "model.onnx")
    assert raised.value.hint == "pip install 'fame-cli[onnx]'"


@pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("onnxruntime", "onnx", "onnxscript")),
    reason="needs onnx and onnxruntime",
)
def test_true_onnx_file_gives_what_the_network_gives(tmp_path: Path, clips: Tensor) -> None:
    path = tmp_path / "model.onnx"
    torch.onnx.export(Plain().eval(), (clips,), str(path), input_names=["clips"])
    weights = read_weights(path, None, HALF)
    require_clips_fit(weights, CONFIG)
    torch.testing.assert_close(weights.backbone(normalise(clips)), Plain()((clips - 0.5) / 0.25))


def test_weights_that_torchvision_publishes_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    theirs = video.r2plus1d_18(weights=None)
    monkeypatch.setattr(
        R2Plus1D_18_Weights, "get_state_dict", lambda *_, **__: theirs.state_dict(), raising=False
    )
    weights = published_weights("torchvision:R2Plus1D_18_Weights.KINETICS400_V1", None)
    assert weights.name == "r2plus1d_18"
    assert weights.clip_options == {"clip_frames": 16, "frame_stride": 2, "crop_px": 112}
    assert torch.equal(weights.backbone.state_dict()["stem.0.weight"], theirs.stem[0].weight)
    with pytest.raises(ConfigurationError, match="is of r2plus1d_18, not i3d"):
        published_weights("torchvision:R2Plus1D_18_Weights.KINETICS400_V1", "i3d")


def test_published_weights_keep_their_own_normalisation(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = random_weights("swin3d_t", 0).backbone
    monkeypatch.setattr(
        Swin3D_T_Weights, "get_state_dict", lambda *_, **__: theirs.state_dict(), raising=False
    )
    weights = published_weights("torchvision:Swin3D_T_Weights.KINETICS400_V1", None)
    assert isinstance(weights.backbone, ForeignNetwork)
    assert weights.backbone.normalisation == Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def test_published_weights_without_a_network_and_wrong_names_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(R2Plus1D_18_Weights, "get_state_dict", fail, raising=False)
    with pytest.raises(InputError, match=r"r2plus1d_18-.*\.pth cannot be downloaded: .*no route") as raised:
        published_weights("torchvision:R2Plus1D_18_Weights.KINETICS400_V1", None)
    assert "--weights FILE --backbone r2plus1d_18" in str(raised.value.hint)
    for wrong in ("R2Plus1D_18_Weights.KINETICS", "ResNet50_Weights.DEFAULT", "nothing"):
        with pytest.raises(ConfigurationError, match="torchvision has no weights") as told:
            published_weights(f"torchvision:{wrong}", None)
        assert "torchvision:MViT_V2_S_Weights.KINETICS400_V1" in str(told.value.hint)
