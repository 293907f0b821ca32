"""Whole commands, carried out in the process of the test."""

from typer.testing import CliRunner

from fame_cli.cli.app import app


def fame(code: int, *arguments: object) -> str:
    """Run ``fame`` and expect an exit code; returns what it printed, however its lines were broken."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())
