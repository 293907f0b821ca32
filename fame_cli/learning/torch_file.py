"""Files of torch, read as data: ``weights_only=True``, and nothing in them is ever called.

What such files often carry beside their tensors (the options of a run, numbers of numpy) becomes an empty
stand-in, so that neither argparse nor numpy is called either.
"""

import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fame_cli.errors import ArtefactError

STAND_INS = (
    "argparse.Namespace",
    "numpy.dtype",
    "numpy.ndarray",
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
)
"""What may lie beside the weights and is not looked at."""

MOST_UNPACKED = 8
"""Times the size of an archive that its content may take."""

STATES = ("state_dict", "model", "model_state_dict")
"""Entries of a checkpoint that hold the weights: of MoCo and FAME; of this toolkit and BE; of tutorials."""


class StandIn:
    """Takes the place of an object that is not needed: accepts any arguments and any state, keeps nothing."""

    def __new__(cls, *_: object) -> "StandIn":
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        pass


def read_torch(path: Path) -> dict[str, Tensor]:
    """The named tensors of a checkpoint or state dict saved by torch, on the CPU; no code of it is run.

    Raises ArtefactError where the file is damaged, holds no weights, or needs code to be read.
    """
    try:
        require_checksums(path)
        with torch.serialization.safe_globals([(StandIn, name) for name in STAND_INS]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise refusal(path, str(error)) from error
    except Exception as error:  # torch raises nearly anything on bytes that are damaged
        reason = (str(error) or repr(error)).splitlines()[0]
        raise ArtefactError(
            f"{path}: is no readable file of torch ({reason}).", "Copy or download it again."
        ) from error
    return named_tensors(path, content)


def require_checksums(path: Path) -> None:
    """Compare every checksum of a zip file, which torch writes and does not read, with its content."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            require_no_bomb(path, archive)
            if broken := archive.testzip():
                raise zipfile.BadZipFile(f"{broken} is damaged")


def require_no_bomb(path: Path, archive: zipfile.ZipFile) -> None:
    """Raise where an archive unpacks to many times its size: torch writes its files without compression."""
    size, unpacked = path.stat().st_size, sum(entry.file_size for entry in archive.infolist())
    if unpacked > MOST_UNPACKED * size:
        raise zipfile.BadZipFile(f"it has {size} bytes and would unpack to {unpacked}")


def refusal(path: Path, reason: str) -> ArtefactError:
    named = re.search(r"GLOBAL (\S+)", reason)
    found = f"holds {named[1]}" if named else "holds something"
    return ArtefactError(
        f"{path}: {found} beside its weights, which could only be read by running code; that is never done.",
        "If you trust where it comes from, convert it once: docs/library.md, Weights that are refused.",
    )


def named_tensors(path: Path, content: Any) -> dict[str, Tensor]:
    """The state dict in what a file holds: under a known name, or the content itself."""
    if isinstance(content, Mapping):
        state = next((content[key] for key in STATES if isinstance(content.get(key), Mapping)), content)
        tensors = {key: value for key, value in state.items() if isinstance(value, Tensor)}
        if tensors and all(isinstance(key, str) for key in tensors):
            return tensors
    raise ArtefactError(
        f"{path}: holds no weights by name, neither itself nor under {', '.join(STATES)}.",
        "Save the state_dict() of the network and give that file.",
    )
