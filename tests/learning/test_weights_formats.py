"""Weights from files of other programs: whole, and the same function as there, or refused."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn
from torchvision.models import video

from fame_cli.errors import ArtefactError
from fame_cli.learning.backbones import build_backbone
from fame_cli.learning.checkpoint import load_backbone, read_backbone, save_backbone, save_training
from fame_cli.learning.weights import KeyCount

pytestmark = pytest.mark.libraries

TORCHVISION = {"r2plus1d_18": video.r2plus1d_18, "r3d_18": video.r3d_18, "s3d": video.s3d}

State = dict[str, Tensor]


def seeded(build: Callable[..., nn.Module], *arguments: Any, **options: Any) -> nn.Module:
    """A network with weights and running statistics that are all their own."""
    torch.manual_seed(0)
    network = build(*arguments, **options)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 2)
    return network.eval()


def clips(frames: int = 8, side: int = 32) -> Tensor:
    return torch.rand(2, 3, frames, side, side, generator=torch.Generator().manual_seed(1))


def features(network: nn.Module, given: Tensor) -> Tensor:
    with torch.no_grad():
        return network.eval()(given)


def features_of_torchvision(network: nn.Module, given: Tensor) -> Tensor:
    """What torchvision's own forward computes before its last layer, averaged over the map."""
    if isinstance(network, video.S3D):
        return features(network.features, given).mean((2, 3, 4))
    network.fc = nn.Identity()
    return features(network, given)


def outline(name: str) -> State:
    """A state dict with every name and shape of a network that takes no room."""
    with torch.device("meta"):
        state = build_backbone(name).state_dict()
    return {key: torch.zeros((), dtype=value.dtype).expand(value.shape) for key, value in state.items()}


def prefixed(prefix: str, state: State) -> State:
    return {prefix + key: value for key, value in state.items()}


def saved(path: Path, content: object, *, legacy: bool = False) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


@pytest.mark.parametrize(("name", "legacy"), [("r2plus1d_18", False), ("r3d_18", True), ("s3d", False)])
def test_a_state_dict_of_torchvision_gives_its_features(tmp_path: Path, name: str, legacy: bool) -> None:
    network = seeded(TORCHVISION[name], weights=None, num_classes=5)
    path = saved(tmp_path / "weights.pth", network.state_dict(), legacy=legacy)
    loaded = read_backbone(path)
    assert loaded.fit.name == name
    assert loaded.fit.keys == KeyCount(len(network.state_dict()) - 2, 0, 0)
    assert "ignored: 2 of head" in str(loaded.fit)
    given = clips()
    torch.testing.assert_close(features(loaded.backbone, given), features_of_torchvision(network, given))


@pytest.mark.parametrize("name", ["r2plus1d_18", "s3d"])
def test_our_backbone_file_loads_into_the_model_of_torchvision(tmp_path: Path, name: Any) -> None:
    ours = seeded(build_backbone, name)
    save_backbone(tmp_path / "backbone.safetensors", ours, name, {})
    theirs = TORCHVISION[name](weights=None, num_classes=5)
    state = safetensors.torch.load_file(tmp_path / "backbone.safetensors")
    told = theirs.load_state_dict(state, strict=False)
    assert not told.unexpected_keys
    assert {key.split(".")[0] for key in told.missing_keys} <= {"fc", "classifier"}
    given = clips()
    torch.testing.assert_close(features(ours, given), features_of_torchvision(theirs, given))


@pytest.mark.parametrize(
    "prefix",
    ["encoder_q.backbone.", "encoder.backbone.", "online.backbone.", "backbone.", "module._orig_mod.", ""],
)
def test_the_encoder_is_found_in_every_training_of_ours(tmp_path: Path, prefix: str) -> None:
    network = seeded(build_backbone, "small")
    state = prefixed(prefix, network.state_dict())
    path = tmp_path / "last.pt"
    save_training(path, {"step": 3, "model": state, "optimizer": {"state": {}}})
    backbone, keys = load_backbone(path)
    assert keys == KeyCount(24, 0, 0)
    assert torch.equal(features(backbone, clips()), features(network, clips()))


def test_the_query_encoder_is_taken_and_the_rest_of_moco_is_named(tmp_path: Path) -> None:
    query, key = seeded(build_backbone, "small"), build_backbone("small")
    state = {
        **prefixed("encoder_k.backbone.", key.state_dict()),
        **prefixed("encoder_q.backbone.", query.state_dict()),
        **{f"encoder_{letter}.head.{n}.weight": torch.zeros(2, 2) for letter in "qk" for n in (0, 2)},
        "queue": torch.zeros(2, 8),
        "queue_pointer": torch.zeros((), dtype=torch.long),
    }
    loaded = read_backbone(saved(tmp_path / "last.pt", {"model": state}))
    assert str(loaded.fit) == (
        "24 backbone keys matched, 0 missing, 0 unexpected "
        "(ignored: 2 of head, 26 of key encoder, 2 of queue)"
    )
    assert torch.equal(features(loaded.backbone, clips()), features(query, clips()))


def published_i3d(state: State) -> State:
    """Our I3D's entries under the names of the I3D of FAME and BE."""
    units = {f"Conv3d_{unit}": f"conv3d_{unit}" for unit in ("1a_7x7", "2b_1x1", "2c_3x3")}
    branches = ["branch_0", "branch_1.0", "branch_1.1", "branch_2.0", "branch_2.1", "branch_3.1"]
    for block in ("3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c"):
        for ours, theirs in zip(("b0", "b1a", "b1b", "b2a", "b2b", "b3b"), branches, strict=True):
            units[f"Mixed_{block}.{ours}"] = f"mixed_{block}.{theirs}"
    renamed = {}
    for key, value in state.items():
        unit, module, name = key.rsplit(".", 2)
        renamed[f"{units[unit]}.{'batch3d' if module == 'bn' else module}.{name}"] = value
    return renamed


def published_c3d(state: State) -> State:
    """Our C3D's entries under the names of BE's."""
    renamed = {}
    for key, value in state.items():
        _, layer, module, name = key.split(".")
        renamed[f"{layer if module == '0' else layer.replace('conv', 'bn')}.{name}"] = value
    return renamed


def mac_r3d(state: State) -> State:
    """Our R3D's entries under the names of MAC_SSL's and CtP's."""
    renamed = {}
    for key, value in state.items():
        unit, module, name = key.rsplit(".", 2)
        if unit == "stem":
            theirs = f"stem.{'conv' if module == '0' else 'bn'}"
        elif module == "0":
            theirs = f"{unit}.conv"
        elif unit.endswith("downsample"):
            theirs = f"{unit}_bn"
        else:
            theirs = unit.replace("conv", "bn")
        renamed[f"{theirs}.{name}"] = value
    return renamed


def mac_moco(encoder: State) -> dict[str, Any]:
    """A checkpoint as MAC_SSL's trainings of BE and MoCo write it (mmcv's runner)."""
    state = {
        "queue": torch.zeros(128, 8),
        "queue_ptr": torch.zeros(1, dtype=torch.long),
        **prefixed("backbone.", encoder),
        **prefixed("key_encoder.", {key: torch.zeros(1) for key in encoder}),
        **{f"{side}.{n}.{part}": torch.zeros(1) for side in ("fc", "key_fc") for n in "02" for part in "wb"},
    }
    return {"meta": {"epoch": 300, "iter": 9, "mmcv_version": "1.3.7"}, "state_dict": state, "optimizer": {}}


@pytest.mark.parametrize("name", ["r3d_18", "r3d_34"])
def test_a_mac_ssl_checkpoint_gives_the_features_of_its_network(tmp_path: Path, name: str) -> None:
    network = seeded(build_backbone, name)
    network.get_submodule("layer2.0.conv1.1").running_var.fill_(1e-4)  # small enough to see epsilon
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.eps = 1e-3  # as in their network
    encoder = mac_r3d(network.state_dict())
    assert {"stem.bn.weight", "layer1.0.conv2.conv.weight", "layer1.0.bn2.bias"} <= encoder.keys()
    assert {"layer2.0.downsample.conv.weight", "layer2.0.downsample_bn.running_mean"} <= encoder.keys()
    loaded = read_backbone(saved(tmp_path / "epoch_300.pth", mac_moco(encoder)))
    assert loaded.fit.name == name
    assert loaded.fit.keys == KeyCount(len(encoder), 0, 0)
    assert f"ignored: 4 of head, {len(encoder) + 4} of key encoder, 2 of queue" in str(loaded.fit)
    found, expected = features(loaded.backbone, clips()), features(network, clips())
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_a_mac_ssl_checkpoint_that_lacks_a_key_is_refused(tmp_path: Path) -> None:
    encoder = mac_r3d(outline("r3d_18"))
    del encoder["layer3.1.bn1.running_var"]
    with pytest.raises(ArtefactError, match=r"nearest is r3d_18: 119 backbone keys matched, 1 missing"):
        load_backbone(saved(tmp_path / "epoch_300.pth", mac_moco(encoder)))


@pytest.mark.parametrize("name", ["ckpt_epoch_3", "i3d_x", "byol_ckpt", "anything"])
def test_the_name_of_a_be_file_decides_nothing(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path / f"{name}.pth", {"model": prefixed("module.", published_i3d(outline("i3d")))})
    assert read_backbone(path).fit.name == "i3d"


def published_moco(encoder: State) -> dict[str, Any]:
    """A checkpoint as FAME's training writes it, with the head of its I3D."""
    head = {"id_head.2.weight": torch.zeros(1), "id_head.4.weight": torch.zeros(1)}
    state = {
        **prefixed("module.encoder_q.", encoder | head),
        **prefixed("module.encoder_k.", {key: torch.zeros(1) for key in encoder | head}),
        "module.queue": torch.zeros(128, 8),
        "module.queue_ptr": torch.zeros(1, dtype=torch.long),
    }
    return {"epoch": 200, "arch": "I3D", "state_dict": state, "optimizer": {"state": {}, "param_groups": []}}


def test_a_published_fame_checkpoint_gives_the_features_of_its_network(tmp_path: Path) -> None:
    network = seeded(build_backbone, "i3d")
    network.get_submodule("Mixed_4c.b2a.bn").running_var.fill_(1e-4)  # small enough to see epsilon
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.eps = 1e-5  # as in the published network
    encoder = published_i3d(network.state_dict())
    assert "mixed_4f.branch_3.1.batch3d.running_var" in encoder
    loaded = read_backbone(saved(tmp_path / "checkpoint.pth.tar", published_moco(encoder)))
    assert loaded.fit.name == "i3d"
    assert loaded.fit.keys == KeyCount(len(encoder), 0, 0)
    assert f"ignored: 2 of head, {len(encoder) + 2} of key encoder, 2 of queue" in str(loaded.fit)
    found, expected = features(loaded.backbone, clips()), features(network, clips())
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_published_moco_checkpoint_of_torchvisions_network_loads(tmp_path: Path) -> None:
    path = saved(tmp_path / "checkpoint.pth.tar", published_moco(outline("r2plus1d_18")))
    assert read_backbone(path).fit.name == "r2plus1d_18"


@pytest.mark.parametrize("legacy", [True, False])
def test_a_be_checkpoint_with_its_options_and_numpy_numbers_loads(tmp_path: Path, legacy: bool) -> None:
    network = seeded(build_backbone, "c3d")
    model = prefixed("module.", published_c3d(network.state_dict()))
    assert "module.bn3a.running_mean" in model
    options = argparse.Namespace(pt_lr=0.003, gpus="0", decay=np.array([120, 160]))
    content = {"opt": options, "model": model, "contrast": {"params": torch.zeros(5)}, "epoch": np.int64(3)}
    path = saved(tmp_path / "ckpt_epoch_3.pth", content | {"best": np.float64(81.5)}, legacy=legacy)
    backbone, keys = load_backbone(path)
    assert keys == KeyCount(len(model), 0, 0)
    assert torch.equal(features(backbone, clips(16)), features(network, clips(16)))


def test_a_finetuned_be_network_loads(tmp_path: Path) -> None:
    state = prefixed("module.base_model.", published_i3d(outline("i3d")))
    state["module.base_model.conv3d_0c_1x1_custom.conv3d.weight"] = torch.zeros(51, 1024, 1, 1, 1)
    path = saved(tmp_path / "finetuned.pth", {"state_dict": state, "best_prec1": torch.tensor(56.2)})
    assert "ignored: 1 of head" in str(read_backbone(path, "i3d").fit)


def test_the_circulating_i3d_weights_load_though_they_count_no_batches(tmp_path: Path) -> None:
    state = {key: value for key, value in outline("i3d").items() if not key.endswith("num_batches_tracked")}
    state |= {"logits.conv3d.weight": torch.zeros(400, 1024, 1, 1, 1), "logits.conv3d.bias": torch.zeros(400)}
    path = saved(tmp_path / "rgb_imagenet.pt", state, legacy=True)
    backbone, keys = load_backbone(path)
    assert keys == KeyCount(len(state) - 2, 0, 0)
    assert backbone.state_dict()["Mixed_5c.b0.bn.num_batches_tracked"] == 0
    torch.testing.assert_close(backbone.get_buffer("Mixed_5c.b0.bn.running_var"), torch.zeros(384))


def test_safetensors_of_another_program_are_guessed_by_their_keys(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    safetensors.torch.save_file(dict(seeded(build_backbone, "small").state_dict()), path)
    assert read_backbone(path).fit.name == "small"


def test_a_deeper_network_is_not_taken_for_the_one_inside_it(tmp_path: Path) -> None:
    path = saved(tmp_path / "deep.pth", outline("r3d_34"))
    assert read_backbone(path).fit.name == "r3d_34"
    with pytest.raises(
        ArtefactError,
        match=r"does not fill r3d_18: 120 backbone keys matched, 0 missing, 96 unexpected "
        r"\(unexpected: layer1\.2\..*\n.*It fills r3d_34: 216 backbone keys matched",
    ):
        load_backbone(path, "r3d_18")


def test_wrong_weights_are_refused_with_counts_and_the_nearest_network(tmp_path: Path) -> None:
    state = outline("r3d_18")
    state["stem.0.weight"] = torch.zeros(()).expand(64, 3, 7, 7, 7)
    del state["layer4.1.conv2.1.bias"], state["layer4.1.conv2.1.weight"]
    with pytest.raises(
        ArtefactError,
        match=r"fills no known network; the nearest is r3d_18: 117 backbone keys matched, 2 missing, "
        r"0 unexpected, 1 of another shape "
        r"\(missing: layer4\.1\.conv2\.1\.bias, layer4\.1\.conv2\.1\.weight; "
        r"of another shape: module\.stem\.0\.weight \(64, 3, 7, 7, 7\) for \(64, 3, 3, 7, 7\)\)",
    ):
        load_backbone(saved(tmp_path / "wrong.pth", {"state_dict": prefixed("module.", state)}))


def test_weights_of_an_image_network_fill_nothing(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "image.pth", {"conv1.weight": torch.zeros(64, 3, 7, 7), "fc.bias": torch.zeros(2)}
    )
    with pytest.raises(ArtefactError, match=r"fills no known network.* 0 backbone keys matched, .* missing"):
        load_backbone(path)


def test_entries_of_no_known_use_are_named_and_do_no_harm(tmp_path: Path) -> None:
    state = outline("small") | {"predictor.0.weight": torch.zeros(2)}
    loaded = read_backbone(saved(tmp_path / "more.pth", state))
    assert (
        str(loaded.fit)
        == "24 backbone keys matched, 0 missing, 1 unexpected (unexpected: predictor.0.weight)"
    )


def test_weights_in_half_precision_become_those_of_the_network(tmp_path: Path) -> None:
    network = seeded(build_backbone, "small")
    half = {
        key: value.half() if value.is_floating_point() else value
        for key, value in network.state_dict().items()
    }
    backbone, _ = load_backbone(saved(tmp_path / "half.pth", half))
    assert {value.dtype for value in backbone.parameters()} == {torch.float32}
    torch.testing.assert_close(features(backbone, clips()), features(network, clips()), rtol=1e-2, atol=1e-2)


def test_loading_draws_no_random_number_and_leaves_everything_trainable(tmp_path: Path) -> None:
    path = saved(tmp_path / "weights.pth", outline("small"))
    before = torch.get_rng_state()
    backbone, _ = load_backbone(str(path))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(parameter.requires_grad for parameter in backbone.parameters())
