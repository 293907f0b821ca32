"""The tables of options in ``docs/commands``, made from the commands themselves.

    python -m docs.option_tables

regenerates every table of a page, between ``<!-- options: fame COMMAND -->`` and ``<!-- end of options -->``.
A test fails if a table does not match its command.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from fame_cli.cli.app import app

PAGES = Path(__file__).parent / "commands"
TABLE = re.compile(r"(<!-- options: fame ([a-z ]+) -->\n).*?(<!-- end of options -->)", re.DOTALL)


def commands_below(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every command by its words after ``fame``, with the command object from typer."""
    groups = getattr(command, "commands", {})
    if name and (not groups or command.invoke_without_command):
        yield name, command
    for word, below in groups.items():
        yield from commands_below(below, f"{name} {word}".strip())


def option_table(command: Any) -> str:
    """A Markdown table of a command's options, in the order and groups of its ``--help``."""
    groups: dict[str, list[str]] = {}
    for parameter in command.params:
        if parameter.param_type_name == "option" and "--help" not in parameter.opts:
            groups.setdefault(parameter.rich_help_panel or "", []).append(row(parameter))
    lines = ["| option | value | default | means |", "|---|---|---|---|"]
    for group, rows in sorted(groups.items(), key=lambda item: item[0] != ""):
        lines += [f"| **{group}** | | | |"] if group else []
        lines += rows
    return "".join(f"{line}\n" for line in lines)


def row(parameter: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    value = f"`{escape(parameter.metavar)}`" if parameter.metavar else ""
    return f"| {names} | {value} | {default_of(parameter)} | {escape(parameter.help or '')} |"


def default_of(parameter: Any) -> str:
    if parameter.required:
        return "required"
    if isinstance(parameter.show_default, str):
        return escape(parameter.show_default)
    if parameter.is_flag or parameter.default in (None, "", ()) or not parameter.show_default:
        return ""
    return escape(
        f"{parameter.default:g}" if isinstance(parameter.default, float) else str(parameter.default)
    )


def escape(text: str) -> str:
    return text.replace("|", r"\|")


def with_tables(page: str) -> str:
    """A page with up-to-date tables."""
    commands = dict(commands_below(typer.main.get_command(app)))
    return TABLE.sub(lambda found: found[1] + option_table(commands[found[2]]) + found[3], page)


if __name__ == "__main__":
    for path in sorted(PAGES.glob("*.md")):
        path.write_text(with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")
