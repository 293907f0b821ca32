"""What was written to a RUN folder: the SHA-256 of each of its files, in one record (``RUN/record.json``).

A file is signed once it is whole, and whoever reads it asks first whether it still is what was signed. So
weights that rotted, a result that was edited and a configuration of another run are told, not used. Files of
runs from before this was kept are in no record, and nothing can be told of them.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from fame_cli.disk import sha256_of
from fame_cli.errors import ArtefactError, FameError
from fame_cli.lock import hold
from fame_cli.sealed import read_sealed, write_sealed

RECORD_FILE = "record.json"
SCHEMA_VERSION = 1
DEPTH = 3
"""How far below its RUN folder a signed file lies at most, as in ``evaluations/linear-…/``."""
WAIT_ATTEMPTS = 600
"""Of 50 ms each: several evaluations may end at the same moment, and each holds the record for one write."""


def sign(run: Path, *paths: Path) -> None:
    """Take the SHA-256 of files below ``run`` into its record; what is not there is left out of it.

    Raises FameError where the record cannot be written; ArtefactError where it is damaged.
    """
    with record_held(run) as files:
        for path in paths:
            files.pop(name_in(run, path), None)
            if path.is_file():
                files[name_in(run, path)] = sha256_of(path)


def sign_in_its_run(path: Path) -> None:
    """Sign a file where it lies in a folder that has a record: a picture may be drawn anywhere."""
    if (run := run_of(path)) is not None:
        sign(run, path)


def withdraw(run: Path, *paths: Path) -> None:
    """Sign nothing of files that are about to change: after a kill, nobody knows how far they got."""
    if any(name_in(run, path) in read_record(run) for path in paths):
        with record_held(run) as files:
            for path in paths:
                files.pop(name_in(run, path), None)


def require_as_written(path: Path, hint: str) -> None:
    """Raise ArtefactError with ``hint`` where a file is not what its run's record says; reads all of it."""
    run = run_of(path)
    if run is not None and (what := change_of(run, name_in(run, path))):
        raise ArtefactError(f"{path} {what}.", hint)


def find_changes(run: Path) -> dict[str, str]:
    """What is wrong with each signed file that is not as it was written, by its name below ``run``."""
    return {name: what for name in sorted(read_record(run)) if (what := change_of(run, name))}


def change_of(run: Path, name: str) -> str:
    """What is wrong with a file; nothing where it is as it was signed, or was never signed."""
    wanted = read_record(run).get(name)
    if wanted is None:
        return ""
    try:
        found = sha256_of(run / name)
    except FileNotFoundError:
        return "is missing"
    return "" if found == wanted else "is not what was written: it was damaged or changed by hand"


def run_of(path: Path) -> Path | None:
    """The run whose record may name a file; None for files of other programs, and of older runs."""
    above = path.absolute().parents[:DEPTH]
    return next((folder for folder in above if (folder / RECORD_FILE).is_file()), None)


def name_in(run: Path, path: Path) -> str:
    return path.absolute().relative_to(run.absolute()).as_posix()


@contextlib.contextmanager
def record_held(run: Path) -> Iterator[dict[str, str]]:
    """The record's files, to be changed by this process alone, and written when the block ends."""
    run.mkdir(parents=True, exist_ok=True)
    with folder_held(run):
        files = read_record(run)
        before = dict(files)
        yield files
        if files != before or not (run / RECORD_FILE).exists():
            write_record(run, files)


@contextlib.contextmanager
def folder_held(run: Path) -> Iterator[None]:
    """A lock of the folder itself, which leaves no file behind."""
    handle = os.open(run, os.O_RDONLY)
    try:
        if not hold(handle, exclusive=True, attempts=WAIT_ATTEMPTS):
            raise FameError(
                f"{run / RECORD_FILE} is held by another process.", "Run the command again when it has ended."
            )
        yield
    finally:
        os.close(handle)


def write_record(run: Path, files: Mapping[str, str]) -> None:
    write_sealed(run / RECORD_FILE, {"schema_version": SCHEMA_VERSION, "sha256": dict(sorted(files.items()))})


def read_record(run: Path) -> dict[str, str]:
    """SHA-256 by name of each signed file; none where there is no record.

    Raises ArtefactError where the record was damaged or changed: it is signed by a seal of its own.
    """
    path = run / RECORD_FILE
    try:
        values = read_sealed(path)
        if (found := values["schema_version"]) != SCHEMA_VERSION:
            raise ValueError(f"its schema version is {found}, this version reads {SCHEMA_VERSION}")
        return dict(values["sha256"])
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError) as error:
        raise ArtefactError(
            f"{path} cannot be read ({error}).",
            "Copy it back. Without it nothing tells whether the run's files are still those that were "
            "written: delete it to use them all the same.",
        ) from error
