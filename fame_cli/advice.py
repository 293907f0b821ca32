"""The commands that messages name: whole, with the options that a stage was made with, ready to be pasted.

Where the videos are and how they were indexed stands in WORK/source.json, in the ``stage.json`` of each frame
store, and in each receipt; the options of a stage in the latter two. So the loss of one loses no advice.
"""

import contextlib
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fame_cli.config import ExtractConfig, StatisticsConfig
from fame_cli.names import to_disk
from fame_cli.option import option_name
from fame_cli.sealed import read_sealed
from fame_cli.shard import read_receipt

DEFAULTS = {"frames": ExtractConfig().to_dict(), "statistics": StatisticsConfig().to_dict()}
"""The stages of a WORK folder, by the name of their folder, and the options of each."""

INDEXING = ("source", "annotations", "split", "hold_out")
"""Options of ``fame extract`` that say how videos were indexed."""


def command(*words: object) -> str:
    """A command of ``fame`` as a shell takes it."""
    return " ".join(["fame", *(quote(word) for word in words)])


def quote(word: object) -> str:
    """A word as a shell takes it, on one line whatever bytes it is made of."""
    text = f"./{word}" if isinstance(word, Path) and str(word).startswith("-") else str(word)
    if text.isprintable():
        return shlex.quote(text)
    # Bash and zsh write bytes that no terminal shows like this.
    letters = (
        chr(byte) if 32 <= byte < 127 and byte not in b"'\\" else f"\\x{byte:02x}"
        for byte in os.fsencode(text)
    )
    return f"$'{''.join(letters)}'"


def extract_command(work: Path, options: Mapping[str, Any] | None = None) -> str:
    """What lists the videos of WORK anew and makes its frames; nothing where it is not known from what.

    Args:
        work: the folder.
        options: of the frame store; without them, those of the one that was worked on last.
    """
    source = source_of(work)
    if "root" not in source:
        return ""
    if options is None:
        options = next((options_of(folder) for folder in stages(work, "frames")), {})
    indexing = [
        part
        for name in INDEXING
        if (value := source.get(name, "")) not in ("", None, "folder")
        for part in (option_name(name), to_disk(str(value)))
    ]
    return command(
        "extract", Path(to_disk(source["root"])), "-o", work, *indexing, *as_words("frames", options)
    )


def stage_command(folder: Path, **instead: object) -> str:
    """What makes a stage of WORK, as far as that is known; ``instead`` changes some of its options.

    Nothing where it is not known, or the stage is none of WORK's.
    """
    work, kind = folder.parent.parent, folder.parent.name
    options = {**options_of(folder), **instead}
    if kind == "frames":
        return extract_command(work, options)
    if kind != "statistics":
        return ""
    stores = stages(work, "frames")
    frames = origin_of(folder).get("frames") or name_by_content(stores, folder)
    named = ["--frames", frames] if frames and len(stores) > 1 else []
    return command("masks", work, *named, *as_words(kind, options))


def name_by_content(stores: Sequence[Path], folder: Path) -> str:
    """Which frame store a stage was computed from, where an older version did not write down its name."""
    wanted = next((record["parent"] for record in records(folder) if record.get("parent")), None)
    contents = {record.get("content"): store.name for store in stores for record in records(store)}
    return contents.get(wanted, "")


def as_words(kind: str, options: Mapping[str, Any]) -> list[object]:
    """Those that are not the default, as on the command line."""
    changed = {name: value for name, value in options.items() if DEFAULTS[kind].get(name) != value}
    return [part for name, value in changed.items() for part in (option_name(name), value)]


def source_of(work: Path) -> dict[str, Any]:
    """Which folder was indexed, and how: from wherever it can still be read, the last word first."""
    with contextlib.suppress(OSError, ValueError):
        return read_sealed(work / "source.json", seal_required=False)
    return next((origin for folder in stages(work, "frames") if "root" in (origin := origin_of(folder))), {})


def options_of(folder: Path) -> dict[str, Any]:
    """The options of a stage, by ``stage.json`` or by a receipt; none where neither can be read."""
    return next(
        (dict(record["configuration"]) for record in records(folder) if "configuration" in record), {}
    )


def origin_of(folder: Path) -> dict[str, Any]:
    """What the stage was made from, in words that its command takes."""
    return next((dict(record["origin"]) for record in records(folder) if record.get("origin")), {})


def records(folder: Path) -> Iterator[dict[str, Any]]:
    """What is told of a stage, by itself and then by its shards, as far as it can be read."""
    with contextlib.suppress(OSError, ValueError):
        yield read_sealed(folder / "stage.json", seal_required=False)
    for path in sorted(folder.glob("[0-9]*.json")):
        with contextlib.suppress(OSError):
            if receipt := read_receipt(folder, path.stem):
                yield receipt.made_with


def stages(work: Path, kind: str) -> list[Path]:
    """The folders of one kind of stage, the one that was worked on last first."""
    folders = [folder for folder in (work / kind).glob("*-*") if folder.is_dir()]
    return sorted(folders, key=lambda folder: folder.stat().st_mtime, reverse=True)
