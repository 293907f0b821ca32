"""Sequences of frames with true object masks, such as those of DAVIS, SBI and CDnet, read from image files.

A frame and its mask share the last number in their names (``in000336.jpg`` and ``gt000336.png``). For folder
layouts and the meaning of mask values, see ``find_sequences`` and ``fame_cli.data.mask_image.read_mask``.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from fame_cli.errors import InputError

FRAME_SUFFIXES = (".jpg", ".jpeg", ".png")
MASK_SUFFIXES = (".png",)
DEEPEST = 2
"""Maximum depth of a sequence below the given folder: DIR/set/sequence."""
DAVIS_LEVELS = ("480p", "Full-Resolution", "1080p", ".")
"""Folders of DAVIS between JPEGImages and the sequences, in order of preference."""
NAMED = 5
"""Number of sequences named in a message."""
LAYOUTS = (
    "Sequences are looked for as DIR/SEQUENCE/{frames,masks}, DIR/SET/SEQUENCE/{frames,masks} and, for "
    "DAVIS, DIR/{JPEGImages,Annotations}/480p/SEQUENCE."
)


@dataclass(frozen=True)
class TrueSequence:
    """A video as image files, and the true masks of its frames."""

    name: str
    """Its path below the given folder, such as davis2016/dog."""
    group: str
    """Its set, such as davis2016; empty if sequences are directly in the folder."""
    frames: tuple[Path, ...]
    """In order."""
    masks: tuple[Path | None, ...]
    """One per frame; None if it has no mask."""


def find_sequences(folder: Path) -> list[TrueSequence]:
    """All sequences in ``folder``, sorted by name.

    A sequence is a folder with subfolders ``frames`` and ``masks`` or, in DAVIS's layout, a folder in
    ``Annotations/480p`` with one of the same name in ``JPEGImages/480p`` (frames without annotations, as in
    the test sets of DAVIS 2017, are not a sequence). Either is in ``folder`` or in a set within it.

    Raises InputError if there is none, or if frames and masks do not match.
    """
    try:
        if not folder.is_dir():
            raise InputError(f"{folder} is not a folder.", LAYOUTS)
        found = [
            read_sequence(folder, place, *pair)
            for place, below in folders_within(folder, DEEPEST)
            for pair in frame_and_mask_folders(place, below)
        ]
    except OSError as error:
        raise InputError(f"{error.filename} cannot be read: {error.strerror}.") from error
    if not found:
        raise InputError(f"{folder} holds no sequence of frames and masks.", LAYOUTS)
    return sorted(found, key=lambda sequence: sequence.name)


def choose_sequences(sequences: list[TrueSequence], names: Path) -> list[TrueSequence]:
    """The sequences listed in a text file, one per line, by full name or its last component.

    Raises InputError if a name matches no sequence.
    """
    try:
        wanted = set(names.read_text(encoding="utf-8", errors="surrogateescape").split("\n"))
    except OSError as error:
        raise InputError(f"{names} cannot be read: {error.strerror}.") from error
    if not (wanted := {name.strip() for name in wanted} - {""}):
        raise InputError(f"{names} names no sequence.")
    chosen = [one for one in sequences if {one.name, one.name.rpartition("/")[2]} & wanted]
    known = {name for one in chosen for name in (one.name, one.name.rpartition("/")[2])}
    if unknown := sorted(wanted - known):
        have = ", ".join(one.name for one in sequences[:NAMED])
        raise InputError(
            f"{names} names {len(unknown)} sequences that are not there, such as {unknown[0]!r}.",
            f"There are {len(sequences)}: {have}{', …' if len(sequences) > NAMED else ''}",
        )
    return chosen


def folders_within(folder: Path, deepest: int) -> Iterator[tuple[Path, set[str]]]:
    """The folder and those within it down to a depth, each with the names of its subfolders."""
    below = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    names = {path.name for path in below}
    yield folder, names
    is_leaf = names & {"frames", "masks", "JPEGImages", "Annotations"}
    if deepest and not is_leaf:
        for path in below:
            yield from folders_within(path, deepest - 1)


def frame_and_mask_folders(place: Path, below: set[str]) -> list[tuple[str, Path, Path]]:
    """The sequences directly in a folder: name, folder of frames, folder of masks."""
    for frames, masks in (("frames", "masks"), ("JPEGImages", "Annotations")):
        if len(below & {frames, masks}) == 1:
            lacking, held = sorted({frames, masks}, key=below.__contains__)
            raise InputError(f"{place} holds the folder {held} but none named {lacking}.", LAYOUTS)
    if "frames" in below:
        return [("", place / "frames", place / "masks")]
    if "JPEGImages" not in below:
        return []
    images, annotations = place / "JPEGImages", place / "Annotations"
    level = next(one for one in DAVIS_LEVELS if (images / one).is_dir() and (annotations / one).is_dir())
    named = [path.name for path in (annotations / level).iterdir() if path.is_dir()]
    return [(name, images / level / name, annotations / level / name) for name in named]


def read_sequence(folder: Path, place: Path, name: str, frames: Path, masks: Path) -> TrueSequence:
    """Pair frames and masks by number; raises InputError if they do not match."""
    if not frames.is_dir():
        raise InputError(f"{masks} holds masks, but there is no folder {frames} with their frames.")
    path = (place / name).relative_to(folder)
    numbered_frames, numbered_masks = number_files(frames, FRAME_SUFFIXES), number_files(masks, MASK_SUFFIXES)
    require_even_steps(frames, list(numbered_frames))
    if alone := sorted(set(numbered_masks) - set(numbered_frames)):
        first = numbered_masks[alone[0]]
        raise InputError(
            f"{len(alone)} of {len(numbered_masks)} masks have no frame with their number, such as {first}: "
            f"the frames in {frames} are {span_of(list(numbered_frames))}.",
            "A frame and its mask must have the same last number in their names: rename them.",
        )
    return TrueSequence(
        name=folder.resolve().name if str(path) == "." else path.as_posix(),
        group="" if str(path) == "." or str(path.parent) == "." else path.parent.as_posix(),
        frames=tuple(numbered_frames.values()),
        masks=tuple(numbered_masks.get(number) for number in numbered_frames),
    )


def number_files(folder: Path, suffixes: tuple[str, ...]) -> dict[int, Path]:
    """The images in a folder by the last number in their names, in numerical order."""
    found: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in suffixes or path.name.startswith("."):
            continue
        digits = re.findall(r"\d+", path.stem)
        if not digits:
            raise InputError(f"{path} has no number in its name: which frame is it?")
        if (other := found.setdefault(int(digits[-1]), path)) is not path:
            raise InputError(f"{other} and {path.name} have the same number.")
    if not found:
        raise InputError(f"{folder} holds no image ({', '.join(suffixes)}).")
    return dict(sorted(found.items()))


def require_even_steps(folder: Path, numbers: list[int]) -> None:
    """Raise InputError if a frame is missing: a clip across the gap would have another stride."""
    steps = [later - earlier for earlier, later in pairwise(numbers)]
    for number, step in zip(numbers, steps, strict=False):
        if step != min(steps):
            raise InputError(
                f"{folder} holds {span_of(numbers)}, but after {number} comes {number + step}.",
                "Frame numbers must increase in even steps: add the missing frames, or split the sequence.",
            )


def span_of(numbers: list[int]) -> str:
    return f"numbers {numbers[0]} to {numbers[-1]}"
