"""``fame demo``: the whole toolkit on videos made on the spot."""

from pathlib import Path
from typing import Annotated

import typer

from fame_cli.cli import console
from fame_cli.cli.options import output_folder
from fame_cli.cli.pretrain import Device
from fame_cli.cli.workers import Jobs, available_cores


def demo(
    output: Annotated[Path, output_folder("Folder of the demo.", "OUT")] = Path("demo"),
    device: Device = "auto",
    jobs: Jobs = None,
    small: Annotated[
        bool, typer.Option("--quick", help="Only see that everything works here, within a minute.")
    ] = False,
) -> int:
    """Show background bias, before and after, within minutes on two cores: no download, no GPU.

    Generates a small set of videos, runs every stage on it for MoCo and for MoCo+FAME, and writes
    report.html. If it is interrupted, the same command resumes.
    """
    from fame_cli.demo import Demo, make_demo, quick

    demo = Demo(output, console.progress_with_note, jobs or available_cores(), device)
    report = make_demo(quick(demo) if small else demo)
    console.say(f"Open {report}")
    return 0
