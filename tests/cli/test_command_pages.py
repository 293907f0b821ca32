"""docs/ and the command line say the same: every command has a page, and what a page gives can be given."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from docs.option_tables import TABLE, commands_below, with_tables
from fame_cli.cli.app import app
from fame_cli.config import GROUPS

pytestmark = pytest.mark.libraries

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "commands"
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
EVERYWHERE = {"--help", "--debug", "--version", "--quiet", "--verbose", "--install-completion"}


COMMANDS = dict(commands_below(typer.main.get_command(app)))


CONFIGURED = set(GROUPS) - {"Data", "Machine"}
"""Groups of options that only configurations have."""


def groups_of(name: str) -> set[str]:
    return {getattr(parameter, "rich_help_panel", None) for parameter in COMMANDS[name].params}


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
        called = re.match(r"(?:fame|torchrun .*-m fame_cli) (.*?)(?: > \S+)?$", " ".join(code.split()))
        if called:
            yield kind, called[1]


def command_of(words: str) -> str | None:
    """The longest name of a command that the words begin with."""
    fitting = [name for name in COMMANDS if f"{words} ".startswith(f"{name} ")]
    return max(fitting, key=len, default=None)


def options_of(*names: str) -> set[str]:
    parameters = (parameter for name in names for parameter in COMMANDS[name].params)
    return EVERYWHERE | {
        option for parameter in parameters for option in (*parameter.opts, *parameter.secondary_opts)
    }


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
    # Given as a recipe, and to go on with.
    (tmp_path / "run" / "config.toml").write_text("schema_version = 2\n[pretrain]\n[data]\n")
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


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda path: path.name)
def test_table_of_options_says_what_the_command_says(page: Path) -> None:
    text = page.read_text()
    assert text == with_tables(text), "run python -m docs.option_tables"


@pytest.mark.parametrize("name", [name for name in COMMANDS if groups_of(name) & CONFIGURED])
def test_page_of_a_command_with_a_configuration_has_a_table_of_its_options(name: str) -> None:
    assert [found[1] for found in TABLE.findall(page_of(name).read_text())].count(name) == 1


def can_be_given(name: str, words: str) -> None:
    """Parse the words as the command line does, and run nothing."""
    given = shlex.split(words)[len(name.split()) :]
    COMMANDS[name].make_context(name.split()[-1], given)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_of_a_document_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text()):
        assert target.startswith("http") or (document.parent / target).exists(), target
