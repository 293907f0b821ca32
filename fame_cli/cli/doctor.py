"""``fame doctor``: what of this machine may keep the toolkit from working, or from being fast."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fame_cli.cli import console
from fame_cli.cli.options import AsJson
from fame_cli.errors import DONE, SOME_INPUTS_FAILED

if TYPE_CHECKING:
    from fame_cli.doctor.finding import Finding

SIGNS = {"ok": "[green]ok[/green]", "absent": "-", "warning": "[yellow]warning[/yellow]"}
SIGNS |= {"problem": "[bold red]problem[/bold red]"}


def doctor(
    work: Annotated[
        Path, typer.Argument(help="Folder whose disk is checked; it need not exist yet.", metavar="WORK")
    ] = Path("."),
    as_json: AsJson = False,
) -> int:
    """Look at Python, torch, GPUs, memory, files, disk and decoders, and say what to do about each.

    Takes some seconds and leaves nothing behind. Ends with exit code 1 where something would keep a command
    from working; what is only slower than it might be is a warning.
    """
    from dataclasses import asdict

    from fame_cli.doctor import examine

    findings = []
    for finding in examine(work):
        findings.append(finding)
        if not as_json:
            show(finding)
    problems = [finding for finding in findings if finding.state == "problem"]
    if as_json:
        console.say_json({"findings": [asdict(finding) for finding in findings], "problems": len(problems)})
    elif problems:
        console.say(f"{len(problems)} of {len(findings)} would keep a command from working.")
    else:
        console.say("Nothing here keeps a command from working.")
    return SOME_INPUTS_FAILED if problems else DONE


def show(finding: "Finding") -> None:
    sign, name = SIGNS[finding.state], console.escape_markup(finding.name)
    console.out.print(f"{sign}  {name}: {console.escape_markup(finding.found)}")
    if finding.advice:
        console.output(f"    {finding.advice}")
