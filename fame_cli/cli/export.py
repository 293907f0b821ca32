"""``fame export``: a pretrained backbone in a form that other programs read."""

from pathlib import Path
from typing import Annotated

import typer

from fame_cli.cli import console
from fame_cli.cli.completion import complete_run
from fame_cli.cli.options import AsJson, choice
from fame_cli.config import ExportForm
from fame_cli.errors import ConfigurationError


def check_license(name: str) -> str:
    """Raise ConfigurationError where a name cannot stand for a licence: it is written into a page."""
    if not name or not all(letter.isascii() and (letter.isalnum() or letter in "-._") for letter in name):
        raise ConfigurationError(
            f"--license {name!r}: expected a name of letters, digits, '-', '.' and '_'.",
            "Such as apache-2.0, cc-by-nc-4.0 or other.",
        )
    return name


def export(
    run: Annotated[
        Path,
        typer.Argument(help="Folder of a pretraining.", metavar="RUN", autocompletion=complete_run),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="File to write (.pt, .onnx or .safetensors), or the folder of --to hub.",
            metavar="FILE|OUT",
        ),
    ],
    to: Annotated[
        ExportForm,
        choice(
            "to",
            ExportForm,
            help="TorchScript or ONNX, which bring the network along; weights alone; or a folder for the "
            "Hugging Face Hub, with a model card.",
        ),
    ],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what an earlier export wrote to -o.")
    ] = False,
    backbone: Annotated[
        str | None,
        typer.Option(
            "--backbone",
            help="The run's network where that is your own, package.module:name: its code runs only if you "
            "name it.",
            metavar="NAME",
        ),
    ] = None,
    license: Annotated[
        str,
        typer.Option(
            "--license",
            help="Licence of the weights in the model card of --to hub, such as cc-by-nc-4.0.",
            metavar="NAME",
            parser=check_license,
        ),
    ] = "unknown",
    as_json: AsJson = False,
) -> int:
    """Export the backbone of a run for other programs.

    Of a run that is not finished, that of its newest checkpoint. The file is tried before it is written: it
    gives the features of the backbone, for any number of clips.
    """
    from fame_cli.export.forms import require_exportable, write_export
    from fame_cli.export.source import read_source

    require_exportable(to, output, overwrite)
    source = read_source(run, backbone)
    if not source.finished:
        of = f" of {source.total_steps}" if source.total_steps else ""
        console.warn(f"{run} is not finished: this is the backbone after step {source.step}{of}.")
    files = write_export(source, to, output, license)
    if as_json:
        told = {"run": str(run), "to": to, "files": [str(path) for path in files], **source.about}
        console.say_json({**told, "total_steps": source.total_steps})
    console.say(f"Written: {', '.join(map(str, files))}")
    if to in ("torchscript", "onnx"):
        console.say(source.usage)
    return 0
