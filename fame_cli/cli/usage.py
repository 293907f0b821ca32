"""Commands, and groups of them, that refuse a wrong command line in the words of all errors."""

import contextlib
from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from fame_cli.cli import console
from fame_cli.cli.voice import VOICE
from fame_cli.errors import ConfigurationError, FameError
from fame_cli.option import did_you_mean, printable

REFUSAL: type[Exception] = typer.BadParameter.__bases__[0]
"""What the parser raises: Click's, or that of the copy of it that newer versions of typer bring along."""


class CheckedCommand(TyperCommand):
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        with refusals_told(ctx):
            return super().parse_args(ctx, VOICE.take(args))


class CheckedGroup(TyperGroup):
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        with refusals_told(ctx):
            return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            error = ConfigurationError(
                f"there is no command {ctx.command_path} {printable(args[0])}.",
                f"{did_you_mean(args[0], self.commands)} All commands: {ctx.command_path} --help".strip(),
            )
            raise typer.Exit(console.explain(error)) from error
        return super().resolve_command(ctx, args)


@contextlib.contextmanager
def refusals_told(context: Any) -> Iterator[None]:
    """End with one message and an exit code where a command line is refused."""
    try:
        yield
    except FameError as error:
        raise typer.Exit(console.explain(error)) from error
    except REFUSAL as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # no error: it shows the help
            raise
        raise typer.Exit(console.explain(in_our_words(error, context))) from error


def in_our_words(error: Any, context: Any) -> ConfigurationError:
    """What the parser found wrong, such as an argument that is missing."""
    help = f"All options: {context.command_path} --help"
    if wrong := getattr(error, "option_name", ""):
        known = [flag for parameter in context.command.params for flag in parameter.opts]
        if wrong not in known:
            message = f"{context.command_path} has no option {printable(wrong)}."
            return ConfigurationError(message, f"{did_you_mean(wrong, known)} {help}".strip())
    message = error.format_message()
    return ConfigurationError(message[:1].lower() + message[1:].rstrip(".") + ".", help)
