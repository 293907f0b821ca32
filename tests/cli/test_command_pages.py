"""docs/ and the command line say the same: every command has a page, and what a page gives can be given."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from fame_cli.cli.app import app

pytestmark = pytest.mark.libraries

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "commands"
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
EVERYWHERE = {"--help", "--debug", "--version"}


def commands_below(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Names of what can be called, and what typer made of each: of click, or of its own copy of click."""
    groups = getattr(command, "commands", {})
    if not groups or command.invoke_without_command:
        yield name, command
    for word, below in groups.items():
        yield from commands_below(below, f"{name} {word}".strip())


COMMANDS = {name: command for name, command in commands_below(typer.main.get_command(app), "") if name}


def page_of(name: str) -> Path:
    own = PAGES / f"{name.replace(' ', '-')}.md"
    return own if own.exists() else PAGES / f"{name.split()[0]}.md"


def invocations(text: str) -> Iterator[tuple[str, str]]:
    """Whole lines of code and parts of sentences that call ``fame``: (kind, what follows ``fame``)."""
    text = re.sub(r" \\\n +", " ", text)  # a line that goes on
    found = [("line", line) for line in re.findall(r"^    (?:\$ )?(\S.*)$", text, re.MULTILINE)]
    prose = re.sub(r"^    .*$", "", text, flags=re.MULTILINE)
    found += [("part", part) for part in re.findall(r"`([^`]+)`", prose)]
    for kind, code in found:
        called = re.match(r"(?:fame|torchrun .*-m fame_cli) (.*)", " ".join(code.split()))
        if called:
            yield kind, called[1]


def command_of(words: str) -> str | None:
    """The longest name of a command that the words begin with."""
    fitting = [name for name in COMMANDS if f"{words} ".startswith(f"{name} ")]
    return max(fitting, key=len, default=None)


def options_of(*names: str) -> set[str]:
    parameters = (parameter for name in names for parameter in COMMANDS[name].params)
    return EVERYWHERE | {option for parameter in parameters for option in parameter.opts}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_page_that_shows_how_it_is_called(name: str) -> None:
    text = page_of(name).read_text()
    assert re.search(rf"^#+ fame {name}$", text, re.MULTILINE)
    assert any(command_of(words) == name for kind, words in invocations(text) if kind == "line")


def test_list_of_the_pages_names_each_of_them() -> None:
    listed = set(re.findall(r"\]\(([\w-]+\.md)\)", (PAGES / "README.md").read_text()))
    assert listed == {path.name for path in PAGES.glob("*.md")} - {"README.md"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_commands_and_options_of_a_document_exist(
    document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.toml").touch()  # given as a recipe
    text = document.read_text()
    named = set()
    for kind, words in invocations(text):
        name = command_of(words)
        if name is None:
            assert kind == "part" or words.startswith("COMMAND"), f"fame {words}"
            continue
        named.add(name)
        assert set(OPTION.findall(words)) <= options_of(name), f"fame {words}"
        if kind == "line" and not re.search(r"…|NAME", words):
            can_be_given(name, words)
    if document.parent == PAGES:
        prose = re.sub(r"torchrun .*-m fame_cli", "", text)
        assert set(OPTION.findall(prose)) <= options_of(*named)


def can_be_given(name: str, words: str) -> None:
    """Parse the words as the command line does, and run nothing."""
    given = shlex.split(words)[len(name.split()) :]
    COMMANDS[name].make_context(name.split()[-1], given)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_of_a_document_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text()):
        assert target.startswith("http") or (document.parent / target).exists(), target
