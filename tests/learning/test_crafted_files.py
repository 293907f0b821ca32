"""Files made to do harm are refused in words, within a second and without taking memory."""

import json
import os
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import safetensors.torch
import torch

from fame_cli.data.layout import require_plain
from fame_cli.errors import ArtefactError, ConfigurationError
from fame_cli.evaluation.evaluation import read_weights
from fame_cli.learning.backbones import build_backbone
from fame_cli.learning.checkpoint import load_training, read_backbone
from fame_cli.recipe import read_recipe
from fame_cli.sealed import read_sealed

STATE = {key: value.contiguous() for key, value in build_backbone("small").state_dict().items()}


@pytest.mark.parametrize(
    "metadata",
    ["[1]", "null", '{"backbone": 1}', '{"clip_frames": {"a": 1}}', "[" * 100_000, "{", '"backbone"'],
)
def test_odd_metadata_are_refused(tmp_path: Path, metadata: str) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(safetensors.torch.save(STATE, {"fame": metadata}))
    with pytest.raises(ArtefactError, match="not a whole safetensors file"):
        read_backbone(path)


@pytest.mark.parametrize("size", ["99999999999", "0", "-5", "9" * 5000, "many"])
def test_absurd_clips_in_a_file_are_refused(tmp_path: Path, size: str) -> None:
    path = tmp_path / "w.safetensors"
    told = json.dumps({"backbone": "small", "clip_frames": size})
    path.write_bytes(safetensors.torch.save(STATE, {"fame": told}))
    with pytest.raises(ArtefactError, match="clips of its pretraining"):
        read_weights(path)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda values: values.to_sparse(), "sparse"),
        (lambda values: values.to(torch.complex64), "complex"),
        (lambda values: values.to(torch.int32), "whole numbers"),
        (lambda values: values.to("meta"), "without values"),
    ],
)
def test_what_is_no_weights_by_its_kind_is_refused(
    tmp_path: Path, change: Callable[[torch.Tensor], torch.Tensor], kind: str
) -> None:
    path = tmp_path / "w.pth"
    torch.save({key: change(value) if value.ndim > 1 else value for key, value in STATE.items()}, path)
    with pytest.raises(ArtefactError, match=kind):
        read_backbone(path, "small")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, bad: float) -> None:
    path = tmp_path / "w.pth"
    state = {key: value.clone() for key, value in STATE.items()}
    next(value for value in state.values() if value.ndim > 1).view(-1)[3] = bad
    torch.save(state, path)
    with pytest.raises(ArtefactError, match=r"its weights are not finite \(1 of "):
        read_backbone(path, "small")


@pytest.mark.parametrize("read", [read_backbone, lambda path: load_training(path, torch.device("cpu"))])
def test_archive_that_inflates_without_end_is_refused_at_once(
    tmp_path: Path, read: Callable[[Path], object]
) -> None:
    path = tmp_path / "last.pt"
    archive = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
    with archive, archive.open("a/data.pkl", "w", force_zip64=True) as entry:
        for _ in range(200):
            entry.write(bytes(1 << 20))
    started = time.monotonic()
    with pytest.raises(ArtefactError, match=r"would unpack to|is damaged"):
        read(path)
    assert time.monotonic() - started < 1


def test_pipe_for_weights_or_records_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "w.safetensors")
    with pytest.raises(ArtefactError, match="is no regular file"):
        read_backbone(tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match="no regular file"):
        read_sealed(tmp_path / "w.safetensors")


def test_recipe_nested_a_thousand_deep_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text("a = " + "[" * 20_000 + "]" * 20_000)
    with pytest.raises(ConfigurationError, match="recipe"):
        read_recipe(str(path))


def external(file: h5py.File, folder: Path) -> None:
    with h5py.File(folder / "other.h5", "w") as other:
        other["x"] = [1]
    file["x"] = h5py.ExternalLink(str(folder / "other.h5"), "x")


def virtual(file: h5py.File, folder: Path) -> None:
    layout = h5py.VirtualLayout(shape=(4,), dtype="u1")
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "x", shape=(4,))
    file.create_virtual_dataset("x", layout)


def outside(file: h5py.File, folder: Path) -> None:
    file.create_dataset("x", (4,), "u1", external=[(str(folder / "secret"), 0, 4)])


@pytest.mark.parametrize(
    "make",
    [
        external,
        virtual,
        outside,
        lambda file, _: file.create_dataset("x", (1 << 50,), "u1", chunks=(1 << 20,)),
        lambda file, _: file.create_dataset("x", data=np.zeros(1 << 20), compression="gzip"),
        lambda file, _: file.create_dataset("x", data=["words"], dtype=h5py.string_dtype()),
        lambda file, _: file.create_group("x"),
        lambda file, _: file.__setitem__("x", h5py.SoftLink("/y")),
        lambda file, _: file.__setitem__("x", h5py.Empty("u1")),
        lambda _file, _: None,
    ],
)
def test_dataset_of_another_layout_is_not_read(
    tmp_path: Path, make: Callable[[h5py.File, Path], object]
) -> None:
    with h5py.File(tmp_path / "s.h5", "w") as file:
        make(file, tmp_path)
    tracemalloc.start()
    with h5py.File(tmp_path / "s.h5", "r") as file, pytest.raises(OSError, match="x in it"):
        require_plain(file, "x", (tmp_path / "s.h5").stat().st_size)
    assert tracemalloc.get_traced_memory()[1] < 10 << 20
    tracemalloc.stop()
