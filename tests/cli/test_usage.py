"""Command lines that are wrong: what was given, what was expected, and where to look."""

import pytest
from typer.testing import CliRunner

from fame_cli.cli.app import app


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("extrct videos", "there is no command fame extrct. Did you mean extract? All commands: fame --help"),
        ("eval linea work", "there is no command fame eval linea. Did you mean linear? All commands"),
        ("--foo", "fame has no option --foo. All options: fame --help"),
        ("visualize masks w --counts 3", "masks has no option --counts. Did you mean --count? All options"),
        ("masks", "missing argument 'WORK'. All options: fame masks --help"),
        ("masks work others", "(others). All options: fame masks --help"),
        ("pretrain work -o", "requires an argument. All options: fame pretrain --help"),
        ("extract videos -o work --jobs many", "--jobs is 'many'; expected an integer of at least 1."),
        ("extract videos -o work -j 0", "--jobs is 0; expected at least 1."),
        ("extract videos -o work --jobs 1.5", "--jobs is '1.5'; expected an integer of at least 1."),
        ("visualize masks work --count 65", "--count is 65; expected from 1 to 64."),
        ("pretrain work -o run --checkpoint-seconds nan", "--checkpoint-seconds is nan; expected a number"),
    ],
)
@pytest.mark.libraries
def test_wrong_line_is_refused_in_one_voice(line: str, told: str) -> None:
    result = CliRunner().invoke(app, line.split())
    said = " ".join(result.output.split())
    assert result.exit_code == 2
    assert said.startswith("error: ")
    assert told in said


def test_group_without_a_command_shows_its_help() -> None:
    said = CliRunner().invoke(app, ["eval"]).output
    assert "Usage: " in said
    assert "error" not in said
