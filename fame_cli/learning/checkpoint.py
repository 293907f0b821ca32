"""Two kinds of file: the whole state of a training, to go on from, and a backbone alone, to evaluate.

Both are written under a temporary name, forced to the disk and renamed, so that a file under its own name is
whole. Neither can run code when it is read: tensors and plain values only, or safetensors.
"""

import io
import json
import pickle
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from fame_cli import record
from fame_cli.config import BackboneName
from fame_cli.disk import sha256_of, write_whole
from fame_cli.errors import ArtefactError, ConfigurationError
from fame_cli.learning.backbones import Backbone
from fame_cli.learning.torch_file import read_torch, require_no_bomb
from fame_cli.learning.weights import Fit, KeyCount, first_few, fit_backbone
from fame_cli.option import is_object_path

METADATA = "fame"

HUB_FILE = "model.safetensors"
"""The weights in a folder of the Hugging Face Hub."""

PLAIN_TYPES = (type(None), bool, int, float, str, bytes)

CHANGED_WEIGHTS = (
    "Copy it back, or pretrain again. If the change is meant, move the file out of the run and give it with "
    "--weights."
)

DAMAGE_SIGNS = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError)
"""What the zip reader raises on bytes that are not what they should be."""


def save_training(path: Path, state: dict[str, Any]) -> None:
    """Replace the checkpoint at ``path`` by ``state``: nested dicts and lists of tensors and plain values.

    Raises FameError if it cannot be written; the checkpoint that was there then still stands.
    """
    require_plain(state, "state")
    buffer = io.BytesIO()
    torch.save(state, buffer)
    # The view is given back also where the write fails. One that the error's traceback kept would be freed
    # together with the buffer, at which Python 3.13 prints a BufferError and 3.12.1 crashes.
    with buffer.getbuffer() as content:
        write_whole(path, content)


def load_training(path: Path, device: torch.device) -> dict[str, Any]:
    """The state that ``save_training`` wrote, all its tensors on ``device``."""
    if not path.exists():
        raise ArtefactError(
            f"{path}: there is no training checkpoint.",
            "Copy it back, or start the training anew with --overwrite.",
        )
    record.require_as_written(path, "Copy it back, or delete its folder and start the training anew.")
    require_sound_archive(path)
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except pickle.UnpicklingError as error:
        raise damaged_checkpoint_error(path) from error
    except RuntimeError as error:
        if "PytorchStreamReader" in str(error):
            raise damaged_checkpoint_error(path) from error
        raise  # a device that is full or not there is no fault of the file
    return state


def save_backbone(path: Path, backbone: Backbone, name: str, extra: dict[str, str]) -> None:
    """Write the backbone's weights as safetensors, whole or not at all, for ``load_backbone`` and others.

    Args:
        path: the file; its folder is made if need be.
        backbone: the network; its ``feature_dim`` is written too.
        name: the network's name, as for ``build_backbone``.
        extra: more metadata. ``fame eval`` asks for the clips of the training unless it finds "clip_frames",
            "frame_stride" (in frames) and "crop_px" (in pixels) here.

    Raises:
        FameError: the disk refuses; what was at ``path`` before then stands.
    """
    metadata = {**extra, "backbone": name, "feature_dim": str(backbone.feature_dim)}
    write_safetensors(path, backbone.state_dict(), metadata)


@dataclass(frozen=True)
class Loaded:
    """A backbone read from a file."""

    backbone: Backbone
    """On the CPU, in training mode, as it is built."""
    fit: Fit
    metadata: dict[str, str]
    """What ``save_backbone`` wrote beside it; empty where another program wrote the file."""


def load_backbone(path: Path | str, name: str | None = None) -> tuple[Backbone, KeyCount]:
    """The backbone in a file of weights, on the CPU, and how its keys matched (all of them, or an error).

    Read are ``backbone.safetensors`` and ``checkpoints/last.pt`` of this toolkit, the folder that ``fame
    export --to hub`` writes, state dicts of torchvision's networks, and checkpoints of MoCo, FAME, BE and
    MAC_SSL (docs/library.md). No code of a file is run.

    Args:
        path: safetensors, a folder of the Hugging Face Hub, or a checkpoint or state dict saved by torch.
        name: the network, where the file does not name it; without it, the only known one that fits. One of
            your own, ``package.module:name``, must be named here too: a file alone runs no code.

    Returns:
        The network in training mode, and the counts of matched, missing and unexpected keys.

    Raises:
        ArtefactError: the file is missing, damaged, needs code to be read, or does not fill the network.
        ConfigurationError: the file names another network than ``name``.
    """
    loaded = read_backbone(Path(path), name)
    return loaded.backbone, loaded.fit.keys


def read_backbone(path: Path, name: str | None = None) -> Loaded:
    """As ``load_backbone``, with all that is known of the file."""
    path = weights_file(path)
    entries, metadata = read_entries(path)
    require_numbers(path, entries)
    declared = metadata.get("backbone", name)
    if declared is not None and is_object_path(declared):
        declared = require_named(path, declared, name)
    elif declared is not None and declared not in get_args(BackboneName):
        raise ArtefactError(
            f"{path}: names backbone {declared!r}; known are {', '.join(get_args(BackboneName))}.",
            "Give the backbone.safetensors of a run of this toolkit.",
        )
    if name not in (None, declared):
        raise ConfigurationError(f"{path} holds {declared}, not {name}.", "Leave --backbone out.")
    backbone, fit = fit_backbone(path, entries, declared)
    require_finite(path, fit.matched)
    return Loaded(backbone, fit, metadata)


def weights_file(path: Path) -> Path:
    """The file of weights itself, of a folder of the Hugging Face Hub the one in it."""
    inside = path / HUB_FILE
    return inside if inside.is_file() else path


def require_named(path: Path, declared: str, name: str | None) -> str:
    """The user's own network that a file holds, as the user names it: a file may not name code to run."""
    if name is None or not is_object_path(name):
        raise ArtefactError(
            f"{path}: holds the network {declared}, which is not one of this toolkit.",
            f"Give --backbone {declared} if you trust its code, which is run only if you name it.",
        )
    return name


def require_numbers(path: Path, entries: Mapping[str, Tensor]) -> None:
    """Raise ArtefactError where entries are no weights by their kind, which a conversion would hide."""
    kinds = {
        key: kind
        for key, values in entries.items()
        if (kind := odd_kind(values)) and not (kind == "whole numbers" and values.ndim <= 1)
    }
    if kinds:
        named = ", ".join(f"{key} ({kind})" for key, kind in sorted(kinds.items())[:3])
        raise ArtefactError(
            f"{path}: {len(kinds)} of {len(entries)} entries are no weights: {named}.",
            "Save the network's weights as dense floating-point tensors.",
        )


def odd_kind(values: Tensor) -> str:
    """What a tensor is instead of dense floating-point numbers, if it is; counters are whole numbers too."""
    if values.is_meta:
        return "without values"
    if values.layout != torch.strided:
        return "sparse"
    if values.is_quantized:
        return "quantized"
    if values.is_complex():
        return "complex"
    return "" if values.is_floating_point() else "whole numbers"


def require_finite(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Raise ArtefactError where weights are NaN or infinite: whatever is made of them would be as well."""
    bad = [key for key, values in tensors.items() if not values.isfinite().all()]
    if bad:
        raise ArtefactError(
            f"{path}: its weights are not finite ({len(bad)} of {len(tensors)} entries: {first_few(bad)}).",
            "The training that made them has diverged: pretrain again with a smaller --learning-rate.",
        )


def read_entries(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Named tensors and metadata of a file, of which the first bytes tell the kind."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ArtefactError(f"{path} is no regular file, but a pipe or a device.", "Give a file of weights.")
    record.require_as_written(path, CHANGED_WEIGHTS)
    if path.is_file():
        with path.open("rb") as file:
            start = file.read(9)
        if start.startswith((b"PK", b"\x80")) and not start.endswith(b"{"):
            return read_torch(path), {}
    return read_safetensors(path)


def weights_fingerprint(path: Path) -> str:
    """The first ten hexadecimal digits of the file's SHA-256, which name the weights in results."""
    return sha256_of(path)[:10]


def require_plain(value: object, where: str) -> None:
    """Refuse at the time of saving what ``load_training`` would refuse to read back."""
    if isinstance(value, Tensor) or type(value) in PLAIN_TYPES:
        return
    if type(value) in (dict, OrderedDict):
        for key, item in value.items():  # type: ignore[attr-defined]
            require_plain(key, f"a key of {where}")
            require_plain(item, f"{where}[{key!r}]")
    elif type(value) in (list, tuple):
        for index, item in enumerate(value):  # type: ignore[arg-type]
            require_plain(item, f"{where}[{index}]")
    else:
        raise TypeError(
            f"{where} is a {type(value).__name__}; a checkpoint holds tensors and plain values only"
        )


def write_safetensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors and metadata; the same content gives the same bytes."""
    plain = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    # safetensors writes the entries of its metadata in random order, so all of ours is one entry.
    packed = json.dumps(dict(metadata), sort_keys=True)
    write_whole(path, safetensors.torch.save(plain, {METADATA: packed}))


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file."""
    if not path.exists():
        raise ArtefactError(f"{path}: there is no backbone file.", "Check the path, or pretrain first.")
    if path.is_dir():
        raise ArtefactError(f"{path} is a folder.", f"Give the file in it: {path / 'backbone.safetensors'}")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118, not a dict
            return tensors, parse_metadata((file.metadata() or {}).get(METADATA, "{}"))
    except (OSError, ValueError, RecursionError, safetensors.SafetensorError) as error:
        raise ArtefactError(
            f"{path}: is not a whole safetensors file ({error}).",
            "Give the backbone.safetensors of a finished run; a damaged one must be copied or made again.",
        ) from error


def parse_metadata(text: str) -> dict[str, str]:
    """What ``write_safetensors`` packed; raises ValueError where it is anything but words by name."""
    values = json.loads(text)
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise ValueError("its metadata are not words by name")
    return values


def match_keys(path: Path, expected: dict[str, Tensor], found: dict[str, Tensor]) -> KeyCount:
    """Compare names and shapes; any difference is an ArtefactError with counts and the first few names."""
    missing, unexpected = expected.keys() - found.keys(), found.keys() - expected.keys()
    shared = expected.keys() & found.keys()
    misshapen = {key for key in shared if expected[key].shape != found[key].shape}
    count = KeyCount(len(shared) - len(misshapen), len(missing), len(unexpected))
    faults = {"missing": missing, "unexpected": unexpected, "of another shape": misshapen}
    if any(faults.values()):
        named = "; ".join(f"{fault}: {first_few(keys)}" for fault, keys in faults.items() if keys)
        raise ArtefactError(
            f"{path}: {count}, {len(misshapen)} of another shape ({named}).",
            "The file does not hold the backbone that it names; nothing was evaluated. Export it again.",
        )
    return count


def require_sound_archive(path: Path) -> None:
    """Compare every checksum in the file, which torch writes and does not read, with its content."""
    try:
        with zipfile.ZipFile(path) as archive:
            require_no_bomb(path, archive)
            by_torch = any(name.endswith("/data.pkl") for name in archive.namelist())
            if by_torch and archive.testzip() is None:
                return
    except (OSError, *DAMAGE_SIGNS) as error:
        raise damaged_checkpoint_error(path) from error
    raise damaged_checkpoint_error(path)


def damaged_checkpoint_error(path: Path) -> ArtefactError:
    return ArtefactError(
        f"{path}: the training checkpoint is damaged or was not written by this toolkit.",
        "Copy it again if it was copied; otherwise delete it and start the training anew.",
    )
