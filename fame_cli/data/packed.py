"""A packed shard: the items of a few videos one after another in one HDF5 file. All stores are built on it.

A shard has one dataset with the bytes of all items, one with the start of each item (``offsets``), one with
the first item of each video, and further ones for other values per item or video. A clip is then one read of
contiguous bytes.

HDF5 stores those bytes unchanged, so reading needs no HDF5: ``read_layout`` asks it once for the location of
everything in the file, and ``open_shard.py`` reads from there. Only this file imports h5py.
"""

import errno
import itertools
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np

from fame_cli import disk
from fame_cli.advice import DEFAULTS, command, stage_command
from fame_cli.data.layout import require_plain
from fame_cli.errors import ArtefactError, FameError

Array = np.ndarray[Any, np.dtype[Any]]

VERSION: str = h5py.__version__
"""Version of the library that writes shards."""

OFFSETS = "offsets"

BUFFER_BYTES = 4 << 20
"""Bytes written at once; large enough that glibc learns to keep memory of the size of frames."""

NOT_READ = (OSError, KeyError, ValueError, TypeError, RuntimeError)
"""Errors that h5py raises for a file that is not a shard, or an incomplete one."""


@dataclass(frozen=True, eq=False)
class PackedFormat:
    """How the shards of a stage are packed.

    Usage::

        NOTES = PackedFormat("note", "text", {"offsets": "<i8", "first_note": "<i8"}, 64 << 10)
        with PackedWriter(path, NOTES) as writer:
            for notes in videos:
                writer.start_video()
                for note in notes:
                    writer.add(note)  # (bytes,) uint8
            writer.finish()
    """

    item: str
    """Name of an item in messages."""
    data: str
    """Dataset with the bytes of all items."""
    columns: dict[str, str]
    """All other datasets in the order of writing, each with the NumPy type of a row."""
    chunk_bytes: int
    """Chunk size in HDF5; the last chunk of a shard is half empty on average."""

    @property
    def first(self) -> str:
        """Dataset with the first item of each video, and the end of the last."""
        return f"first_{self.item}"


def damage_error(path: Path, why: str) -> ArtefactError:
    """The error for an unusable shard, with the command that remakes it, which depends on its stage."""
    stages = path.parent.parent
    again = stage_command(path.parent) or "then rerun the command that made it."
    return ArtefactError(
        f"{path} is missing or damaged: {why}.",
        f"Find everything that is damaged, and make it again:\n{command('verify', stages.parent)}\n{again}"
        if stages.name in DEFAULTS
        else "Delete it and run the same command again: it makes that shard again.",
    )


def unreadable(path: Path, error: Exception) -> FameError:
    """The error for a shard that did not open: running out of files or memory is not damage."""
    number = getattr(error, "errno", None) or disk.errno_of(error)
    if number in (errno.EMFILE, errno.ENFILE):
        return FameError(
            f"cannot open {path}: too many files are open.",
            "Raise the limit, for example with ulimit -n 1024, or use fewer --workers.",
        )
    if number in (errno.ENOMEM, errno.EACCES, errno.EPERM):
        return FameError(f"cannot read {path}: {os.strerror(number)}.", "Remove the cause and run it again.")
    return damage_error(path, getattr(error, "strerror", None) or str(error))


class PackedWriter:
    """Appends items to a new shard through a buffer, so memory stays flat however long a video is.

    A context manager. Call ``finish`` last; without it, the shard is incomplete.
    """

    def __init__(self, path: Path, form: PackedFormat) -> None:
        self.path = path
        self.form = form
        self.file = h5py.File(path, "w", libver="latest")
        self.buffer = np.zeros(max(BUFFER_BYTES, form.chunk_bytes), np.uint8)
        self.bytes = self.file.create_dataset(
            form.data, (0,), "uint8", maxshape=(None,), chunks=(form.chunk_bytes,)
        )
        self.written = 0
        """Bytes already in the file, in whole chunks; the rest is in ``buffer``."""
        self.offsets = [0]
        self.first_item: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()

    def start_video(self) -> None:
        self.first_item.append(len(self.offsets) - 1)

    def add(self, item: Array) -> None:
        """Append an item (bytes,) uint8 to the current video."""
        used = self.offsets[-1] - self.written
        self.offsets.append(self.offsets[-1] + item.size)
        while used + item.size >= self.buffer.size:
            room = self.buffer.size - used
            self.buffer[used:] = item[:room]
            self._write(self.buffer.size)
            item, used = item[room:], 0
        self.buffer[used : used + item.size] = item

    def read(self, start: int, end: int) -> Array:
        """Bytes ``start`` to ``end`` (exclusive) of the items so far, from file and buffer."""
        begun = self.buffer[max(0, start - self.written) : max(0, end - self.written)]
        return np.concatenate([self.bytes[start : min(end, self.written)], begun])

    def last_items(self, count: int) -> list[Array]:
        """The last items of the current video, at most that many."""
        ends = self.offsets[self.first_item[-1] :][-count - 1 :]
        return [self.read(*span) for span in itertools.pairwise(ends)]

    def _write(self, count: int) -> None:
        """Write the first ``count`` bytes of the buffer, which are whole chunks."""
        disk.require_space(self.path, count)
        self.bytes.resize((self.written + count,))
        for start in range(0, count, self.form.chunk_bytes):
            chunk = self.buffer[start : start + self.form.chunk_bytes]
            self.bytes.id.write_direct_chunk((self.written + start,), chunk)
        self.written += count

    def drop_video(self) -> None:
        """Drop the items of the current video, which stays in the shard without any."""
        del self.offsets[self.first_item[-1] + 1 :]
        if self.offsets[-1] < self.written:
            size = self.form.chunk_bytes
            self.written = self.offsets[-1] // size * size
            self.buffer[:size] = self.bytes[self.written : self.written + size]

    def finish(self, **columns: Any) -> None:
        """Write the rest, and the ``columns`` of the format besides offsets and first items."""
        left = self.offsets[-1] - self.written
        self.buffer[left:] = 0
        self._write(-(-left // self.form.chunk_bytes) * self.form.chunk_bytes)
        self.bytes.resize((self.offsets[-1],))
        columns |= {OFFSETS: self.offsets, self.form.first: [*self.first_item, len(self.offsets) - 1]}
        for name, kind in self.form.columns.items():
            self.file[name] = np.array(columns[name], np.dtype(kind).base)


@dataclass(frozen=True)
class Layout:
    """The location of everything in a shard's file."""

    file_bytes: int
    item_bytes: int
    """Bytes of all items."""
    rows: list[int]
    """The first item of each video, and the end of the last."""
    columns: dict[str, int]
    """Offset of each column of the format in the file."""
    starts: list[int]
    """The items' bytes are stored in runs. Start of each run within those bytes …"""
    places: list[int]
    """… and in the file."""


def read_layout(descriptor: int, form: PackedFormat) -> Layout:
    """The layout of an open shard, from HDF5; raises one of ``NOT_READ`` if it is not a shard.

    Takes about half a millisecond, so a store keeps the result (``shard_index.py``).
    """
    with open(descriptor, "rb", closefd=False) as plain, h5py.File(plain, "r") as file:
        file_bytes = os.fstat(descriptor).st_size
        items = require_plain(file, form.data, file_bytes)
        if items.chunks is None or items.ndim != 1 or items.dtype != np.uint8:
            raise OSError(f"{form.data} in it is not bytes in chunks")
        columns = {name: require_plain(file, name, file_bytes) for name in form.columns}
        starts, places = runs_of(items)
        return Layout(
            file_bytes=file_bytes,
            item_bytes=items.size,
            rows=columns[form.first][()].tolist(),
            columns={name: place_of(columns[name], kind) for name, kind in form.columns.items()},
            starts=starts,
            places=places,
        )


def runs_of(items: h5py.Dataset) -> tuple[list[int], list[int]]:
    """Start of each run of contiguous chunks within the bytes of a dataset, and in the file."""
    size = items.chunks[0]
    places = np.zeros(-(-items.size // size), np.int64)

    def note_place(chunk: Any) -> None:
        places[chunk.chunk_offset[0] // size] = chunk.byte_offset

    items.id.chunk_iter(note_place)
    begins = np.flatnonzero(np.diff(places, prepend=places[:1]) != size)
    return (begins * size).tolist(), places[begins].tolist()


def place_of(column: h5py.Dataset, kind: str) -> int:
    """Offset of a column in the file; raises OSError if its layout does not match the format."""
    if column.dtype != np.dtype(kind).base:
        raise OSError(f"{column.name} in it is {column.dtype}")
    place = column.id.get_offset()
    if place is None and column.size:
        raise OSError(f"{column.name} in it is not in one piece")
    return place or 0


def write_arrays(path: Path, arrays: Iterable[tuple[str, Array]]) -> None:
    """Write a shard of a few whole arrays, each by its name, as they come."""
    with h5py.File(path, "w", libver="latest") as file:
        for name, values in arrays:
            file[name] = values


def read_arrays(path: Path, names: Iterable[str]) -> list[Array]:
    """Read arrays of such a shard, opened once; raises ArtefactError if it is damaged."""
    try:
        with h5py.File(path, "r") as file:
            size = path.stat().st_size
            return [require_plain(file, name, size)[()] for name in names]
    except NOT_READ as error:
        raise unreadable(path, error) from error
