"""Open packed shards: few at a time, read by their layout, safe to share with forked processes.

Opening takes a few microseconds if the layout is known, so a store of 30,000 shards reads as fast as one of
five, however few of them are kept open.
"""

import bisect
import errno
import functools
import os
import resource
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fame_cli.data.packed import (
    NOT_READ,
    OFFSETS,
    Layout,
    PackedFormat,
    damage_error,
    read_layout,
    unreadable,
)

Array = np.ndarray[Any, np.dtype[Any]]
LayoutOf = Callable[[int], Layout]

MOST_OPEN = 128
"""Maximum number of shards, of all stores, that a process keeps open."""
SHARE_OF_LIMIT = 4
"""At most one in this many of the files that a process may open is a shard."""
SPARSE = 4
"""One read may take at most this many times the requested bytes."""


class OpenShard:
    """One packed shard, read by offset only.

    The descriptor is never seeked, so a forked process can continue to use it. Readers hold a reference to
    the shard, so it is closed once nobody does and it is no longer kept open.

    Args:
        path: path of the shard.
        form: how it is packed.
        known: its layout, if known. It is compared with the file, and if the file has changed, the file's own
            layout is read.

    Raises:
        NOT_READ: it does not open or is not a shard. The methods raise ArtefactError if it is damaged.
    """

    def __init__(self, path: Path, form: PackedFormat, known: Layout | None = None) -> None:
        self.path = path
        self.form = form
        self.kinds = {name: np.dtype(kind) for name, kind in form.columns.items()}
        self.descriptor = os.open(path, os.O_RDONLY)
        self.layout = known or read_layout(self.descriptor, form)
        if known and not self._is_laid_out_so():
            self.layout = read_layout(self.descriptor, form)

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        if hasattr(self, "descriptor"):
            close(self.descriptor)

    def _is_laid_out_so(self) -> bool:
        if os.fstat(self.descriptor).st_size != self.layout.file_bytes:
            return False
        rows: list[int] = self._read_column(self.form.first, 0, len(self.layout.rows)).tolist()
        return rows == self.layout.rows

    def column(self, name: str, first: int, count: int) -> Array:
        """Rows of a column starting at ``first``."""
        try:
            return self._read_column(name, first, count)
        except OSError as error:
            raise unreadable(self.path, error) from error

    def _read_column(self, name: str, first: int, count: int) -> Array:
        kind = self.kinds[name]
        data = self._read(self.layout.columns[name] + first * kind.itemsize, count * kind.itemsize)
        return np.frombuffer(data, kind)

    def _read(self, place: int, count: int) -> bytes:
        data = os.pread(self.descriptor, count, place)
        if len(data) < count:
            raise OSError("it is truncated")
        return data

    def items_of(self, row: int) -> range:
        """The numbers of a video's items within the shard."""
        return range(*self.layout.rows[row : row + 2])

    def read(self, row: int, numbers: Sequence[int] | Array) -> list[Array]:
        """Items (bytes,) uint8 of the video in a row, by number from 0: in one read if they are adjacent.

        Raises IndexError if the video has no such item.
        """
        items = self.items_of(row)
        wanted = np.asarray(numbers) + items.start
        low, high = int(wanted.min()), int(wanted.max())
        if low < items.start or high >= items.stop:
            raise IndexError(
                f"{self.form.item}s {list(numbers)} of a video of {len(items)} {self.form.item}s"
            )
        offsets = self.column(OFFSETS, low, high - low + 2)
        starts, ends = offsets[wanted - low].tolist(), offsets[wanted - low + 1].tolist()
        first, last = min(starts), max(ends)
        if first < 0 or last > self.layout.item_bytes:
            raise damage_error(self.path, "its offsets are not those that were written")
        try:
            if last - first > SPARSE * (sum(ends) - sum(starts)):
                spans = zip(starts, ends, strict=True)
                return [np.frombuffer(self._read_items(*span), np.uint8) for span in spans]
            data = np.frombuffer(self._read_items(first, last), np.uint8)
        except OSError as error:
            raise unreadable(self.path, error) from error
        return [data[start - first : end - first] for start, end in zip(starts, ends, strict=True)]

    def _read_items(self, start: int, end: int) -> bytes:
        """Bytes ``start`` to ``end`` (exclusive) of the items, from all runs that contain them."""
        starts, places = self.layout.starts, self.layout.places
        parts = []
        run = bisect.bisect_right(starts, start) - 1
        while start < end:
            border = min(end, starts[run + 1]) if run + 1 < len(starts) else end
            parts.append(self._read(places[run] + start - starts[run], border - start))
            start, run = border, run + 1
        return parts[0] if len(parts) == 1 else b"".join(parts)


def open_shard(
    path: Path, form: PackedFormat, layout_of: LayoutOf | None = None, number: int = 0
) -> OpenShard:
    """A shard, newly opened or kept open by this process or its parent.

    ``layout_of(number)`` is its layout in an index; without one, it is read from the shard. Raises
    ArtefactError if it is damaged, FameError if too many files are open.
    """
    try:
        try:
            return keeper()(path, form, layout_of, number)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            forget()  # other code in this process needs more files than were left to it
            return keeper()(path, form, layout_of, number)
    except NOT_READ as error:
        raise unreadable(path, error) from error


def layout_of_file(path: Path, form: PackedFormat) -> Layout:
    """The current layout of a shard; raises the errors of ``open_shard``."""
    try:
        return OpenShard(path, form).layout
    except NOT_READ as error:
        raise unreadable(path, error) from error


def forget() -> None:
    """Close all shards: they may have been remade since."""
    keeper().cache_clear()


@functools.cache
def keeper() -> "functools._lru_cache_wrapper[OpenShard]":
    @functools.lru_cache(most_open())
    def keep(path: Path, form: PackedFormat, layout_of: LayoutOf | None, number: int) -> OpenShard:
        return OpenShard(path, form, layout_of(number) if layout_of else None)

    return keep


def most_open() -> int:
    """Shards to keep open: fewer if the system allows a process few files."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MOST_OPEN if limit == resource.RLIM_INFINITY else min(MOST_OPEN, limit // SHARE_OF_LIMIT)
