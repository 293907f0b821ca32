"""The terminal: colours that can be turned off, rates that can be read, and words that a shell completes."""

import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fame_cli.cli.console import pace
from fame_cli.cli.voice import Voice

PLACES = os.pathsep.join(os.path.abspath(path) for path in sys.path if path)
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")},
    "PYTHONPATH": PLACES,
    "TERM": "xterm-256color",
}
COLOUR = re.compile(r"\x1b\[(?:[\d;]*;)?(?:3[0-8]|4[0-8]|9[0-7])[;m]")


def on_a_terminal(*arguments: str, **variables: str) -> str:
    """What a command shows on a terminal."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "fame_cli", *arguments]
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=ENVIRONMENT | variables
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 1 << 16)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        shown += part
    process.wait()
    os.close(ours)
    return shown.decode()


def test_colours_are_left_out_where_they_are_not_wanted(tmp_path: Path) -> None:
    wrong = ("status", str(tmp_path))
    assert COLOUR.search(on_a_terminal(*wrong))
    plain = on_a_terminal(*wrong, NO_COLOR="1")
    assert "error:" in plain
    assert not COLOUR.search(plain)


def test_progress_is_plain_lines_in_a_pipe_even_where_colours_are_forced(
    videos: Path, tmp_path: Path
) -> None:
    extract = [sys.executable, "-m", "fame_cli", "extract", videos, "-o", tmp_path / "work", "-j", "1"]
    forced = ENVIRONMENT | {"FORCE_COLOR": "1"}
    told = subprocess.run(extract, env=forced, capture_output=True, text=True, check=True).stderr
    assert told.splitlines()[0] == "extracting: 0/10"
    assert "\x1b[2K" not in told


def test_slow_steps_are_told_in_seconds() -> None:
    assert pace(2.54, "steps") == "2.5 steps/s"
    assert pace(1.0, "videos") == "1.0 videos/s"
    assert pace(0.25, "steps") == "4.0 s/step"
    assert pace(0.004, "epochs") == "250.0 s/epoch"


def test_flags_of_the_voice_are_taken_anywhere_but_behind_two_dashes() -> None:
    voice = Voice()
    assert voice.take(["work", "-q", "--beta", "1"]) == ["work", "--beta", "1"]
    assert (voice.quiet, voice.verbose) == (True, False)
    assert voice.take(["--", "-v"]) == ["--", "-v"]
    assert not voice.verbose


@pytest.fixture
def shell_folder(tmp_path: Path) -> Path:
    """A folder with a command ``fame``, a RUN, a WORK and a folder that is neither."""
    (tmp_path / "bin").mkdir()
    fame = tmp_path / "bin" / "fame"
    fame.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m fame_cli "$@"\n')
    fame.chmod(0o755)
    for name in ("w-run/config.toml", "w-work/manifest.csv", "other/notes.txt"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    return tmp_path


def in_shell(shell: str, script: str, folder: Path) -> list[str]:
    paths = f"{folder / 'bin'}{os.pathsep}{ENVIRONMENT['PATH']}"
    told = subprocess.run(
        [shell, *(["--norc"] if shell == "bash" else ["-f"]), "-c", script],
        cwd=folder,
        env=ENVIRONMENT | {"PATH": paths},
        capture_output=True,
        text=True,
        check=True,
    )
    return told.stdout.split()


COMPLETED = [
    (
        "pretrain work --recipe ucf101-r2",
        ["ucf101-r2plus1d-fame", "ucf101-r2plus1d-moco", "ucf101-r2plus1d-wide-micro"],
    ),
    ("pretrain work --objective b", ["byol"]),
    ("pretrain --resume w", ["w-run"]),
    ("masks w", ["w-work"]),
    ("eval linear w-work w-r", ["w-run"]),
]


def test_bash_completes_recipes_runs_and_choices(shell_folder: Path) -> None:
    lines = ['eval "$(_FAME_COMPLETE=source_bash fame)"']
    for words, _ in COMPLETED:
        split = ["fame", *words.split()]
        lines.append(f"COMP_WORDS=({' '.join(split)}); COMP_CWORD={len(split) - 1}; _fame_completion fame")
        lines.append('echo "${COMPREPLY[*]}"')
    found = in_shell("bash", "\n".join(lines), shell_folder)
    assert found == [word for _, words in COMPLETED for word in words]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_completes_recipes_runs_and_choices(shell_folder: Path) -> None:
    # Outside an interactive shell, the functions of zsh's own completion print what they are given.
    lines = ["compdef() { : }", '_arguments() { print -r -- "$@" }', "_files() { print files }"]
    lines.append('eval "$(_FAME_COMPLETE=source_zsh fame)"')
    for words, _ in COMPLETED:
        split = ["fame", *words.split()]
        lines.append(f"words=({' '.join(split)}); CURRENT={len(split)}; _fame_completion")
    found = " ".join(in_shell("zsh", "\n".join(lines), shell_folder))
    assert re.findall(r'"([\w+-]+)"', found) == [word for _, words in COMPLETED for word in words]
