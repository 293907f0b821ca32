"""Files of torch that are damaged, hold no weights or want to run code: refused, and nothing is run."""

import os
import pickle
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import torch

from fame_cli.errors import ArtefactError
from fame_cli.learning.backbones import build_backbone
from fame_cli.learning.checkpoint import load_backbone

pytestmark = pytest.mark.libraries

STATE = build_backbone("small").state_dict()


def saved(path: Path, content: object, *, legacy: bool = False) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


class Trap:
    """Calls something when it is unpickled by a careless reader."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


def traps(folder: Path) -> Iterable[Trap]:
    yield Trap(os.mkdir, str(folder))
    yield Trap(eval, f"__import__('os').mkdir({str(folder)!r})")
    yield Trap(torch.save, 1, str(folder))


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("kind", ["zip", "legacy", "pickle"])
def test_code_in_a_file_is_never_run(tmp_path: Path, kind: str, number: int) -> None:
    sprung, path = tmp_path / "sprung", tmp_path / "weights.pth"
    content = {"state_dict": STATE, "args": list(traps(sprung))[number]}
    if kind == "pickle":
        path.write_bytes(pickle.dumps(content["args"], protocol=2))
    else:
        saved(path, content, legacy=kind == "legacy")
    with pytest.raises(ArtefactError, match=r"(running code; that is never|no readable file of torch)"):
        load_backbone(path)
    assert not sprung.exists()


def test_a_file_that_needs_code_says_what_and_how_to_convert_it(tmp_path: Path) -> None:
    path = saved(tmp_path / "weights.pth", {"state_dict": STATE, "config": Path("x")})
    with pytest.raises(ArtefactError, match=r"holds pathlib\.\S+ beside its weights.*\n.*docs/library\.md"):
        load_backbone(path)


def test_a_whole_pickled_network_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "network.pth", build_backbone("small"))
    with pytest.raises(ArtefactError, match=r"holds fame_cli\.learning\.backbones\.small\.Small beside"):
        load_backbone(path)


@pytest.mark.parametrize("content", [[torch.zeros(3)], {"epoch": 3}, {0: torch.zeros(3)}])
def test_a_file_without_named_weights_says_so(tmp_path: Path, content: object) -> None:
    with pytest.raises(ArtefactError, match="holds no weights by name, neither itself nor under state_dict"):
        load_backbone(saved(tmp_path / "strange.pth", content))


def flip_a_bit_of_a_tensor(content: bytes) -> bytes:
    place = content.index(b"\xcd\xcc\xf6\x42")  # 123.4 as float32
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize("damage", [lambda content: content[: len(content) // 2], flip_a_bit_of_a_tensor])
def test_a_damaged_file_of_torch_is_named(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = saved(tmp_path / "weights.pth", STATE | {"x": torch.full((64,), 123.4)})
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ArtefactError, match=r"weights\.pth: is no readable file of torch"):
        load_backbone(path)


def test_a_broken_name_inside_an_old_file_is_named_too(tmp_path: Path) -> None:
    path = saved(tmp_path / "weights.pth", {"x": torch.full((64,), 123.4)}, legacy=True)
    content = path.read_bytes()
    place = content.rindex(b"X", 0, content.rindex(b"\xcd\xcc\xf6\x42"))  # the last text: a storage's name
    path.write_bytes(content[: place + 6] + b"?" + content[place + 7 :])
    with pytest.raises(ArtefactError, match=r"weights\.pth: is no readable file of torch"):
        load_backbone(path)
