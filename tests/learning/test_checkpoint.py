"""Checkpoints: whole or not there, nothing that runs code, and every backbone key accounted for."""

import copy
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fame_cli.disk import temporary_path
from fame_cli.errors import ArtefactError, ConfigurationError, FameError
from fame_cli.learning import checkpoint
from fame_cli.learning.backbones import Backbone, build_backbone
from fame_cli.learning.checkpoint import (
    load_backbone,
    load_training,
    read_safetensors,
    save_backbone,
    save_training,
    weights_fingerprint,
    write_safetensors,
)
from fame_cli.learning.weights import KeyCount

pytestmark = pytest.mark.libraries

CPU = torch.device("cpu")


def make_small(seed: int = 0) -> Backbone:
    torch.manual_seed(seed)
    return build_backbone("small")


def train_a_step(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    model(torch.rand(2, 3, 4, 16, 16, generator=torch.Generator().manual_seed(1))).square().mean().backward()
    optimizer.step()


def fail_with_full_disk(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_training_state_comes_back_as_it_was(tmp_path: Path) -> None:
    model = make_small()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    train_a_step(model, optimizer)
    state = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "random": torch.get_rng_state(),
        "step": 7,
        "values": {"loss": 1.5, "name": "run", "done": False, "nothing": None, "sizes": [1, (2, 3)]},
    }
    path = tmp_path / "checkpoints" / "last.pt"
    save_training(path, state)
    loaded = load_training(path, CPU)
    assert loaded["step"] == 7
    assert loaded["values"] == state["values"]
    assert torch.equal(loaded["random"], torch.get_rng_state())
    assert all(torch.equal(loaded["model"][key], value) for key, value in model.state_dict().items())
    other = make_small(seed=1)
    resumed = torch.optim.SGD(other.parameters(), lr=0.5, momentum=0.9)
    other.load_state_dict(loaded["model"])
    resumed.load_state_dict(loaded["optimizer"])
    for network, chosen in ((model, optimizer), (other, resumed)):
        chosen.zero_grad()
        train_a_step(network, chosen)
    assert all(map(torch.equal, model.parameters(), other.parameters()))


@pytest.mark.parametrize("broken", ["replace", "fsync"])
def test_a_write_that_fails_leaves_the_old_checkpoint_and_no_temporary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    path = tmp_path / "last.pt"
    save_training(path, {"step": 1})
    monkeypatch.setattr(os, broken, fail_with_full_disk)
    with pytest.raises(FameError, match=r"last\.pt: the disk is full"):
        save_training(path, {"step": 2})
    assert load_training(path, CPU) == {"step": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["last.pt"]


def test_a_first_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "replace", fail_with_full_disk)
    with pytest.raises(FameError, match="the disk is full"):
        save_training(tmp_path / "last.pt", {"step": 1})
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_keeps_no_view_of_the_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    views: list[memoryview] = []

    def write_whole(_: Path, content: memoryview) -> None:
        views.append(content)
        raise FameError("the disk is full")

    monkeypatch.setattr(checkpoint, "write_whole", write_whole)
    with pytest.raises(FameError, match="the disk is full"):
        save_training(tmp_path / "last.pt", {"step": 1})
    with pytest.raises(ValueError, match="released"):
        views[0].tobytes()


def test_an_interrupt_in_the_middle_of_a_write_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "last.pt"
    save_training(path, {"step": 1})
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        save_training(path, {"step": 2})
    assert load_training(path, CPU) == {"step": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["last.pt"]


def test_what_a_killed_write_left_behind_is_no_hindrance(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    save_training(path, {"step": 1})
    temporary_path(path).write_bytes(b"half a checkpoint")
    assert load_training(path, CPU) == {"step": 1}
    save_training(path, {"step": 2})
    assert load_training(path, CPU) == {"step": 2}
    assert [file.name for file in tmp_path.iterdir()] == ["last.pt"]


def test_content_is_on_the_disk_before_the_name_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def watch(name: str) -> None:
        original = getattr(os, name)

        def watched(*arguments: object) -> None:
            calls.append(name)
            original(*arguments)

        monkeypatch.setattr(os, name, watched)

    watch("fsync")
    watch("replace")
    save_training(tmp_path / "last.pt", {"step": 1})
    assert calls == ["fsync", "replace", "fsync"]  # the content, the name, the folder that holds the name


def test_a_folder_in_the_place_of_the_checkpoint_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "last.pt").mkdir()
    with pytest.raises(FameError, match="cannot write"):
        save_training(tmp_path / "last.pt", {"step": 1})


@pytest.mark.parametrize(
    ("state", "where"),
    [
        ({"loss": np.float64(1.5)}, r"state\['loss'\] is a float64"),
        ({"log": [1, {"path": Path("x")}]}, r"state\['log'\]\[1\]\['path'\] is a \w*Path"),
        ({("model", np.int64(1)): 2}, r"a key of state\[1\] is a int64"),
    ],
)
def test_a_value_that_could_not_be_read_back_is_refused_when_saving(
    tmp_path: Path, state: dict[str, Any], where: str
) -> None:
    with pytest.raises(TypeError, match=where):
        save_training(tmp_path / "last.pt", state)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_checkpoint_says_to_start_anew(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"absent\.pt: there is no training checkpoint.*\n.*--overwrite"):
        load_training(tmp_path / "absent.pt", CPU)


def flip_a_bit_of_a_tensor(content: bytes) -> bytes:
    place = content.index(b"\xcd\xcc\xf6\x42")  # 123.4 as float32
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda content: content[: len(content) // 2], id="cut short"),
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda _: b"not a checkpoint", id="text"),
        pytest.param(flip_a_bit_of_a_tensor, id="one bit of a weight"),
        pytest.param(lambda content: b"PK\x03\x05" + content[4:], id="first bytes"),
        # The number of disks that the archive spans: looked at by torch's reader alone.
        pytest.param(lambda content: content[:-26] + b"\x00" + content[-25:], id="number of disks"),
    ],
)
def test_a_damaged_checkpoint_is_named(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "last.pt"
    save_training(path, {"weights": torch.full((64,), 123.4)})
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ArtefactError, match=r"last\.pt: the training checkpoint is damaged.*\n.*delete it"):
        load_training(path, CPU)


class Trap:
    """Makes a folder when unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("by_torch", [True, False])
def test_code_in_a_checkpoint_is_never_run(tmp_path: Path, by_torch: bool) -> None:
    path, sprung = tmp_path / "last.pt", tmp_path / "sprung"
    if by_torch:
        torch.save({"step": Trap(sprung)}, path)
    else:
        path.write_bytes(pickle.dumps({"step": Trap(sprung)}))
    with pytest.raises(ArtefactError, match="was not written by this toolkit"):
        load_training(path, CPU)
    assert not sprung.exists()


def test_a_device_that_is_not_there_is_not_blamed_on_the_file(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    save_training(path, {"weights": torch.zeros(3)})
    with pytest.raises(RuntimeError, match=r"(?i)cuda|nvidia"):
        load_training(path, torch.device("cuda:99"))


@pytest.mark.parametrize("name", ["small", "i3d"])
def test_a_backbone_comes_back_by_its_own_name_with_every_key(tmp_path: Path, name: Any) -> None:
    torch.manual_seed(0)
    backbone = build_backbone(name).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    backbone(torch.rand(2, 3, 4, 32, 32))  # so that the running statistics are not those of a fresh network
    path = tmp_path / "backbone.safetensors"
    save_backbone(path, backbone, name, {"crop_px": "32"})
    random_state = torch.get_rng_state()
    loaded, count = load_backbone(path)
    assert torch.equal(torch.get_rng_state(), random_state)  # loading draws nothing
    assert count == KeyCount(matched=len(backbone.state_dict()), missing=0, unexpected=0)
    assert str(count) == f"{count.matched} backbone keys matched, 0 missing, 0 unexpected"
    expected, found = backbone.state_dict(), loaded.state_dict()
    assert all(torch.equal(found[key], value) for key, value in expected.items())
    assert all(parameter.requires_grad for parameter in loaded.parameters())
    assert read_safetensors(path)[1] == {
        "backbone": name,
        "feature_dim": str(backbone.feature_dim),
        "crop_px": "32",
    }


def test_the_same_backbone_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        save_backbone(tmp_path / name, make_small(), "small", {"crop_px": "32", "clip_frames": "8"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_training_a_loaded_backbone_leaves_its_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "backbone.safetensors"
    save_backbone(path, make_small(), "small", {})
    before = path.read_bytes()
    backbone, _ = load_backbone(path)
    train_a_step(backbone, torch.optim.SGD(backbone.parameters(), lr=0.1))
    assert path.read_bytes() == before
    assert not torch.equal(
        backbone.state_dict()["layers.0.weight"], make_small().state_dict()["layers.0.weight"]
    )


def rewrite(path: Path, change: Callable[[dict[str, torch.Tensor]], object], **metadata: str) -> None:
    tensors = copy.copy(dict(make_small().state_dict()))
    change(tensors)
    write_safetensors(path, tensors, metadata)


def test_missing_keys_stop_with_counts_and_names(tmp_path: Path) -> None:
    path = tmp_path / "backbone.safetensors"
    rewrite(path, lambda tensors: [tensors.pop(f"layers.{n}.weight") for n in (0, 3, 6, 9)], backbone="small")
    with pytest.raises(
        ArtefactError,
        match=r"20 backbone keys matched, 4 missing, 0 unexpected.*missing: layers\.0\.weight, "
        r"layers\.3\.weight, layers\.6\.weight, …\)",
    ):
        load_backbone(path)


def test_unexpected_keys_inside_the_network_stop_with_counts_and_names(tmp_path: Path) -> None:
    path = tmp_path / "backbone.safetensors"
    rewrite(path, lambda tensors: tensors.update({"layers.12.weight": torch.zeros(2)}), backbone="small")
    with pytest.raises(
        ArtefactError, match=r"24 .* matched, 0 missing, 1 unexpected.*unexpected: layers\.12\.weight\)"
    ):
        load_backbone(path)


def test_a_key_of_another_shape_stops(tmp_path: Path) -> None:
    path = tmp_path / "backbone.safetensors"
    rewrite(path, lambda tensors: tensors.update({"layers.1.bias": torch.zeros(2)}), backbone="small")
    with pytest.raises(
        ArtefactError, match=r"23 .* matched, .*1 of another shape.*: layers\.1\.bias \(2,\) for \(16,\)"
    ):
        load_backbone(path)


def test_weights_of_another_backbone_than_named_stop(tmp_path: Path) -> None:
    path = tmp_path / "backbone.safetensors"
    rewrite(path, lambda _: None, backbone="r3d_18")
    with pytest.raises(ArtefactError, match=r"0 backbone keys matched, 120 missing, 24 unexpected"):
        load_backbone(path)


def test_a_file_that_names_an_unknown_backbone_stops(tmp_path: Path) -> None:
    path = tmp_path / "backbone.safetensors"
    rewrite(path, lambda _: None, backbone="resnet50")
    with pytest.raises(ArtefactError, match="names backbone 'resnet50'; known are r2plus1d_18, r3d_18, "):
        load_backbone(path)


def test_a_file_that_names_its_backbone_is_not_taken_for_another(tmp_path: Path) -> None:
    path = tmp_path / "backbone.safetensors"
    save_backbone(path, make_small(), "small", {})
    assert load_backbone(path, "small")[1].matched == 24
    with pytest.raises(ConfigurationError, match=r"backbone\.safetensors holds small, not r3d_18"):
        load_backbone(path, "r3d_18")


def test_a_missing_backbone_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"absent\.safetensors: there is no backbone file"):
        load_backbone(tmp_path / "absent.safetensors")


@pytest.mark.parametrize("length", [0, 4, 500, -8])
def test_a_backbone_file_cut_short_is_named(tmp_path: Path, length: int) -> None:
    path = tmp_path / "backbone.safetensors"
    save_backbone(path, make_small(), "small", {})
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ArtefactError, match="is not a whole safetensors file"):
        load_backbone(path)


def test_a_backbone_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "backbone.safetensors"
    save_backbone(path, make_small(), "small", {})
    before = weights_fingerprint(path)
    monkeypatch.setattr(os, "replace", fail_with_full_disk)
    with pytest.raises(FameError, match="the disk is full"):
        save_backbone(path, make_small(seed=1), "small", {})
    assert weights_fingerprint(path) == before
    assert load_backbone(path)[1].matched == 24


def test_weights_fingerprint_is_the_start_of_the_sha256_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"abc")
    assert weights_fingerprint(path) == "ba7816bf8f"
    path.write_bytes(b"abd")
    assert weights_fingerprint(path) != "ba7816bf8f"


def test_folder_given_for_weights_is_told_with_the_file_in_it(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"is a folder[\s\S]*backbone\.safetensors"):
        load_backbone(tmp_path)
