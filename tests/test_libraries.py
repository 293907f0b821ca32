"""What is said of libraries whose versions are not tested, where an error comes from one."""

import sys
from importlib import metadata

import pytest
import typer

from fame_cli import __main__, libraries
from fame_cli.cli import console

pytestmark = pytest.mark.libraries

REQUIRED = ["av<20,>=17", "torch!=2.9.0,>=2.6", 'pytest>=8; extra == "dev"', 'av>=99; python_version < "3"']


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Name and version of what is installed: as tested, until a test changes it."""
    found = {"av": "18.1.0", "torch": "2.9.1+cu128"}

    def version(name: str) -> str:
        if name not in found:
            raise metadata.PackageNotFoundError(name)
        return found[name]

    monkeypatch.setattr(libraries.metadata, "version", version)
    monkeypatch.setattr(libraries.metadata, "requires", lambda _: REQUIRED)
    return found


def test_tested_libraries_are_not_blamed(installed: dict[str, str]) -> None:
    assert installed["av"] == "18.1.0"
    assert libraries.advice() == ""


def test_version_out_of_range_is_told_with_the_range_and_the_command(installed: dict[str, str]) -> None:
    installed["av"] = "20.0.1"
    told = libraries.advice()
    assert "av 20.0.1 is installed, tested is av<20,>=17" in told
    assert told.endswith(f"{sys.executable} -m pip install 'av<20,>=17'")
    assert "torch" not in told


def test_missing_library_and_excluded_version_are_told(installed: dict[str, str]) -> None:
    del installed["av"]
    installed["torch"] = "2.9.0+cu128"
    told = libraries.advice()
    assert "av is missing, tested is av<20,>=17" in told
    assert "torch 2.9.0+cu128 is installed, tested is torch!=2.9.0,>=2.6" in told


def test_package_that_is_not_installed_blames_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def requires(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(libraries.metadata, "requires", requires)
    assert libraries.advice() == ""


def call_that_fails() -> int:
    raise TypeError("open() got an unexpected keyword argument 'metadata_errors'")


@pytest.mark.parametrize(("version", "a_bug"), [("18.1.0", True), ("20.0.1", False)])
def test_failed_call_is_a_bug_only_where_all_libraries_are_tested(
    installed: dict[str, str], capsys: pytest.CaptureFixture[str], version: str, a_bug: bool
) -> None:
    installed["av"] = version
    with pytest.raises(typer.Exit, match="70"):
        console.guard(call_that_fails)()
    told = capsys.readouterr().err
    assert "unexpected error: TypeError: open() got" in told
    assert ("This is a bug" in told) == a_bug
    assert ("av 20.0.1 is installed" in told) != a_bug


def test_library_that_fails_as_the_commands_are_read_is_told(
    installed: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fame_cli.cli.app.main", call_that_fails)
    with pytest.raises(TypeError, match="metadata_errors"):
        __main__.main()
    installed["av"] = "20.0.1"
    with pytest.raises(SystemExit, match="70"):
        __main__.main()
    assert "av 20.0.1 is installed, tested is" in capsys.readouterr().err
