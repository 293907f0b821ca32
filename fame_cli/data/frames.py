"""The frame store: every frame of every video as JPEG, packed in HDF5 shards (``WORK/frames/``).

A shard holds the frames of a few videos one after another: ``jpeg`` (bytes of all frames), ``offsets``
(where each frame starts, and the end of the last), ``first_frame`` (which frame each video starts at, and the
end of the last). A clip is one read of neighbouring bytes, however the video was compressed. HDF5 keeps the
bytes plain, in chunks; they are read from where it says that they lie, without its own detours.
"""

import dataclasses
import functools
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import simplejpeg

from fame_cli import disk, stage
from fame_cli.advice import DEFAULTS, command, extract_command, stage_command
from fame_cli.config import ExtractConfig, fingerprint
from fame_cli.data import decode
from fame_cli.data.decode import DecodedVideo
from fame_cli.data.layout import require_plain
from fame_cli.data.manifest import VIDEOS_PER_SHARD, Manifest, Video, shard_name, shard_slices
from fame_cli.data.picture import Frame
from fame_cli.errors import ArtefactError, InputError
from fame_cli.shard import Receipt, Shard, Summary, damage_of, read_receipt, shard_path

BUFFER_BYTES = 4 << 20
CHUNK_BYTES = 64 << 10
JPEG_CHUNK_BYTES = 256 << 10
"""What is written at once; the last chunk of a shard is half empty on average."""
OUTCOME = frozenset({"frames", "fps", "width", "height", "status", "reason"})
"""What the manifest takes from what a shard's receipt tells of each video."""
PICTURES_AT_ONCE = 16
"""Frames decoded and scaled before they are compressed: each goes faster when it is not done in between."""
SPARSE = 4
"""How many times the bytes that are wanted one read may take."""
OPEN_SHARDS = 256
"""Shards of a store that a process keeps open: with both stores, half of the usual limit of 1,024 files."""

Array = np.ndarray[Any, np.dtype[Any]]


def extract(
    work: Path,
    manifest: Manifest,
    config: ExtractConfig,
    workers: stage.Workers = stage.ONE_PROCESS,
    progress: stage.Progress | None = None,
) -> tuple[stage.Report, Manifest]:
    """Decode every video of the manifest into the frame store of ``work``, as far as that is not done yet.

    Returns what was done, and the manifest with what became of each video: one that cannot be read is marked
    "failed" with the reason, one that ends early "partial".
    """
    name = f"short{config.short_side_px}-q{config.jpeg_quality}"
    folder = stage.stage_folder(work / "frames", name, config.to_dict())
    shards = [
        Shard(
            name=shard,
            inputs=fingerprint([config.to_dict(), [identity(manifest.root, video) for video in videos]]),
            items=len(videos),
            task=ExtractTask(manifest.root, tuple(video.path for video in videos), config),
            made_with={"videos": [video.identity for video in videos]},
        )
        for shard, videos in shard_slices(manifest.videos)
    ]
    report = stage.run(
        folder,
        "frames",
        config.to_dict(),
        shards,
        extract_shard,
        parent=manifest.fingerprint,
        workers=workers,
        progress=progress,
        after_crash=lambda task: dataclasses.replace(task, in_own_process=True),
        versions={"decoder": decode.decoder_versions(), "h5py": h5py.__version__},
        origin=manifest.origin,
    )
    return report, with_outcome(manifest, report.summaries)


def identity(root: Path, video: Video) -> list[Any]:
    """What decides the pixels; a file that may not be read is another one once it may."""
    readable = video.status == "removed" or os.access(root / video.path, os.R_OK)
    return [*video.identity, *([] if readable else ["unreadable"])]


def receipt_of(folder: Path, name: str) -> Receipt:
    """The receipt of a finished shard; raises ArtefactError where it is gone."""
    receipt = read_receipt(folder, name)
    if receipt is None or "videos" not in receipt.summary:
        raise damaged(shard_path(folder, name), "it has no receipt that can be read")
    return receipt


def with_outcome(manifest: Manifest, summaries: Sequence[Summary]) -> Manifest:
    """The manifest with the size, frame count and status that the shards' receipts tell of what is there."""
    outcomes = [outcome for summary in summaries for outcome in summary["videos"]]
    videos = tuple(
        video
        if video.status == "removed"
        else dataclasses.replace(video, **{key: value for key, value in outcome.items() if key in OUTCOME})
        for video, outcome in zip(manifest.videos, outcomes, strict=True)
    )
    return dataclasses.replace(manifest, videos=videos)


@dataclass(frozen=True)
class ExtractTask:
    """The videos of one shard."""

    root: Path
    paths: tuple[str, ...]
    config: ExtractConfig
    in_own_process: bool = False
    """Decode each video once in a process of its own first, to find the one that crashes a decoder."""


def extract_shard(path: Path, task: ExtractTask) -> Summary:
    """Write the frames of the task's videos to the shard ``path``; returns what became of each."""
    with h5py.File(path, "w", libver="latest") as file:
        writer = ShardWriter(file)
        outcomes = [extract_video(writer, task.root / name, task) for name in task.paths]
        writer.close()
    return {"videos": outcomes}


def extract_video(writer: "ShardWriter", path: Path, task: ExtractTask) -> dict[str, Any]:
    writer.start_video()
    try:
        readers = [decode.reader_that_survives(path)] if task.in_own_process else None
        video = decode.open_video(path, task.config.max_fps, readers)
        return {"status": "ok", "reason": "", **store_video(writer, video, task.config)}
    except (InputError, cv2.error) as error:
        writer.drop_video()
        return {"status": "failed", "reason": error.message if isinstance(error, InputError) else str(error)}


def store_video(writer: "ShardWriter", video: DecodedVideo, config: ExtractConfig) -> dict[str, Any]:
    """Decode, scale and store one video; returns its size, rate and count, and what decoded it."""
    first = next(video.pictures)
    width, height = first.size
    stored_size = scaled_size(width, height, config.short_side_px)
    scaled = (picture.scaled(stored_size) for picture in itertools.chain([first], video.pictures))
    count = 0
    while group := list(itertools.islice(scaled, PICTURES_AT_ONCE)):
        for picture in group:
            writer.add_frame(picture.jpeg(config.jpeg_quality))
        count += len(group)
    outcome: dict[str, Any] = {
        "frames": count,
        "fps": round(video.fps, 4),
        "width": width,
        "height": height,
        "stored_width": stored_size[0],
        "stored_height": stored_size[1],
        "decoder": video.reader,
        "decoded_frames": video.decoded,
        "declared_frames": video.declared_frames,
    }
    if video.ended_early:
        reason = f"only {video.decoded} of {video.declared_frames} frames decode"
        outcome |= {"status": "partial", "reason": reason}
    return outcome


def scaled_size(width: int, height: int, short_side_px: int) -> tuple[int, int]:
    """(width, height) with the shorter side at ``short_side_px``, same aspect ratio, never enlarged."""
    factor = min(1.0, short_side_px / min(width, height))
    return max(1, round(width * factor)), max(1, round(height * factor))


class ShardWriter:
    """Appends frames to a shard chunk by chunk, so memory stays flat however long a video is."""

    def __init__(self, file: h5py.File) -> None:
        self.file = file
        self.path = Path(file.filename)
        self.chunk = np.zeros(JPEG_CHUNK_BYTES, np.uint8)
        self.bytes = file.create_dataset("jpeg", (0,), "uint8", maxshape=(None,), chunks=self.chunk.shape)
        self.written = 0
        """Bytes in whole chunks that the file holds; what follows them is in ``chunk``."""
        self.offsets = [0]
        self.first_frame: list[int] = []

    def start_video(self) -> None:
        self.first_frame.append(len(self.offsets) - 1)

    def add_frame(self, jpeg: Array) -> None:
        used = self.offsets[-1] - self.written
        self.offsets.append(self.offsets[-1] + jpeg.size)
        while used + jpeg.size >= self.chunk.size:
            room = self.chunk.size - used
            self.chunk[used:] = jpeg[:room]
            self.write_chunk()
            jpeg, used = jpeg[room:], 0
        self.chunk[used : used + jpeg.size] = jpeg

    def write_chunk(self) -> None:
        disk.require_space(self.path, self.chunk.size)
        self.bytes.resize((self.written + self.chunk.size,))
        self.bytes.id.write_direct_chunk((self.written,), self.chunk)
        self.written += self.chunk.size

    def drop_video(self) -> None:
        """Forget the frames of the video begun last; it stays in the shard with no frames."""
        del self.offsets[self.first_frame[-1] + 1 :]
        if self.offsets[-1] < self.written:
            self.written = self.offsets[-1] // self.chunk.size * self.chunk.size
            self.chunk[:] = self.bytes[self.written : self.written + self.chunk.size]

    def close(self) -> None:
        if self.written < self.offsets[-1]:
            self.chunk[self.offsets[-1] - self.written :] = 0
            self.write_chunk()
        self.bytes.resize((self.offsets[-1],))
        self.file["offsets"] = np.array(self.offsets, np.int64)
        self.file["first_frame"] = np.array([*self.first_frame, len(self.offsets) - 1], np.int64)


@dataclass(frozen=True)
class OpenShard:
    file: h5py.File
    """Kept open, so that ``descriptor`` stays valid."""
    descriptor: int
    offsets: Array
    first_frame: Array
    chunk_bytes: int
    places: list[int]
    """Where in the file each chunk of ``jpeg`` begins."""
    runs: list[int]
    """Chunks with the same number here follow one another in the file."""

    def read(self, start: int, end: int) -> bytes:
        """The bytes of ``jpeg`` from ``start`` to before ``end``; raises OSError."""
        first, last = start // self.chunk_bytes, (end - 1) // self.chunk_bytes
        if self.runs[first] == self.runs[last]:
            data = os.pread(self.descriptor, end - start, self.places[first] + start % self.chunk_bytes)
            if len(data) < end - start:
                raise OSError("it is cut off")
            return data
        border = (first + 1) * self.chunk_bytes
        return self.read(start, border) + self.read(border, end)


@functools.lru_cache(maxsize=OPEN_SHARDS)
def open_shard(path: Path, process: int) -> OpenShard:  # noqa: ARG001
    """A shard opened by this process; ``process`` keeps a forked worker from using its parent's handle."""
    try:
        file = h5py.File(path, "r")
        jpeg = require_plain(file, "jpeg")
        places = np.zeros(-(-jpeg.size // jpeg.chunks[0]), np.int64)

        def note_place(chunk: Any) -> None:
            places[chunk.chunk_offset[0] // jpeg.chunks[0]] = chunk.byte_offset

        jpeg.id.chunk_iter(note_place)
        return OpenShard(
            file,
            file.id.get_vfd_handle(),
            require_plain(file, "offsets")[()],
            require_plain(file, "first_frame")[()],
            jpeg.chunks[0],
            places.tolist(),
            np.cumsum(np.diff(places, prepend=places[:1]) != jpeg.chunks[0]).tolist(),
        )
    except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise damaged(path, str(error)) from error


def damaged(path: Path, why: str) -> ArtefactError:
    """What to say of a shard that cannot be used, with what makes it anew: that depends on whose it is."""
    stages = path.parent.parent
    work, kind = stages.parent, stages.name
    again = stage_command(path.parent) or "then run the command that made it again."
    return ArtefactError(
        f"{path} is missing or damaged: {why}.",
        f"Find all that is damaged, and make it anew:\n{command('verify', work)}\n{again}"
        if kind in DEFAULTS
        else "Delete it and run the same command again: it makes that shard anew.",
    )


def require_whole(path: Path) -> None:
    """Read a shard back before anything is derived from it and signed; raises ArtefactError if it changed."""
    if what := damage_of(path.parent, path.stem):
        raise damaged(path, f"it {what}")


class FrameStore:
    """Reads clips from a finished frame store. Safe to hand to worker processes.

    A video is named by its position, its place in ``videos`` and in the manifest, from 0.

    Args:
        folder: of the store; ``open_frame_store`` finds it.
        manifest: of its WORK folder.

    Raises:
        ArtefactError: the store cannot be read, or videos have changed since; from the methods, where a shard
            is damaged.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        description = stage.read_description(folder)
        if description.parent != manifest.fingerprint:
            raise ArtefactError(
                f"{folder} is out of date: videos were added, removed or changed since it was made.",
                f"This redoes only what changed: {stage.command_of(folder)}",
            )
        open_shard.cache_clear()  # shards may have been made again since this process opened them
        self.folder = folder
        self.receipts = {name: receipt_of(folder, name) for name, _ in shard_slices(manifest.videos)}
        self.manifest = with_outcome(manifest, [receipt.summary for receipt in self.receipts.values()])
        self.configuration = ExtractConfig.from_dict(description.configuration)
        self.fingerprint = description.content

    @property
    def videos(self) -> tuple[Video, ...]:
        """All videos of the manifest in order, also those that could not be read (``usable`` is False).

        Lengths, sizes and status are those of this store: ``manifest.csv`` tells what the last extraction
        found, which may have kept fewer frames a second.
        """
        return self.manifest.videos

    def frames(self, position: int, indices: Sequence[int] | Array) -> Frame:
        """Frames of a video by number, from 0 and in any order: (len(indices), H, W, 3) uint8 RGB.

        Raises IndexError where the video has no such frame.
        """
        return np.stack(list(self.each_frame(position, indices)))

    def each_frame(self, position: int, indices: Sequence[int] | Array) -> Iterator[Frame]:
        """The same one by one, (H, W, 3) each: cheaper where each is used up before the next."""
        path, row = self.locate(position)
        return (decode_jpeg(jpeg, path) for jpeg in read_jpegs(path, row, indices))

    def locate(self, position: int) -> tuple[Path, int]:
        """The shard file that holds a video, and its row there."""
        return shard_path(self.folder, shard_name(position)), position % VIDEOS_PER_SHARD


def read_jpegs(path: Path, row: int, indices: Sequence[int] | Array) -> list[Array]:
    """The JPEG bytes of some frames of the video in one row of a shard, by one read if they lie together."""
    shard = open_shard(path, os.getpid())
    wanted = np.asarray(indices) + shard.first_frame[row]
    if wanted.min() < shard.first_frame[row] or wanted.max() >= shard.first_frame[row + 1]:
        count = shard.first_frame[row + 1] - shard.first_frame[row]
        raise IndexError(f"frames {list(indices)} of a video of {count} frames")
    starts, ends = shard.offsets[wanted].tolist(), shard.offsets[wanted + 1].tolist()
    first, last = min(starts), max(ends)
    try:
        if last - first > SPARSE * (sum(ends) - sum(starts)):
            return [np.frombuffer(shard.read(*span), np.uint8) for span in zip(starts, ends, strict=True)]
        data = np.frombuffer(shard.read(first, last), np.uint8)
    except OSError as error:
        raise damaged(path, str(error)) from error
    return [data[start - first : end - first] for start, end in zip(starts, ends, strict=True)]


def decode_jpeg(jpeg: Array, path: Path, least_side_px: int = 0) -> Frame:
    """(H, W, 3) uint8 RGB of a JPEG from the shard ``path``.

    With ``least_side_px``, as small as the JPEG decodes at less cost, which is at half the size or less, with
    both sides at least that.
    """
    size = {"min_height": least_side_px, "min_width": least_side_px, "min_factor": 2} if least_side_px else {}
    try:
        return simplejpeg.decode_jpeg(jpeg, "RGB", **size)  # type: ignore[no-any-return]
    except ValueError as error:
        raise damaged(path, f"a frame in it is no JPEG: {error}") from error


def open_frame_store(work: Path, manifest: Manifest, wanted: str | None = None) -> FrameStore:
    """The frame store of a WORK folder: the one named, or the only one.

    Args:
        work: the folder that ``fame extract`` made.
        manifest: of ``read_manifest(work)``.
        wanted: a folder in ``work/frames``, where there are several.

    Raises:
        ArtefactError: there is none, or videos were added or changed since it was made.
        ConfigurationError: there are several and none is named, or the named one is not there.
    """
    folder = stage.choose(work / "frames", wanted, "--frames", extract_command(work) or "extract the videos.")
    return FrameStore(folder, manifest)
