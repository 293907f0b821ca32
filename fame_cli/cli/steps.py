"""Several commands one after another, each told as it would be typed before it is carried out."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import typer

from fame_cli.advice import command
from fame_cli.cli import console
from fame_cli.cli.voice import VOICE
from fame_cli.errors import DONE, INTERRUPTED, SOME_INPUTS_FAILED

Steps = Callable[[], Iterable["Step"]]
"""Makes the steps anew: what a later one is made of may only be known once those before it are done."""


@dataclass(frozen=True)
class Step:
    """One command of ``fame``."""

    title: str
    words: Sequence[object]
    """What follows ``fame``."""
    note: str = ""
    """What the reader should know before."""
    can_forecast: bool = False
    """Whether it has ``--dry-run``, and all that this reads is there."""

    is_there: str = ""
    """That there is nothing to do, where that is seen without carrying it out."""

    @property
    def command(self) -> str:
        return command(*self.words)


def take(steps: Steps) -> int:
    """Carry out steps until one fails; returns its exit code, or 1 where some videos could not be read."""
    total = len(list(steps()))
    outcome = DONE
    for number, step in enumerate(steps(), 1):
        announce(number, total, step)
        if step.is_there:
            console.say(f"Nothing to do: {step.is_there}.")
            continue
        code = call(step.words)
        if code == SOME_INPUTS_FAILED:
            outcome = code
        elif code != DONE:
            stopped = "was interrupted" if code == INTERRUPTED else f"ended with exit code {code}"
            said = f"Step {number} of {total} {stopped}:\n    {step.command}"
            console.err.print(console.escape_markup(said))
            console.err.print("What is finished is kept: run the same command again to continue.")
            return code
    return outcome


def forecast(steps: Steps) -> int:
    """Tell all steps, and of each what is left of it as far as that is known; do nothing."""
    told = list(steps())
    for number, step in enumerate(told, 1):
        announce(number, len(told), step)
        if step.can_forecast and (code := call([*step.words, "--dry-run"])):
            return code
    console.say("\nSteps without an estimate are estimated once those before them are done.")
    return DONE


def announce(number: int, total: int, step: Step) -> None:
    console.heading(f"\n{number}/{total}  {step.title}")
    if step.note:
        console.say(step.note)
    console.say(f"    {step.command}")


def call(words: Sequence[object]) -> int:
    """Carry out a command in this process, as loud as this one; returns its exit code."""
    from fame_cli.cli.app import app

    quiet, verbose = VOICE.quiet, VOICE.verbose
    loudness = [*(["--quiet"] if quiet else []), *(["--verbose"] if verbose else [])]
    arguments = [*loudness, *(str(word) for word in words)]
    try:
        code = typer.main.get_command(app).main(arguments, prog_name="fame", standalone_mode=False)
    finally:
        VOICE.quiet, VOICE.verbose = quiet, verbose
    return int(code or DONE)
