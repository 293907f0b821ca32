"""``fame doctor``: what is shown, its exit code, and which errors point to it."""

import errno
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fame_cli.cli import console
from fame_cli.cli.app import app
from fame_cli.doctor.finding import Finding
from fame_cli.errors import ConfigurationError


def examined(*findings: Finding) -> object:
    def examine(folder: Path) -> Iterator[Finding]:
        yield Finding("disk", "ok", f"room in {folder}")
        yield from findings

    return examine


def test_findings_are_shown_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Finding("cores", "warning", "[2]", "Give --jobs 2.")
    monkeypatch.setattr("fame_cli.doctor.examine", examined(slow, Finding("ray", "absent", "not installed")))
    result = CliRunner().invoke(app, ["doctor", "work"])
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        *("ok  disk: room in work", "warning  cores: [2]", "    Give --jobs 2.", "-  ray: not installed"),
        "Nothing here keeps a command from working.",
    ]


def test_problem_is_an_exit_code_and_json_tells_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fame_cli.doctor.examine", examined(Finding("torch", "problem", "ü", "Mend it.")))
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert "1 of 2 would keep a command from working" in result.stdout
    result = CliRunner().invoke(app, ["doctor", "--json"])
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["problems"] == 1
    assert told["findings"][1] == {"name": "torch", "state": "problem", "found": "ü", "advice": "Mend it."}


@pytest.mark.parametrize(
    ("error", "points"),
    [
        (MemoryError(), True),
        (OSError(errno.EMFILE, "Too many open files"), True),
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (ZeroDivisionError("a bug"), True),
        (FileNotFoundError(errno.ENOENT, "No such file", "a"), False),
    ],
)
def test_errors_of_the_machine_name_the_command(
    capsys: pytest.CaptureFixture[str], error: Exception, points: bool
) -> None:
    console.refuse(error)
    assert ("fame doctor" in capsys.readouterr().err) == points


def test_wrong_option_does_not_name_it(capsys: pytest.CaptureFixture[str]) -> None:
    console.explain(ConfigurationError("--beta is 2.", "Give less."))
    assert "doctor" not in capsys.readouterr().err
