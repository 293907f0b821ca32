"""Selects the store to read among the finished ones in a WORK folder."""

from collections.abc import Sequence
from pathlib import Path

from fame_cli import stage
from fame_cli.errors import ArtefactError, ConfigurationError


def choose_store(parent: Path, wanted: str | None, option: str, command: str) -> Path:
    """The stage folder to read: the one named, or the only one.

    ``command`` is the command that makes one if there is none yet.

    Raises ArtefactError if none is finished, ConfigurationError if several are and none is named.
    """
    if wanted is not None:
        folder = parent / wanted
        if not folder.is_dir():
            have = ", ".join(path.name for path in sorted(parent.glob("*-*"))) or "nothing"
            raise ConfigurationError(f"{option} {wanted}: {parent} has no such folder; it has {have}.")
        if not stage.is_complete(folder):
            raise ArtefactError(f"{folder} is not finished.", f"Finish it: {stage.command_of(folder)}")
        return folder
    finished = [path for path in sorted(parent.glob("*-*")) if stage.is_complete(path)]
    if not finished:
        if begun := [path for path in sorted(parent.glob("*-*")) if path.is_dir()]:
            commands = "\n".join(stage.command_of(path) for path in begun)
            raise ArtefactError(f"{parent} is not finished.", f"Finish it:\n{commands}")
        raise ArtefactError(f"{parent} does not exist yet.", f"Make it first: {command}")
    if len(finished) > 1:
        raise ConfigurationError(
            f"{parent} holds several results: {', '.join(distinguish(finished))}.",
            f"Choose one: {option} {finished[0].name}",
        )
    return finished[0]


def distinguish(folders: Sequence[Path]) -> list[str]:
    """The names of stages of one kind, each with the options in which they differ."""
    options = [stage.read_description(folder).configuration for folder in folders]
    differing = [name for name in options[0] if len({str(given.get(name)) for given in options}) > 1]
    options_shown = [", ".join(f"{name} {given.get(name)}" for name in differing) for given in options]
    return [
        f"{folder.name} ({what})" if what else folder.name
        for folder, what in zip(folders, options_shown, strict=True)
    ]
