"""The statistics store: seed, colour bins and colour counts of every clip (``WORK/statistics/``).

β, the variant, the new background and the branch are chosen in training, so one pass over the videos serves
every row of Tables 3 to 6 of the paper. Statistics cover whole frames; training crops the maps.

A video's clips start at frames 0, hop, 2·hop … If the hop is a multiple of the stride, all clips share their
frames: each frame is then decoded once and each pair differenced once.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np

from fame_cli import stage
from fame_cli.advice import command
from fame_cli.config import Motion, StatisticsConfig, fingerprint
from fame_cli.data import packed
from fame_cli.data.clip_statistics import ClipStatistics as ClipStatistics
from fame_cli.data.clip_statistics import statistics_of_clip as statistics_of_clip
from fame_cli.data.clip_statistics import statistics_of_frames
from fame_cli.data.clips import Indices, clip_span, hop_starts
from fame_cli.data.frames import FrameStore, decode_frame, read_items, require_whole
from fame_cli.data.manifest import VIDEOS_PER_SHARD, shard_name, shard_slices
from fame_cli.data.open_shard import open_shard
from fame_cli.data.packed import PackedFormat, PackedWriter, damage_error
from fame_cli.data.packing import pack, unpack, unpack_maps
from fame_cli.data.picture import Frame
from fame_cli.data.shard_index import complete_index, open_index
from fame_cli.data.store import choose_store
from fame_cli.errors import ArtefactError
from fame_cli.method import Hue
from fame_cli.shard import Shard, Summary, shard_path

Array = np.ndarray[Any, np.dtype[Any]]

FORMAT = 3
"""Version of a shard's content and computation; shards of another version are reported and remade."""

CLIPS = PackedFormat(
    "clip",
    "packed",
    {"offsets": "<i8", "scale": "<f4", "checksum": "<u4", "first_clip": "<i8", "map_size": "(2,)<i8"},
    64 << 10,
)

FRAMES_AT_ONCE = 32
"""Frames decoded before any is processed: a decoder is faster without interruptions."""

Kept = TypeVar("Kept")


def compute(
    work: Path,
    frames: FrameStore,
    config: StatisticsConfig,
    workers: stage.Workers = stage.ONE_PROCESS,
    progress: stage.Progress | None = None,
) -> stage.Report:
    """Compute the statistics of every clip of every video that are not there yet."""
    folder, shards = computation(work, frames, config)
    report = stage.run(
        folder,
        "statistics",
        config.to_dict(),
        shards,
        compute_shard,
        parent=frames.fingerprint,
        workers=workers,
        progress=progress,
        versions={"format": str(FORMAT), "opencv": cv2.__version__, "h5py": packed.VERSION},
        origin={"frames": frames.folder.name},
    )
    complete_index(folder, len(frames.videos), CLIPS, count_clips)
    return report


def computation(work: Path, frames: FrameStore, config: StatisticsConfig) -> tuple[Path, list[Shard]]:
    """The folder of a statistics store and its shards."""
    shards = []
    for (name, videos), sha256 in zip(shard_slices(frames.videos), frames.index.hashes(), strict=True):
        counts = tuple(video.frame_count if video.usable else 0 for video in videos)
        shards.append(
            Shard(
                name=name,
                inputs=fingerprint([FORMAT, config.to_dict(), sha256, counts]),
                items=len(videos),
                task=StatisticsTask(shard_path(frames.folder, name), counts, config),
            )
        )
    return statistics_folder(work, frames.folder.name, config), shards


def count_clips(summaries: Iterable[Summary]) -> int:
    return sum(summary["clips"] for summary in summaries)


def statistics_folder(work: Path, frames: str, config: StatisticsConfig) -> Path:
    """The folder of the statistics of a frame store, given by its name."""
    name = f"t{config.clip_frames}-s{config.frame_stride}-hop{config.hop_frames}"
    return stage.stage_folder(work / "statistics", name, config.to_dict(), frames)


@dataclass(frozen=True)
class StatisticsTask:
    """The videos of one shard of the frame store."""

    frames: Path
    frame_counts: tuple[int, ...]
    """0 for a video that could not be decoded."""
    config: StatisticsConfig


def compute_shard(path: Path, task: StatisticsTask) -> Summary:
    """Write the statistics of one shard's clips to ``path``; returns their number.

    A shard holds the clips of a few videos one after another: ``packed`` (bytes of all clips), ``offsets``
    (start of each clip, and the end of the last), ``scale`` and ``checksum`` (each clip's maximum seed and
    CRC-32), ``first_clip`` (first clip of each video, and the end of the last) and ``map_size`` (height and
    width of each video's maps).
    """
    cv2.setNumThreads(1)
    require_whole(task.frames)
    scales: list[float] = []
    checksums: list[int] = []
    map_sizes: list[tuple[int, ...]] = []
    with PackedWriter(path, CLIPS) as writer:
        for row, frame_count in enumerate(task.frame_counts):
            writer.start_video()
            map_sizes.append((0, 0))
            if not frame_count:
                continue
            for statistics in video_statistics(task.frames, row, frame_count, task.config):
                packed_clip, scale = pack(statistics)
                writer.add(packed_clip)
                scales.append(scale)
                checksums.append(zlib.crc32(packed_clip.data))
                map_sizes[-1] = statistics.seed.shape
        writer.finish(scale=scales, checksum=checksums, map_size=map_sizes)
    return {"clips": len(scales)}


def video_statistics(
    shard: Path, row: int, frame_count: int, config: StatisticsConfig
) -> Iterator[ClipStatistics]:
    """Statistics of a video's clips in the order of their starts."""
    starts = clip_starts(frame_count, config)
    # Starts that are equal modulo the stride share their frames: one pass serves them all.
    phases = [starts[starts % config.frame_stride == phase] for phase in range(config.frame_stride)]
    passes = [phase_statistics(shard, row, frame_count, chosen, config) for chosen in phases]
    for start in starts.tolist():
        yield next(passes[start % config.frame_stride])


def clip_starts(frame_count: int, config: StatisticsConfig) -> Indices:
    return hop_starts(frame_count, clip_span(config.clip_frames, config.frame_stride), config.hop_frames)


def phase_statistics(
    shard: Path, row: int, frame_count: int, starts: Indices, config: StatisticsConfig
) -> Iterator[ClipStatistics]:
    """One pass over every ``frame_stride``-th frame, beginning at the first of ``starts``."""
    stride, first = config.frame_stride, int(starts[0])
    steps = (int(starts[-1]) - first) // stride + config.clip_frames
    # Past the end of a short video, its last frame is repeated, as when a clip is read.
    indices = np.minimum(first + stride * np.arange(steps), frame_count - 1)
    frames = reduced_frames(shard, row, indices, config)
    yield from statistics_of_frames(frames, (starts - first) // stride, config)


def reduced_frames(shard: Path, row: int, indices: Indices, config: StatisticsConfig) -> Iterator[Frame]:
    """Frames in order, (H, W, 3) uint8 RGB, few in memory at a time, as small as the maps allow.

    Decoding a JPEG at a half, a quarter or an eighth of its size is cheaper (docs/statistics.md has the
    effect). Camera motion is estimated on whole frames.
    """
    least_side_px = 0 if config.motion == "compensated" else config.map_short_side_px
    for at in range(0, len(indices), FRAMES_AT_ONCE):
        items = read_items(shard, row, indices[at : at + FRAMES_AT_ONCE])
        yield from [decode_frame(item, shard, least_side_px) for item in items]


class StatisticsStore:
    """Reads clips' statistics from a finished store. Safe to hand to worker processes.

    Usage::

        store = open_statistics_store(work, frames, clip_frames=16, frame_stride=2)
        seed, bins = store.read_maps(7, start=40)
        store.read(7, start=40).foreground  # (1000,) counts of colours over the whole frame

    ``video_index`` is a video's place in ``videos`` and in the manifest, from 0.

    Args:
        folder: folder of the store; ``open_statistics_store`` finds it.
        frames: the frame store that it was computed from.

    Raises:
        ArtefactError: the store cannot be read, or the frames have changed since. The methods raise it for a
            damaged shard.
    """

    def __init__(self, folder: Path, frames: FrameStore) -> None:
        description = stage.read_description(folder)
        if description.parent != frames.fingerprint:
            raise ArtefactError(
                f"{folder} is out of date: the frames it was computed from have changed.",
                f"This redoes only what changed: {stage.command_of(folder)}",
            )
        if (found := description.versions.get("format", "2")) != str(FORMAT):
            raise ArtefactError(
                f"{folder} was computed by another version of fame: its format is {found}, not {FORMAT}.",
                f"This recomputes all of it: {stage.command_of(folder)}",
            )
        self.folder = folder
        self.index = open_index(folder, len(frames.videos), CLIPS, count_clips)
        self.videos = frames.videos
        self.config = StatisticsConfig.from_dict(description.configuration)
        self.fingerprint = description.content

    def starts(self, video_index: int) -> Indices:
        """First frames (clips,), from 0, of a video's clips with stored statistics."""
        return clip_starts(self.videos[video_index].frame_count, self.config)

    def read(self, video_index: int, start: int) -> ClipStatistics:
        """Statistics of the stored clip that starts nearest to frame ``start``.

        It is at most half a hop away, or less than a hop after the last stored clip of a video.
        """
        return self._read(video_index, start, unpack)

    def read_maps(self, video_index: int, start: int) -> tuple[Array, Array]:
        """Only seed (h, w) float32 and bins (h, w) uint16 of the same clip: all that training needs.

        Both cover the whole frame: the seed (Eq. 2) in [0, 3], averaged over the pixels that a pixel of the
        map covers, and the bins, uint16 below 1000.
        """
        return self._read(video_index, start, unpack_maps)

    def _read(self, video_index: int, start: int, unpack: Callable[[Array, int, int, float], Kept]) -> Kept:
        path = shard_path(self.folder, shard_name(video_index))
        number, row = divmod(video_index, VIDEOS_PER_SHARD)
        shard = open_shard(path, CLIPS, self.index.layout, number)
        nearest = int(np.abs(self.starts(video_index) - start).argmin())
        clips = shard.items_of(row)
        if nearest >= len(clips):
            raise damage_error(path, f"it holds too few clips of row {row}")
        (packed_clip,) = shard.read(row, [nearest])
        clip = clips[nearest]
        if zlib.crc32(packed_clip.data) != shard.column("checksum", clip, 1)[0]:
            raise damage_error(path, f"clip {clip} in it is not what was written")
        height, width = shard.column("map_size", row, 1)[0].tolist()
        return unpack(packed_clip, height, width, float(shard.column("scale", clip, 1)[0]))


def open_statistics_store(
    work: Path,
    frames: FrameStore,
    clip_frames: int,
    frame_stride: int,
    wanted: str | None = None,
    *,
    motion: Motion | None = None,
    hue: Hue | None = None,
) -> StatisticsStore:
    """The statistics store of a WORK folder for clips of one length: the one named, or the only one.

    Where there are several, it is the only one of these frames, clips, motion and hue.

    Args:
        work: the folder that ``fame extract`` made and ``fame masks`` worked on.
        frames: its frame store.
        clip_frames: frames in a clip, T.
        frame_stride: distance between them, in frames of the video.
        wanted: a folder in ``work/statistics``, or how its name begins, where there are several.
        motion: whether the camera's motion is compensated; None where that does not matter.
        hue: how hue is binned; None where that does not matter.

    Raises:
        ArtefactError: there is none, it is for other clips or another motion, or frames have changed.
        ConfigurationError: there are several and none is named, or the named one is not there.
    """
    words = ["--clip-frames", clip_frames, "--frame-stride", frame_stride]
    make = command("masks", work, *words, *(["--motion", motion] if motion else []))
    options = {"parent": frames.fingerprint, "clip_frames": clip_frames, "frame_stride": frame_stride}
    options |= {name: value for name, value in (("motion", motion), ("hue", hue)) if value}
    folder = choose_store(work / "statistics", wanted, "--statistics-store", make, options)
    store = StatisticsStore(folder, frames)
    if (store.config.clip_frames, store.config.frame_stride) != (clip_frames, frame_stride):
        raise ArtefactError(
            f"{folder} is for clips of {store.config.clip_frames} frames at stride "
            f"{store.config.frame_stride}, not {clip_frames} at {frame_stride}.",
            f"Compute them: {make}",
        )
    if motion not in (None, store.config.motion):
        raise ArtefactError(
            f"{folder} was computed with --motion {store.config.motion}, not {motion}.",
            f"Compute them: {make}",
        )
    return store
