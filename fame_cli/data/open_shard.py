"""Packed shards that are open: few at a time, read where their layout says, safe to share with a fork.

Opening costs a few microseconds where the layout is known, so a store of 30,000 shards reads as fast as one
of five, however few of them are kept open.
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
"""Shards of all stores that a process keeps open."""
SHARE_OF_LIMIT = 4
"""Of the files that a process may open, one in so many is left to shards at most."""
SPARSE = 4
"""How many times the bytes that are wanted one read may take."""


class OpenShard:
    """One packed shard, read by place alone.

    A descriptor is never seeked: a forked process may go on with it. Whoever reads holds the shard, so it is
    closed when nobody does and it is not kept open any more.

    Args:
        path: of the shard.
        form: how it is packed.
        known: its layout, if somebody kept it. It is compared with the file, and where the file is another
            one by now the file's own layout is read.

    Raises:
        NOT_READ: it does not open or is none. From the methods, ArtefactError where it is damaged.
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
        """Rows of a column from ``first`` on."""
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
            raise OSError("it is cut off")
        return data

    def items_of(self, row: int) -> range:
        """The numbers in the shard of the items of a video."""
        return range(*self.layout.rows[row : row + 2])

    def read(self, row: int, numbers: Sequence[int] | Array) -> list[Array]:
        """Items (bytes,) uint8 of the video in a row, by number from 0: by one read if they lie together.

        Raises IndexError where the video has no such item.
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
        """The items' bytes from ``start`` to before ``end``, from all runs that they lie in."""
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
    """A shard, opened by this process or one that it was forked from, or kept open since it was last read.

    ``layout_of(number)`` is the layout that an index knows of it; without one the shard is asked. Raises
    ArtefactError where it is damaged, FameError where too many files are open.
    """
    try:
        try:
            return keeper()(path, form, layout_of, number)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            forget()  # something else here needs more files than was left to it
            return keeper()(path, form, layout_of, number)
    except NOT_READ as error:
        raise unreadable(path, error) from error


def layout_of_file(path: Path, form: PackedFormat) -> Layout:
    """The layout of a shard as it is now; raises what ``open_shard`` does."""
    try:
        return OpenShard(path, form).layout
    except NOT_READ as error:
        raise unreadable(path, error) from error


def forget() -> None:
    """Close what is kept open: shards may have been made again since."""
    keeper().cache_clear()


@functools.cache
def keeper() -> "functools._lru_cache_wrapper[OpenShard]":
    @functools.lru_cache(most_open())
    def keep(path: Path, form: PackedFormat, layout_of: LayoutOf | None, number: int) -> OpenShard:
        return OpenShard(path, form, layout_of(number) if layout_of else None)

    return keep


def most_open() -> int:
    """Shards to keep open: fewer where the system allows a process few files."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MOST_OPEN if limit == resource.RLIM_INFINITY else min(MOST_OPEN, limit // SHARE_OF_LIMIT)
