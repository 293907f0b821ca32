"""The README's commands run as they stand, on small videos."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import fame_cli
from fame_cli.cli.app import app

ROOT = Path(__file__).parents[2]

# What makes a command small enough for a test; nothing else is added to what the README says.
SMALLER = {
    "embed": "--clips 2 --device cpu",
    "run": "--recipe small.toml --steps 2 --device cpu",
    "pretrain": "--backbone small --crop-px 32 --batch-size 4 --queue-length 16 --steps 2 --device cpu",
    "eval linear": "--epochs 2 --clips 2 --device cpu",
    "eval finetune": "--epochs 1 --clips 2 --device cpu",
    "eval retrieval": "--clips 2 --device cpu",
    "eval knn": "--clips 2 --device cpu",
    "compare": "",
    "report": "",
    "visualize": "",
    "status": "",
    "verify": "",
    "extract": "",
    "masks": "",
}

SMALL_RECIPE = """
[pretrain]
backbone = "small"
crop_px = 32
batch_size = 4
objective = { name = "moco", queue_length = 16 }
[linear]
train_on = "features"
epochs = 2
clips = 2
"""


def readme_commands() -> list[str]:
    """Lines of the README's code blocks that begin with ``fame``."""
    lines = (ROOT / "README.md").read_text().splitlines()
    return [line.strip() for line in lines if line.startswith("    fame ")]


def test_every_command_of_the_readme_runs(
    tmp_path: Path, videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert videos == tmp_path / "videos"
    make_ucf101(tmp_path, videos)
    (tmp_path / "small.toml").write_text(SMALL_RECIPE)
    commands = readme_commands()
    assert len(commands) >= 11
    for command in commands:
        words = shlex.split(command)[1:]
        if "UCF-101" in words:
            words[words.index("-o") + 1] = "ucf-work"  # another WORK: these are other videos
        extra = next(options for name, options in SMALLER.items() if " ".join(words).startswith(name))
        result = CliRunner().invoke(app, [*words, *extra.split()])
        assert result.exit_code == 0, f"{command}\n{result.output}"


def make_ucf101(folder: Path, videos: Path) -> None:
    """A folder of the layout of UCF101 with its official lists."""
    names = {"train": [], "test": []}
    for path in sorted(videos.rglob("*.avi")):
        split, label = path.relative_to(videos).parts[:2]
        names[split].append(f"{label}/{path.name.replace(' ', '_')}")
        (folder / "UCF-101" / label).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / "UCF-101" / names[split][-1])
    (folder / "ucfTrainTestlist").mkdir()
    for split, found in names.items():
        (folder / "ucfTrainTestlist" / f"{split}list01.txt").write_text("\n".join(found))


def test_options_of_the_readme_table_exist() -> None:
    text = (ROOT / "README.md").read_text()
    for option in (
        "--beta",
        "--background",
        "--branch",
        "--variant",
        "--statistics",
        "--backbone",
        "--crop-px",
    ):
        assert option in text
        assert option in " ".join(CliRunner().invoke(app, ["pretrain", "--help"]).output.split())


def test_make_demo_and_pip_install_are_what_the_readme_says(tmp_path: Path) -> None:
    told = subprocess.run(
        ["make", "--dry-run", "demo"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert "fame demo -o demo" in told
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--quiet"]
    shutil.copytree(
        ROOT, tmp_path / "copy", ignore=shutil.ignore_patterns(".git", ".venv", "*.egg-info", "demo")
    )
    subprocess.run([*install, "--target", tmp_path / "site", "."], cwd=tmp_path / "copy", check=True)
    assert (tmp_path / "site" / "bin" / "fame").exists()
    version = f"fame_cli-{fame_cli.__version__}.dist-info"
    assert {path.name for path in (tmp_path / "site").iterdir()} == {"bin", "fame_cli", version}
    assert (tmp_path / "site" / "fame_cli" / "py.typed").exists()
