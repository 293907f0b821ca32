"""The index of a store: the location of everything in its shards and a summary of its receipts, in one file.

A store of 240,000 videos has 30,000 shards. Opening each with HDF5 would make samples half as expensive
again, and reading every receipt at the start would add many seconds to every command. The index
(``index.npz``) is written when a stage is complete. It is valid only for the shards it was made from, checked
by their SHA-256; an index that is missing, damaged or made from other shards is rebuilt by whoever finds it.
Nothing is signed based on it: anything that is derived from frames and signed verifies the shard itself, and
``fame verify`` compares the whole index.
"""

import io
import json
import logging
import os
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fame_cli import stage
from fame_cli.advice import command
from fame_cli.config import fingerprint
from fame_cli.data.manifest import VIDEOS_PER_SHARD, shard_name
from fame_cli.data.open_shard import forget, layout_of_file
from fame_cli.data.packed import Layout, PackedFormat, damage_error
from fame_cli.disk import write_whole
from fame_cli.errors import ArtefactError, FameError
from fame_cli.shard import Summary, read_receipt, shard_path

Array = np.ndarray[Any, np.dtype[Any]]
Summarize = Callable[[Iterable[Summary]], Any]
"""Reduces the summaries of a store's receipts, taken one by one, to the plain values that it keeps."""

VERSION = 1
MOST = 1 << 60
"""Larger than any offset in a file."""
NAME = "index.npz"
WITHOUT_RECEIPT = "it has no readable receipt"

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class ShardIndex:
    """The layouts of all shards of a store in order, about 330 bytes each, and a summary of receipts."""

    sha256: Array
    """(S,) of each shard's content, as signed by its receipt."""
    sizes: Array
    """(S, 2) bytes of the file and of all its items."""
    rows: Array
    """(S, 9), ``Layout.rows``; a shard with fewer videos is padded with empty ones."""
    columns: Array
    """(S, columns of the format)."""
    first_run: Array
    """(S + 1,), start of each shard's runs in ``starts`` and ``places``."""
    starts: Array
    places: Array
    names: tuple[str, ...]
    """Names of the columns."""
    videos: int
    summary: Any
    """Result of ``Summarize`` over the receipts."""

    def layout(self, number: int) -> Layout:
        """The layout of the shard with a given number in the store."""
        runs = slice(*self.first_run[number : number + 2].tolist())
        rows = min(VIDEOS_PER_SHARD, self.videos - number * VIDEOS_PER_SHARD)
        file_bytes, item_bytes = self.sizes[number].tolist()
        return Layout(
            file_bytes,
            item_bytes,
            rows=self.rows[number, : rows + 1].tolist(),
            columns=dict(zip(self.names, self.columns[number].tolist(), strict=True)),
            starts=self.starts[runs].tolist(),
            places=self.places[runs].tolist(),
        )

    def hashes(self) -> list[str]:
        """SHA-256 of each shard."""
        return [sha256.decode() for sha256 in self.sha256.tolist()]


ARRAYS = ("sha256", "sizes", "rows", "columns", "first_run", "starts", "places")


def open_index(folder: Path, videos: int, form: PackedFormat, summarize: Summarize) -> ShardIndex:
    """The index of a finished store with that many videos, made now if the stage left none.

    Raises ArtefactError if a shard or its receipt is missing or damaged.
    """
    forget()  # shards may have been remade since this process opened them
    content = stage.read_description(folder).content
    known = read_index(folder, form, summarize)
    if known is not None and is_of(known, content, videos):
        require_receipts(folder, videos)
        return known
    log.warning(
        "%s has no index of its current shards yet: reading %d of them, once.", folder, shard_count(videos)
    )
    index = make_index(folder, videos, form, summarize, known)
    if is_of(index, content, videos):
        with suppress(FameError):  # it may be read-only, or the disk full
            write_index(folder, index, version_of(form, summarize))
    return index


def complete_index(folder: Path, videos: int, form: PackedFormat, summarize: Summarize) -> None:
    """Write the index of a complete store, unless the existing one matches its shards."""
    known = read_index(folder, form, summarize)
    if known is None or not is_of(known, stage.read_description(folder).content, videos):
        index = make_index(folder, videos, form, summarize, known)
        write_index(folder, index, version_of(form, summarize))


def is_of(index: ShardIndex, content: str, videos: int) -> bool:
    """Whether an index matches the ``content`` fingerprint of a stage."""
    return index.videos == videos and fingerprint(index.hashes()) == content


def shard_count(videos: int) -> int:
    return -(-videos // VIDEOS_PER_SHARD)


def shard_names(videos: int) -> list[str]:
    return [shard_name(first) for first in range(0, videos, VIDEOS_PER_SHARD)]


def require_receipts(folder: Path, videos: int) -> None:
    """Raise ArtefactError if a shard has lost its receipt and is therefore unverified."""
    there = set(os.listdir(folder))
    for name in shard_names(videos):
        if f"{name}.json" not in there:
            raise damage_error(shard_path(folder, name), WITHOUT_RECEIPT)


def make_index(
    folder: Path, videos: int, form: PackedFormat, summarize: Summarize, known: ShardIndex | None
) -> ShardIndex:
    """The index of the current shards; layouts in ``known`` for the same shards are reused."""
    names, hashes = shard_names(videos), []

    def summaries() -> Iterator[Summary]:
        for name in names:
            receipt = read_receipt(folder, name)
            if receipt is None or not receipt.sha256:
                raise damage_error(shard_path(folder, name), WITHOUT_RECEIPT)
            hashes.append(receipt.sha256)
            yield receipt.summary

    summary = summarize(summaries())
    numbers = {sha256: number for number, sha256 in enumerate(known.hashes())} if known else {}
    layouts = []
    for number, (name, sha256) in enumerate(zip(names, hashes, strict=True)):
        if known is not None and sha256 in numbers:
            layouts.append(known.layout(numbers[sha256]))
            continue
        path = shard_path(folder, name)
        layout = layout_of_file(path, form)
        if len(layout.rows) - 1 != min(VIDEOS_PER_SHARD, videos - number * VIDEOS_PER_SHARD):
            raise damage_error(path, f"it holds {len(layout.rows) - 1} videos")
        layouts.append(layout)
    full = [[*one.rows, *one.rows[-1:] * (VIDEOS_PER_SHARD + 1 - len(one.rows))] for one in layouts]
    return ShardIndex(
        sha256=np.array(hashes, "S64"),
        sizes=np.array([[one.file_bytes, one.item_bytes] for one in layouts], np.int64),
        rows=np.array(full, np.int64),
        columns=np.array([[*one.columns.values()] for one in layouts], np.int64),
        first_run=np.cumsum([0, *(len(one.starts) for one in layouts)]),
        starts=np.array([start for one in layouts for start in one.starts], np.int64),
        places=np.array([place for one in layouts for place in one.places], np.int64),
        names=tuple(form.columns),
        videos=videos,
        summary=summary,
    )


def version_of(form: PackedFormat, summarize: Summarize) -> str:
    """Version of the content of an index; one of another version counts as missing."""
    return fingerprint([VERSION, form.columns, summarize(())])


def write_index(folder: Path, index: ShardIndex, version: str) -> None:
    about = {"version": version, "names": index.names, "videos": index.videos, "summary": index.summary}
    text = np.frombuffer(json.dumps(about).encode(), np.uint8)
    content = io.BytesIO()
    np.savez(content, about=text, **{name: getattr(index, name) for name in ARRAYS})
    write_whole(folder / NAME, content.getbuffer())


def read_index(folder: Path, form: PackedFormat, summarize: Summarize) -> ShardIndex | None:
    """The index of a store, whatever shards it belongs to, or None if it is missing or damaged."""
    try:
        arrays: dict[str, Any] = {**read_arrays(folder / NAME)}
        about = json.loads(arrays.pop("about").tobytes())
        if about.pop("version") != version_of(form, summarize):
            return None
        index = ShardIndex(**arrays, names=tuple(about.pop("names")), **about)
        require_sound(index, summarize)
    except UNSOUND:
        return None
    return index


UNSOUND = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, RuntimeError, MemoryError),
    *(zipfile.BadZipFile, zlib.error),
)
"""Errors of reading an index that is damaged or was made by hand."""


def read_arrays(path: Path) -> dict[str, Array]:
    """The arrays of an index, with every byte verified by its checksum."""
    if not path.is_file():  # reading a pipe would block
        raise OSError("it is no regular file")
    with zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > path.stat().st_size:
            raise ValueError("it would unpack to more than it is")
        content = {name: archive.read(f"{name}.npy") for name in ("about", *ARRAYS)}
    return {name: np.load(io.BytesIO(data), allow_pickle=False) for name, data in content.items()}


def require_sound(index: ShardIndex, summarize: Summarize) -> None:
    """Raise ValueError if the parts of an index are inconsistent: it was not written here."""
    shards, runs = shard_count(index.videos), len(index.starts)
    shapes = {
        "sha256": (shards,),
        "sizes": (shards, 2),
        "rows": (shards, VIDEOS_PER_SHARD + 1),
        "columns": (shards, len(index.names)),
        "first_run": (shards + 1,),
        "starts": (runs,),
        "places": (runs,),
    }
    for name, shape in shapes.items():
        array = getattr(index, name)
        if array.shape != shape or array.dtype.kind != ("S" if name == "sha256" else "i"):
            raise ValueError(f"{name} are of another kind")
        if name != "sha256" and not ((array >= 0) & (array < MOST)).all():
            raise ValueError(f"{name} are not offsets in a file")
    firsts = index.first_run
    empty = np.diff(firsts) == 0
    if firsts[0] != 0 or firsts[-1] != runs or (np.diff(firsts) < 0).any() or index.sizes[empty, 1].any():
        raise ValueError("runs are of no shard")
    if index.starts[firsts[:-1][~empty]].any():
        raise ValueError("runs do not begin where their shard does")
    kind = summarize(())
    if type(index.summary) is not type(kind):
        raise ValueError("its summary is of another kind")
    if isinstance(kind, dict):
        if index.summary.keys() != kind.keys():
            raise ValueError("its summary has other keys")
        if any(len(values) != index.videos for values in index.summary.values()):
            raise ValueError("its summary is of other videos")


def mend_index(folder: Path, videos: int, form: PackedFormat, summarize: Summarize) -> str:
    """Compare an index with the shards themselves, and rebuild it if it is wrong.

    Returns what was wrong, or nothing; a store without an index gets one when it is read. Raises
    ArtefactError if a shard cannot be read.
    """
    if not (folder / NAME).exists():
        return ""
    known = read_index(folder, form, summarize)
    index = make_index(folder, videos, form, summarize, None)
    if known is not None and is_same(known, index):
        return ""
    write_index(folder, index, version_of(form, summarize))
    return "was damaged or belonged to other shards; it was rebuilt"


def is_same(one: ShardIndex, other: ShardIndex) -> bool:
    values = [[index.names, index.videos, json.dumps(index.summary)] for index in (one, other)]
    return values[0] == values[1] and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in ARRAYS
    )


def wrong_index(folder: Path) -> ArtefactError:
    """The error for an index that contradicts an intact shard."""
    return ArtefactError(
        f"{folder / NAME} does not match the shards.",
        f"This rebuilds it: {command('verify', folder.parent.parent)}",
    )
