"""The statistics store: seed, colour bins and colour counts of every clip (``WORK/statistics/``).

What β, the variant, the new background and the branch are is left to training, so one pass over the videos
serves every row of Tables 3 to 6 of the paper. Only whole frames are known here; training crops the maps.

A video's clips start at frames 0, hop, 2·hop … Where the hop is a multiple of the stride, all of them share
their frames: each frame is then decoded once and each pair differenced once.
"""

import functools
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import cv2
import h5py
import numpy as np

from fame_cli import disk, stage
from fame_cli.advice import command
from fame_cli.config import StatisticsConfig, fingerprint
from fame_cli.data.clip_statistics import ClipStatistics as ClipStatistics
from fame_cli.data.clip_statistics import statistics_of_clip as statistics_of_clip
from fame_cli.data.clip_statistics import statistics_of_frames
from fame_cli.data.clips import Indices, clip_span, hop_starts
from fame_cli.data.frames import (
    BUFFER_BYTES,
    CHUNK_BYTES,
    OPEN_SHARDS,
    FrameStore,
    damaged,
    decode_jpeg,
    read_jpegs,
    require_whole,
)
from fame_cli.data.layout import require_plain
from fame_cli.data.manifest import VIDEOS_PER_SHARD, shard_name, shard_slices
from fame_cli.data.packing import pack, unpack, unpack_maps
from fame_cli.data.picture import Frame
from fame_cli.errors import ArtefactError
from fame_cli.shard import Shard, Summary, shard_path

Array = np.ndarray[Any, np.dtype[Any]]

FORMAT = 2
"""Of what a shard holds; one written in another is made again."""

FRAMES_AT_ONCE = 32
"""Frames decoded before any is looked at: a decoder is faster when nothing comes between."""

Kept = TypeVar("Kept")


def compute(
    work: Path,
    frames: FrameStore,
    config: StatisticsConfig,
    workers: stage.Workers = stage.ONE_PROCESS,
    progress: stage.Progress | None = None,
) -> stage.Report:
    """Compute the statistics of every clip of every video, as far as that is not done yet."""
    shards = []
    for name, videos in shard_slices(frames.videos):
        counts = tuple(video.frames if video.usable else 0 for video in videos)
        shards.append(
            Shard(
                name=name,
                inputs=fingerprint([FORMAT, config.to_dict(), frames.receipts[name].sha256, counts]),
                items=len(videos),
                task=StatisticsTask(shard_path(frames.folder, name), counts, config),
            )
        )
    return stage.run(
        statistics_folder(work, frames, config),
        "statistics",
        config.to_dict(),
        shards,
        compute_shard,
        parent=frames.fingerprint,
        workers=workers,
        progress=progress,
        versions={"opencv": cv2.__version__, "h5py": h5py.__version__},
        origin={"frames": frames.folder.name},
    )


def statistics_folder(work: Path, frames: FrameStore, config: StatisticsConfig) -> Path:
    name = f"t{config.clip_frames}-s{config.frame_stride}-hop{config.hop_frames}"
    return stage.stage_folder(work / "statistics", name, config.to_dict(), frames.folder.name)


@dataclass(frozen=True)
class StatisticsTask:
    """The videos of one shard of the frame store."""

    frames: Path
    frame_counts: tuple[int, ...]
    """0 where a video could not be decoded."""
    config: StatisticsConfig


def compute_shard(path: Path, task: StatisticsTask) -> Summary:
    """Write the statistics of one shard's clips to ``path``; returns how many there are."""
    cv2.setNumThreads(1)
    require_whole(task.frames)
    with h5py.File(path, "w", libver="latest") as file:
        writer = ShardWriter(file)
        for row, frame_count in enumerate(task.frame_counts):
            writer.start_video()
            if frame_count:
                for statistics in video_statistics(task.frames, row, frame_count, task.config):
                    writer.add_clip(statistics)
        writer.close()
    return {"clips": len(writer.scales)}


class ShardWriter:
    """Appends clips to a shard through a small buffer, so memory stays flat however long a video is.

    A shard holds the clips of a few videos one after another: ``packed`` (bytes of all clips), ``offsets``
    (where each clip starts, and the end of the last), ``scale`` and ``checksum`` (each clip's greatest seed
    and CRC-32), ``first_clip`` (which clip each video starts at, and the end of the last) and ``map_size``
    (height and width of each video's maps).
    """

    def __init__(self, file: h5py.File) -> None:
        self.file = file
        self.packed = file.create_dataset("packed", (0,), "uint8", maxshape=(None,), chunks=(CHUNK_BYTES,))
        self.offsets = [0]
        self.scales: list[float] = []
        self.checksums: list[int] = []
        self.first_clip: list[int] = []
        self.map_sizes: list[tuple[int, ...]] = []
        self.buffer: list[Array] = []
        self.written = 0

    def start_video(self) -> None:
        self.first_clip.append(len(self.scales))
        self.map_sizes.append((0, 0))

    def add_clip(self, statistics: ClipStatistics) -> None:
        packed, scale = pack(statistics)
        self.buffer.append(packed)
        self.offsets.append(self.offsets[-1] + len(packed))
        self.scales.append(scale)
        self.checksums.append(zlib.crc32(packed.data))
        self.map_sizes[-1] = statistics.seed.shape
        if self.offsets[-1] - self.written >= BUFFER_BYTES:
            self.flush()

    def flush(self) -> None:
        end = self.offsets[-1]
        disk.require_space(Path(self.file.filename), end - self.written)
        self.packed.resize((end,))
        self.packed[self.written :] = np.concatenate(self.buffer or [np.empty(0, np.uint8)])
        self.buffer, self.written = [], end

    def close(self) -> None:
        self.flush()
        self.file["offsets"] = np.array(self.offsets, np.int64)
        self.file["scale"] = np.array(self.scales, np.float32)
        self.file["checksum"] = np.array(self.checksums, np.uint32)
        self.file["first_clip"] = np.array([*self.first_clip, len(self.scales)], np.int64)
        self.file["map_size"] = np.array(self.map_sizes, np.int64)


def video_statistics(
    shard: Path, row: int, frame_count: int, config: StatisticsConfig
) -> Iterator[ClipStatistics]:
    """Statistics of a video's clips in the order of their starts."""
    starts = clip_starts(frame_count, config)
    # Starts that fall on the same frames modulo the stride share their frames: one pass serves them all.
    phases = [starts[starts % config.frame_stride == phase] for phase in range(config.frame_stride)]
    passes = [phase_statistics(shard, row, frame_count, chosen, config) for chosen in phases]
    for start in starts.tolist():
        yield next(passes[start % config.frame_stride])


def clip_starts(frame_count: int, config: StatisticsConfig) -> Indices:
    return hop_starts(frame_count, clip_span(config.clip_frames, config.frame_stride), config.hop_frames)


def phase_statistics(
    shard: Path, row: int, frame_count: int, starts: Indices, config: StatisticsConfig
) -> Iterator[ClipStatistics]:
    """One pass over every ``frame_stride``-th frame from the first of ``starts`` on."""
    stride, first = config.frame_stride, int(starts[0])
    steps = (int(starts[-1]) - first) // stride + config.clip_frames
    # Past the end of a short video its last frame is held, as when a clip is read.
    indices = np.minimum(first + stride * np.arange(steps), frame_count - 1)
    frames = reduced_frames(shard, row, indices, config)
    yield from statistics_of_frames(frames, (starts - first) // stride, config)


def reduced_frames(shard: Path, row: int, indices: Indices, config: StatisticsConfig) -> Iterator[Frame]:
    """Frames in order, (H, W, 3) uint8 RGB, few in memory at a time, as small as the maps allow.

    A JPEG decodes to a half, a quarter or an eighth of its size at less cost (docs/statistics.md says what
    that changes). The camera's motion is followed on whole frames.
    """
    least_side_px = 0 if config.motion == "compensated" else config.map_short_side_px
    for at in range(0, len(indices), FRAMES_AT_ONCE):
        jpegs = read_jpegs(shard, row, indices[at : at + FRAMES_AT_ONCE])
        yield from [decode_jpeg(jpeg, shard, least_side_px) for jpeg in jpegs]


@dataclass(frozen=True)
class OpenShard:
    packed: h5py.Dataset
    offsets: Array
    scale: Array
    checksum: Array
    first_clip: Array
    map_size: Array


@functools.lru_cache(maxsize=OPEN_SHARDS)
def open_shard(path: Path, process: int) -> OpenShard:  # noqa: ARG001
    """A shard opened by this process; ``process`` keeps a forked worker from using its parent's handle."""
    try:
        file = h5py.File(path, "r", rdcc_nbytes=0)
        names = ("offsets", "scale", "checksum", "first_clip", "map_size")
        columns = (require_plain(file, name)[()] for name in names)
        return OpenShard(require_plain(file, "packed"), *columns)
    except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise damaged(path, str(error)) from error


class StatisticsStore:
    """Reads clips' statistics from a finished store. Safe to hand to worker processes.

    A video is named by its position, its place in ``videos`` and in the manifest, from 0.

    Args:
        folder: of the store; ``open_statistics_store`` finds it.
        frames: the frame store that it was computed from.

    Raises:
        ArtefactError: the store cannot be read, or the frames have changed since; from the methods, where a
            shard is damaged.
    """

    def __init__(self, folder: Path, frames: FrameStore) -> None:
        description = stage.read_description(folder)
        if description.parent != frames.fingerprint:
            raise ArtefactError(
                f"{folder} is out of date: the frames it was computed from have changed.",
                f"This redoes only what changed: {stage.command_of(folder)}",
            )
        open_shard.cache_clear()  # shards may have been made again since this process opened them
        self.folder = folder
        self.videos = frames.videos
        self.config = StatisticsConfig.from_dict(description.configuration)
        self.fingerprint = description.content

    def starts(self, position: int) -> Indices:
        """First frames (clips,) of the clips of a video whose statistics are kept, counted from 0."""
        return clip_starts(self.videos[position].frames, self.config)

    def read(self, position: int, start: int) -> ClipStatistics:
        """Statistics of the kept clip that begins nearest to frame ``start``.

        It is at most half a hop away, and after the last kept clip of a video less than a hop.
        """
        return self._read(position, start, unpack)

    def read_maps(self, position: int, start: int) -> tuple[Array, Array]:
        """Seed (h, w) float32 and bins (h, w) uint16 alone of the same clip: all that training needs.

        Both are of the whole frame: the seed (Eq. 2) in [0, 3], averaged over the pixels that
        a pixel of the map covers, the bins uint16 below 1000.
        """
        return self._read(position, start, unpack_maps)

    def _read(self, position: int, start: int, unpack: Callable[[Array, int, int, float], Kept]) -> Kept:
        path = shard_path(self.folder, shard_name(position))
        shard = open_shard(path, os.getpid())
        row = position % VIDEOS_PER_SHARD
        clip = int(shard.first_clip[row]) + int(np.abs(self.starts(position) - start).argmin())
        if clip >= shard.first_clip[row + 1]:
            raise damaged(path, f"it holds too few clips of row {row}")
        height, width = shard.map_size[row].tolist()
        try:
            packed = shard.packed[shard.offsets[clip] : shard.offsets[clip + 1]]
        except OSError as error:
            raise damaged(path, str(error)) from error
        if zlib.crc32(packed.data) != shard.checksum[clip]:
            raise damaged(path, f"clip {clip} in it is not what was written")
        return unpack(packed, height, width, float(shard.scale[clip]))


def open_statistics_store(
    work: Path, frames: FrameStore, clip_frames: int, frame_stride: int, wanted: str | None = None
) -> StatisticsStore:
    """The statistics store of a WORK folder for one kind of clip: the one named, or the only one.

    Args:
        work: the folder that ``fame extract`` made and ``fame masks`` worked on.
        frames: its frame store.
        clip_frames: frames in a clip, T.
        frame_stride: distance between them, in frames of the video.
        wanted: a folder in ``work/statistics``, where there are several.

    Raises:
        ArtefactError: there is none, it is for other clips, or frames have changed.
        ConfigurationError: there are several and none is named, or the named one is not there.
    """
    make = command("masks", work, "--clip-frames", clip_frames, "--frame-stride", frame_stride)
    folder = stage.choose(work / "statistics", wanted, "--statistics-store", make)
    store = StatisticsStore(folder, frames)
    if (store.config.clip_frames, store.config.frame_stride) != (clip_frames, frame_stride):
        raise ArtefactError(
            f"{folder} is of clips of {store.config.clip_frames} frames at stride "
            f"{store.config.frame_stride}, not {clip_frames} at {frame_stride}.",
            f"Compute them: {make}",
        )
    return store
