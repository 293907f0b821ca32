"""``fame datasets``: what is known of each dataset, and what a folder has of it."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fame_cli.cli import console
from fame_cli.cli.completion import complete_dataset
from fame_cli.cli.options import AsJson
from fame_cli.errors import DONE, SOME_INPUTS_FAILED

if TYPE_CHECKING:
    from fame_cli.data.sources.catalogue import Dataset
    from fame_cli.data.sources.completeness import Inspection

LISTS_SHOWN = 6

Name = Annotated[
    str,
    typer.Argument(
        help="Name of a dataset (fame datasets lists them).", metavar="NAME", autocompletion=complete_dataset
    ),
]
Folder = Annotated[
    Path,
    typer.Argument(help="Folder of the videos, or one with both videos and lists.", metavar="FOLDER"),
]
Lists = Annotated[
    Path | None,
    typer.Option(
        "--annotations",
        help="Folder of the official lists.",
        show_default="searched for in and beside FOLDER",
        metavar="FOLDER",
    ),
]


def list_datasets_by_default(context: typer.Context, as_json: AsJson = False) -> None:
    """List the datasets of the papers: size, terms and where to get them."""
    if context.invoked_subcommand is None:
        console.guard(list_datasets)(as_json)


def list_datasets(as_json: bool) -> int:
    from fame_cli.data.sources.catalogue import DATASETS

    if as_json:
        console.say_json([as_plain(dataset) for dataset in DATASETS.values()])
        return DONE
    for dataset in DATASETS.values():
        console.output(f"{dataset.name}  –  {dataset.title}, {dataset.classes} classes")
        for what in ("videos", "size", "terms", "page"):
            console.output(f"    {what}: {getattr(dataset, what)}")
    console.say("All of one: fame datasets show NAME. What a folder lacks: fame datasets check NAME FOLDER")
    return DONE


def show_dataset(name: Name, as_json: AsJson = False) -> int:
    """Show where a dataset is, its terms, size, lists and layout, and the command that reads it."""
    from fame_cli.data.sources.catalogue import find_dataset

    dataset = find_dataset(name)
    if as_json:
        console.say_json(as_plain(dataset))
        return DONE
    lines = {
        "name": [f"{dataset.name} ({dataset.title})"],
        "paper": [dataset.paper],
        "page": [dataset.page],
        "terms": [dataset.terms],
        "classes": [str(dataset.classes)],
        "videos": [dataset.videos],
        "splits": [dataset.splits],
        "size": [dataset.size],
        "lists": [abridge(dataset.all_lists)],
        "files": [f"{file}  {address}".rstrip() for file, address in dataset.files.items()],
        "unpack": [dataset.unpack],
        "layout": dataset.layout,
        "read it": commands_of(dataset),
        "notes": dataset.notes,
    }
    for title, texts in lines.items():
        for number, text in enumerate(texts):
            console.output(f"{title if number == 0 else '':<8}  {text}")
    return DONE


def check_dataset(
    name: Name,
    folder: Folder,
    annotations: Lists = None,
    split: Annotated[
        int | None,
        typer.Option(
            help="Only this official split (ucf101, hmdb51).", show_default="all splits", metavar="N"
        ),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Say what a folder lacks of a dataset: videos, lists, archives not unpacked, folders of classes.

    The folder is read as fame extract reads it; nothing is decoded or written. Ends with exit code 1 where
    something is missing.
    """
    from fame_cli.data.sources.catalogue import find_dataset
    from fame_cli.data.sources.completeness import INCOMPLETE, inspect

    found = inspect(find_dataset(name), folder, annotations, split)
    for line in found.summary:
        console.output(line)
    for finding in found.findings:
        console.warn(str(finding))
    lacking = ", ".join(dict.fromkeys(one.kind for one in found.findings if one.kind in INCOMPLETE))
    console.output(f"Not complete: {lacking}." if lacking else f"{found.dataset.title} is complete.")
    if found.next_command:
        console.say(f"{'With what is there' if lacking else 'Next'}: {found.next_command}")
    if as_json:
        console.say_json(as_plain_inspection(found))
    return DONE if found.complete else SOME_INPUTS_FAILED


def write_annotations(name: Name, folder: Folder, annotations: Lists = None) -> int:
    """Print the list (path, label, split, group) by which fame extract --source csv reads a dataset.

    For datasets that fame extract does not read by their own lists. Only videos on disk are listed.
    """
    from fame_cli.data.sources.catalogue import find_dataset
    from fame_cli.data.sources.completeness import INCOMPLETE, inspect
    from fame_cli.errors import ConfigurationError, InputError

    dataset = find_dataset(name)
    if dataset.source != "csv":
        raise ConfigurationError(
            f"{dataset.title} needs no such list: fame extract reads its own.", commands_of(dataset)[-1]
        )
    found = inspect(dataset, folder, annotations)
    if not found.videos:
        raise InputError(
            f"{folder} has no video of {dataset.title} that could be listed.",
            "\n".join(map(str, found.findings)),
        )
    for finding in found.findings:
        if finding.kind in INCOMPLETE:
            console.warn(str(finding))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "label", "split", "group"])
    writer.writerows((video.path, video.label, video.split, video.group) for video in found.videos)
    # Names may hold bytes that are not UTF-8, which the reader takes as they are.
    typer.echo(text.getvalue().encode("utf-8", "surrogateescape"), nl=False)
    return DONE


def abridge(names: Sequence[str]) -> str:
    if len(names) > LISTS_SHOWN:
        return f"{', '.join(names[:LISTS_SHOWN])} … ({len(names)} files)"
    return ", ".join(names) or "none needed"


def commands_of(dataset: "Dataset") -> list[str]:
    """What checks a folder of the dataset and reads it."""
    check = f"fame datasets check {dataset.name} FOLDER"
    if dataset.source == "csv":
        return [
            check,
            f"fame datasets annotations {dataset.name} FOLDER > {dataset.name}.csv",
            f"fame extract FOLDER -o work --source csv --annotations {dataset.name}.csv",
        ]
    more = " --split 1" if dataset.numbered_splits else ""
    more += " --annotations LISTS" if dataset.source == "kinetics" else ""
    return [check, f"fame extract FOLDER -o work --source {dataset.source}{more}"]


def as_plain(dataset: "Dataset") -> dict[str, object]:
    return {**asdict(dataset), "lists": dataset.all_lists, "commands": commands_of(dataset)}


def as_plain_inspection(found: "Inspection") -> dict[str, object]:
    return {
        "dataset": found.dataset.name,
        "folder": str(found.folder),
        "lists": str(found.lists) if found.lists else None,
        "complete": found.complete,
        "summary": list(found.summary),
        "findings": [asdict(finding) for finding in found.findings],
        "command": found.next_command,
    }
