"""The package in somebody else's program: docs/library.md and examples/ as they stand, and public names."""

import importlib.util
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

import fame_cli
from fame_cli.cli.app import app
from fame_cli.data.views import normalise
from fame_cli.evaluation.evaluation import read_weights
from fame_cli.learning.backbones import build_backbone
from fame_cli.learning.checkpoint import save_backbone

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "library.md"
SHAPE = re.compile(r"\([\w…()]+,[\w…, ]*\)")
"""Such as (B, H, W) or (T,)."""


def snippets() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(), flags=re.DOTALL | re.MULTILINE)


def run(*command: str) -> str:
    alone = os.environ | {"OMP_NUM_THREADS": "1"}  # no fight for cores among parallel test processes
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, env=alone).stdout


def test_every_snippet_of_the_guide_runs(
    tmp_path: Path, videos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for command in (["extract", str(videos), "-o", "work"], ["masks", "work"]):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.output
    save_backbone(Path("run/backbone.safetensors"), build_backbone("r2plus1d_18"), "r2plus1d_18", {})
    torch.save({"state_dict": build_backbone("small").state_dict(), "config": Path("x")}, "old.pth")
    names: dict[str, Any] = {}
    assert len(snippets()) >= 9
    for snippet in snippets():
        exec(compile(snippet, GUIDE.name, "exec"), names)
    assert names["merged"].shape == (2, 3, 16, 48, 48)
    assert names["foreground"].sum((1, 2)).tolist() == [112 * 112 // 2] * 8
    said = capsys.readouterr().out
    for line in snippets():
        if promised := re.search(r"print\(keys\)  # (.*)", line):
            assert promised[1] in said


def test_the_example_shows_what_merging_is_for() -> None:
    found = re.findall(r"(\d+)% right", run(sys.executable, "examples/own_loop.py"))
    without, merged = map(int, found)
    assert without < 40
    assert merged > 70


def test_the_loop_of_moco_and_fame_trains_and_leaves_weights_that_can_be_evaluated(
    tmp_path: Path, videos: Path
) -> None:
    work, weights = tmp_path / "work", tmp_path / "own" / "backbone.safetensors"
    assert CliRunner().invoke(app, ["extract", str(videos), "-o", str(work)]).exit_code == 0
    options = ["--backbone=small", "--clip-frames=4", "--crop-px=32", "--batch-size=4", "--epochs=2"]
    said = run(sys.executable, "examples/moco_fame.py", str(work), f"--output={weights}", *options)
    assert re.findall(r"epoch (\d): loss \d+\.\d+ \(chance 7\.625\)", said) == ["1", "2"]
    loaded = read_weights(weights)
    assert loaded.clip_options == {"clip_frames": 4, "frame_stride": 2, "crop_px": 32}
    torch.manual_seed(0)
    untrained = build_backbone("small").state_dict()
    assert not torch.equal(loaded.backbone.state_dict()[key := next(iter(untrained))], untrained[key])
    assert len((ROOT / "examples" / "moco_fame.py").read_text().splitlines()) <= 120


def test_the_example_of_other_libraries_networks_gives_encoders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    clips = torch.rand(1, 3, 16, 112, 112)
    names = ["mc3"] + ["videomae"] * bool(importlib.util.find_spec("transformers"))
    for name in names:
        backbone = build_backbone(f"any_model:{name}").eval()
        with torch.no_grad():
            assert backbone(normalise(clips)).shape == (1, backbone.feature_dim)


def test_the_package_is_imported_at_once_and_its_help_needs_no_torch() -> None:
    heavy = "[name for name in ('torch', 'numpy', 'cv2', 'h5py') if name in sys.modules]"
    assert run(sys.executable, "-c", f"import sys, fame_cli; print({heavy})") == "[]\n"
    program = (
        "import sys; from typer.testing import CliRunner; from fame_cli.cli.app import app;"
        f"assert CliRunner().invoke(app, ['--help']).exit_code == 0; print({heavy})"
    )
    assert run(sys.executable, "-c", program) == "[]\n"


def test_submodules_are_still_found_and_other_names_are_not() -> None:
    from fame_cli import stage

    assert stage.__name__ == "fame_cli.stage"
    with pytest.raises(AttributeError, match="module 'fame_cli' has no attribute 'nothing'"):
        fame_cli.nothing  # noqa: B018
    assert set(fame_cli.__all__) <= set(dir(fame_cli))


def test_type_checkers_see_the_same_names_at_the_same_places() -> None:
    seen = {
        name.strip(): module
        for module, names in re.findall(
            r"^    from (\S+) import (.*)$", inspect.getsource(fame_cli), re.MULTILINE
        )
        for name in names.split(",")
    }
    assert seen == fame_cli.HOMES
    assert {*seen, "__version__"} == set(fame_cli.__all__)


@pytest.mark.parametrize("name", sorted(set(fame_cli.__all__) - {"__version__"}))
def test_public_name_is_what_it_says_and_says_what_it_is(name: str) -> None:
    value = getattr(fame_cli, name)
    assert value.__name__ == name
    assert f"`{name}`" in GUIDE.read_text().split("## All names")[1]
    assert len(inspect.getdoc(value) or "") > 30


def callables(value: Any) -> dict[str, Any]:
    """What a user of a public name calls: itself, or its methods and properties that are ours."""
    if not inspect.isclass(value):
        return {value.__name__: value}
    ours = [base for base in value.__mro__ if base.__module__.startswith("fame_cli")]
    names = {key for base in ours for key in vars(base) if not key.startswith("_")}
    members = {key: inspect.getattr_static(value, key) for key in names}
    functions = {
        key: member.fget if isinstance(member, property) else member for key, member in members.items()
    }
    return {key: function for key, function in functions.items() if inspect.isfunction(function)}


@pytest.mark.parametrize("name", sorted(set(fame_cli.__all__) - {"__version__"}))
def test_what_takes_or_gives_arrays_tells_their_shapes(name: str) -> None:
    for key, function in callables(getattr(fame_cli, name)).items():
        text = inspect.getdoc(function) or ""
        assert text, f"{name}.{key} says nothing"
        types = " ".join(map(str, inspect.get_annotations(function).values()))
        if re.search("Tensor|ndarray", types):
            assert SHAPE.search(text), f"{name}.{key} tells no shape: {text}"


def test_parameters_of_public_functions_are_told() -> None:
    for name in set(fame_cli.__all__) - {"__version__"}:
        value = getattr(fame_cli, name)
        if inspect.isfunction(value):
            text = inspect.getdoc(value) or ""
            parameters = inspect.signature(value).parameters
            untold = [key for key in parameters if not re.search(rf"\b{key}\b", text, re.IGNORECASE)]
            assert not untold, f"{name}: {untold}"
