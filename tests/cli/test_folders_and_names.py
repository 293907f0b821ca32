"""A folder of the other kind is named as such, and no name can do anything to a terminal."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from fame_cli.cli import console
from fame_cli.cli.app import app
from fame_cli.data.manifest import Manifest, Video, write_manifest
from fame_cli.disk import write_text
from fame_cli.errors import FameError
from fame_cli.visualization.confusion import draw_confusion

NASTY = "\x1b[31mred\x07\u202egnp"


def fame(code: int, *arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    assert "\x1b" not in result.output
    assert "\u202e" not in result.output
    return " ".join(result.output.split())


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "record.json").write_text("{")
    return tmp_path / "run"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    write_manifest(
        tmp_path / "work", Manifest(tmp_path, {}, (Video("a", "a.avi", label=NASTY, split=NASTY),))
    )
    return tmp_path / "work"


def test_folder_of_the_other_kind_is_named(work: Path, run: Path) -> None:
    assert "stopped" in fame(0, "status", run)
    for command in ("masks", "verify"):
        said = fame(4, command, run)
        assert "is a RUN folder" in said or "record.json cannot be read" in said
    for command in (["report"], ["visualize", "curves"]):
        assert "is a WORK folder" in fame(4, *command, work)


def test_output_names_a_folder_everywhere(tmp_path: Path, work: Path) -> None:
    (tmp_path / "file").touch()
    assert "it names the folder" in fame(2, "report", tmp_path, "-o", tmp_path / "page.html")
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a.avi").write_text("no video")
    said = fame(2, "extract", tmp_path / "videos", "-o", tmp_path / "file", "-j", 1)
    assert "file is a file; expected a folder" in said
    with pytest.raises(FameError, match="there is a file where a folder is needed"):
        write_text(tmp_path / "file" / "a.json", "")
    del work


def test_work_among_the_videos_is_told_and_in_their_place_refused(tmp_path: Path) -> None:
    (tmp_path / "a.avi").write_text("no video")
    assert "is the folder of the videos" in fame(2, "extract", tmp_path, "-o", tmp_path)
    assert "is inside" in fame(1, "extract", tmp_path, "-o", tmp_path / "work", "-j", 1)


def test_nothing_in_a_name_reaches_the_terminal(tmp_path: Path, work: Path) -> None:
    assert "\\x1b[31mred" in fame(0, "status", work)
    assert "\\u202e" in fame(4, "status", tmp_path / NASTY)
    weights = tmp_path / "weights.pth"
    torch.save({NASTY: torch.zeros(1)}, weights)
    said = fame(4, "eval", "knn", work, tmp_path, "--weights", weights)
    assert "\x1b" not in said
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('[pretrain]\n"\\u001b[31m" = 1\n')
    assert "\\x1b[31m" in fame(2, "recipes", "show", recipe)


def test_names_are_shown_as_they_are_but_for_what_a_terminal_obeys() -> None:
    assert console.visible("été [b] 日本\n\tx") == "été [b] 日本\n\tx"
    assert console.visible("a\x1bb\x9bc\udcff\u200bd\re") == "a\\x1bb\\x9bc\\xff\\u200bd\\re"


def test_class_names_with_line_breaks_are_drawn(tmp_path: Path) -> None:
    draw_confusion(np.eye(2, dtype=np.int64), ["a\nb", NASTY], tmp_path / "c.png", "title\nof two lines")
    assert (tmp_path / "c.png").exists()


@pytest.mark.skipif(shutil.which("cc") is None, reason="a file system without locks is made by a C compiler")
def test_file_system_without_locks_is_worked_on(tmp_path: Path, videos: Path) -> None:
    (tmp_path / "f.c").write_text(
        "#include <errno.h>\nint flock(int f, int o) { errno = ENOLCK; return -1; }"
    )
    library = tmp_path / "f.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, tmp_path / "f.c"], check=True)
    for command in (
        ["extract", videos, "-o", tmp_path / "w", "-j", 1],
        ["masks", tmp_path / "w", "--clip-frames", 4],
    ):
        told = subprocess.run(
            [sys.executable, "-m", "fame_cli", *map(str, command)],
            env={"LD_PRELOAD": str(library), "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert told.returncode == 0, told.stderr
    assert json.loads(next(tmp_path.glob("w/statistics/*/stage.json")).read_text())["complete"]
