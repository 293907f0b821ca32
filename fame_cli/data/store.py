"""Selects the store to read among the finished ones in a WORK folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fame_cli import stage
from fame_cli.errors import ArtefactError, ConfigurationError


def choose_store(
    parent: Path, wanted: str | None, option: str, command: str, options: Mapping[str, Any] | None = None
) -> Path:
    """The stage folder to read: the one named, or the only one there is.

    Args:
        parent: the folder of all stages of its kind.
        wanted: its name, or the beginning of its name where no other begins so.
        option: what names it on the command line.
        command: what makes one where there is none yet.
        options: what it was made with, as far as that matters; where there are several, those of these
            options are chosen from. An option that none of them has chooses nothing.

    Raises ArtefactError if none is finished, ConfigurationError if several are and none is named.
    """
    if wanted is not None:
        folder = find_named(parent, wanted, option)
        if not stage.is_complete(folder):
            raise ArtefactError(f"{folder} is not finished.", f"Finish it: {stage.command_of(folder)}")
        return folder
    finished = [path for path in sorted(parent.glob("*-*")) if stage.is_complete(path)]
    if not finished:
        if begun := [path for path in sorted(parent.glob("*-*")) if path.is_dir()]:
            commands = "\n".join(stage.command_of(path) for path in begun)
            raise ArtefactError(f"{parent} is not finished.", f"Finish it:\n{commands}")
        raise ArtefactError(f"{parent} does not exist yet.", f"Make it first: {command}")
    for name, value in (options or {}).items():
        finished = [path for path in finished if told_of(path).get(name) == value] or finished
    if len(finished) > 1:
        raise ConfigurationError(
            f"{parent} holds several results: {', '.join(distinguish(finished))}.",
            f"Choose one: {option} {finished[0].name}",
        )
    return finished[0]


def find_named(parent: Path, wanted: str, option: str) -> Path:
    """The folder of a name, or the only one whose name begins so; ConfigurationError where there is none."""
    if wanted and (parent / wanted).is_dir():
        return parent / wanted
    there = sorted(path.name for path in parent.glob("*-*") if path.is_dir())
    fitting = [name for name in there if wanted and name.startswith(wanted)]
    if len(fitting) > 1:
        raise ConfigurationError(
            f"{option} {wanted}: several names start with it: {', '.join(fitting)}.", "Give more of the name."
        )
    if not fitting:
        have = ", ".join(there) or "nothing"
        raise ConfigurationError(f"{option} {wanted}: {parent} has no such folder; it has {have}.")
    return parent / fitting[0]


def told_of(folder: Path) -> dict[str, Any]:
    """The options of a stage, and as ``parent`` the fingerprint of what it was computed from."""
    description = stage.read_description(folder)
    return {**description.configuration, "parent": description.parent}


def distinguish(folders: Sequence[Path]) -> list[str]:
    """The names of stages of one kind, each with the options in which they differ."""
    options = [stage.read_description(folder).configuration for folder in folders]
    differing = [name for name in options[0] if len({str(given.get(name)) for given in options}) > 1]
    options_shown = [", ".join(f"{name} {given.get(name)}" for name in differing) for given in options]
    return [
        f"{folder.name} ({what})" if what else folder.name
        for folder, what in zip(folders, options_shown, strict=True)
    ]
