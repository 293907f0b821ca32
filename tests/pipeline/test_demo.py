"""The demo at a small size: every stage, one self-contained page, and nothing done twice."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fame_cli.cli.app import app

pytestmark = pytest.mark.libraries


def run_demo(folder: Path) -> str:
    arguments = ["demo", "--quick", "-o", str(folder), "--device", "cpu", "-j", "1"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_demo_leaves_a_self_contained_page_and_does_nothing_twice(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    said = run_demo(folder)
    # It is fame run as far as the networks, and the baseline is trained beside the method.
    recipe = f"--recipe {folder}/MoCo+FAME.toml"
    assert f"\n    fame pretrain {folder}/work -o {folder}/runs/MoCo+FAME {recipe} --device cpu" in said
    assert f"\n    fame pretrain {folder}/work -o {folder}/runs/MoCo {recipe} --distraction none" in said
    assert f"\n    fame eval linear {folder}/work-biased {folder}/runs/MoCo+FAME {recipe}" in said
    page = (folder / "report.html").read_text()
    assert page.count("data:image/") >= 6
    assert not re.search(r'(src|href)="(http|/|\.)', page)
    for told in ("leave out --quick", "MoCo+FAME", "background misleads", "fame run VIDEOS -o out"):
        assert told in page
    made = {path: path.stat().st_mtime_ns for path in folder.rglob("*.h5")}
    made |= {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("*.safetensors")}
    assert len(made) > 20
    assert run_demo(folder).count("Nothing to do: ") == 14
    assert all(path.stat().st_mtime_ns == before for path, before in made.items())
