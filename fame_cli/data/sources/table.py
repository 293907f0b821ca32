"""Any videos, listed in a CSV file with the columns path, label and split."""

import os
import posixpath
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from fame_cli.data.manifest import is_inside
from fame_cli.data.sources.annotations import (
    SPLIT_NAMES,
    Named,
    gather,
    read_table,
    unreadable,
)
from fame_cli.data.sources.check import Indexed, match
from fame_cli.data.sources.files import Listing, VideoFile, list_videos
from fame_cli.names import to_disk, to_text


def index_table(root: Path, table: Path) -> Indexed:
    """Index the videos listed in a CSV file, and no others.

    Its first line names the columns ``path`` (relative to ``root``), ``label`` and ``split``, and optionally
    ``group``: videos cut from one film, or showing one person. All values except paths may be empty, and
    other columns are ignored. Listed files may have any suffix.
    """
    named = gather(read_rows(root, table))
    listing = list_videos(root)
    more = list(other_files(root, named.videos.keys() - {file.path for file in listing.videos}))
    others = set(listing.others) - {file.path for file in more}
    listing = Listing(sorted(listing.videos + more), sorted(others))
    source = {"source": "csv", "annotations": str(table)}
    return match(root, source, table.name, listing, named, key=lambda file: file.path)


def read_rows(root: Path, table: Path) -> Iterator[tuple[str, Named]]:
    for line, row in read_table(table, ["path", "label", "split"]):
        path = posixpath.normpath(row["path"])
        if posixpath.isabs(path):
            path = posixpath.relpath(path, to_text(str(root)))
        if path == "." or not is_inside(path):
            raise unreadable(table, line, f"the path {row['path']!r} is not a file in {root}")
        split = row["split"].strip()
        group = row.get("group", "").strip()
        yield (
            path,
            Named(row["path"], row["label"].strip(), SPLIT_NAMES.get(split.lower(), split), group=group),
        )


def other_files(root: Path, paths: Iterable[str]) -> Iterator[VideoFile]:
    """Listed files on disk whose names do not look like videos."""
    for path in paths:
        try:
            status = os.stat(root / to_disk(path))
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode):
            yield VideoFile(path, status.st_size, status.st_mtime_ns)
