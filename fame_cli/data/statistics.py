"""The statistics store: seed, colour bins and colour counts of every clip (``WORK/statistics/``).

What β, the variant, the new background and the branch are is left to training, so one pass over the videos
serves every row of Tables 3 to 6 of the paper. Only whole frames are known here; training crops the maps.

A video's clips start at frames 0, hop, 2·hop … Where the hop is a multiple of the stride, all of them share
their frames: each frame is then decoded once and each pair differenced once.
"""

import functools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np

from fame_cli import disk, stage
from fame_cli.config import Hue, StatisticsConfig, fingerprint
from fame_cli.data.clips import Indices, clip_span, hop_starts
from fame_cli.data.frames import OPEN_SHARDS, FrameStore, damaged, each_frame, scaled_size
from fame_cli.data.manifest import VIDEOS_PER_SHARD, shard_name, shard_slices
from fame_cli.errors import ArtefactError

COLOUR_BINS = 1000

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class ClipStatistics:
    """What is kept of one clip, over whole frames."""

    seed: Array
    """(h, w) float32, Eq. 2 in [0, 3], averaged over the pixels that a map pixel covers."""
    bins: Array
    """(h, w) uint16 in [0, 1000), the colour bin of the clip's mean over time."""
    foreground: Array
    """(1000,) uint16, how often each colour is where the blurred seed is greatest (50 %)."""
    background: Array
    """(1000,) uint16, how often each colour is where the blurred seed is least (10 %)."""


def compute(
    work: Path,
    frames: FrameStore,
    config: StatisticsConfig,
    jobs: int,
    progress: stage.Progress | None = None,
) -> stage.Report:
    """Compute the statistics of every clip of every video, as far as that is not done yet."""
    shards = []
    for name, videos in shard_slices(frames.videos):
        receipt = stage.read_receipt(frames.folder, name)
        assert receipt is not None, "a finished frame store has a receipt for each shard"
        counts = tuple(video.frames if video.usable else 0 for video in videos)
        shards.append(
            stage.Shard(
                name=name,
                inputs=fingerprint([config.to_dict(), receipt.sha256]),
                items=len(videos),
                task=StatisticsTask(stage.shard_path(frames.folder, name), counts, config),
            )
        )
    return stage.run(
        statistics_folder(work, frames, config),
        "statistics",
        config.to_dict(),
        shards,
        compute_shard,
        parent=frames.fingerprint,
        jobs=jobs,
        progress=progress,
        versions={"opencv": cv2.__version__, "h5py": h5py.__version__},
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


def compute_shard(path: Path, task: StatisticsTask) -> stage.Summary:
    """Write the statistics of one shard's clips to ``path``; returns how many there are."""
    cv2.setNumThreads(1)
    clips = 0
    with h5py.File(path, "w", libver="latest") as file:
        for row, frame_count in enumerate(task.frame_counts):
            if frame_count:
                results = list(video_statistics(task.frames, row, frame_count, task.config))
                write_video(file.create_group(str(row)), results)
                clips += len(results)
    return {"clips": clips}


def write_video(group: h5py.Group, results: Sequence[ClipStatistics]) -> None:
    seeds, scales = zip(*(pack_seed(result.seed) for result in results), strict=True)
    columns: dict[str, Sequence[Array]] = {"seed": seeds}
    for name in ("bins", "foreground", "background"):
        columns[name] = [getattr(result, name) for result in results]
    group["scale"] = np.array(scales, np.float32)
    for name, values in columns.items():
        data = np.stack(values)
        disk.require_space(Path(group.file.filename), data.nbytes)
        # A clip is read alone, so it is compressed alone; shuffling its bytes makes colour bins larger.
        chunks = (1, *data.shape[1:])
        group.create_dataset(name, data=data, chunks=chunks, compression="gzip", compression_opts=4)


def pack_seed(seed: Array) -> tuple[Array, float]:
    """A seed as bytes, and its maximum: 255·√(S/max), since quiet regions need the finer steps.

    It takes half of float16 and changes masks no more than that does (docs/statistics.md).
    """
    scale = float(seed.max())
    return np.rint(255 * np.sqrt(seed / (scale or 1))).astype(np.uint8), scale


def unpack_seed(packed: Array, scale: float) -> Array:
    share = packed.astype(np.float32) / 255
    seed: Array = share * share * np.float32(scale)
    return seed


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
    """One pass over every ``frame_stride``-th frame, with running sums read off where clips begin and end."""
    T, stride = config.clip_frames, config.frame_stride
    first = int(starts[0])
    steps = (int(starts[-1]) - first) // stride + T
    # Past the end of a short video its last frame is held, as when a clip is read.
    indices = np.minimum(first + stride * np.arange(steps), frame_count - 1)
    sums = RunningSums()
    begun: dict[int, tuple[Array, Array]] = {}
    begins = {(start - first) // stride for start in starts.tolist()}
    for step, frame in enumerate(each_frame(shard, row, indices)):
        sums.add(frame, begins=step in begins, begun=begun, step=step)
        if (begin := step - T + 1) in begun:
            colour, change = begun.pop(begin)
            mean = (sums.colour - colour) / (255 * T)
            seed = (sums.change - change).sum(2) / (255 * (T - 1))
            yield clip_statistics(seed, mean, config)


class RunningSums:
    """Sums of the frames and of their absolute differences, in float64: exact for any length of video."""

    def __init__(self) -> None:
        self.last: Array | None = None
        self.colour: Array
        self.change: Array

    def add(self, frame: Array, *, begins: bool, begun: dict[int, tuple[Array, Array]], step: int) -> None:
        """Add a frame; where a clip begins with it, keep the sums up to before it."""
        if self.last is None:
            self.colour, self.change = np.zeros(frame.shape), np.zeros(frame.shape)
        else:
            cv2.accumulate(cv2.absdiff(frame, self.last), self.change)
        if begins:
            begun[step] = self.colour.copy(), self.change.copy()
        cv2.accumulate(frame, self.colour)
        self.last = frame


def clip_statistics(seed: Array, mean: Array, config: StatisticsConfig) -> ClipStatistics:
    """Reduce a clip's seed (H, W) and mean over time (H, W, 3) to what is kept of it."""
    height, width = seed.shape
    size = scaled_size(width, height, config.map_short_side_px)
    small_seed = cv2.resize(seed.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    # The counts are of the seed as it is kept, so that they can be made again from it.
    small_seed = unpack_seed(*pack_seed(small_seed))
    small_mean = cv2.resize(mean.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    bins = colour_bins(small_mean, config.hue)
    foreground, background = colour_counts(small_seed, bins)
    return ClipStatistics(small_seed, bins, foreground, background)


def colour_bins(image: Array, hue: Hue) -> Array:
    """``merging.statistics.colour_bins`` of one (H, W, 3) float32 RGB image in [0, 1], as uint16."""
    degrees, saturation, value = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2HSV))
    angle = np.deg2rad(degrees) * (1 if hue == "correct" else 2 * np.pi)
    x, y = (saturation * np.cos(angle) + 1) / 2, (saturation * np.sin(angle) + 1) / 2
    levels = [np.rint(9 * level).astype(np.uint16) for level in (x, y, value)]
    bins: Array = levels[0] + 10 * levels[1] + 100 * levels[2]
    return bins


def colour_counts(seed: Array, bins: Array) -> tuple[Array, Array]:
    """``merging.statistics.colour_counts`` of one blurred (h, w) seed and its (h, w) bins, as uint16."""
    radius = int(0.1 * min(seed.shape)) // 2
    side = 2 * radius + 1
    blurred = cv2.GaussianBlur(seed, (side, side), side / 3, borderType=cv2.BORDER_REFLECT_101)
    order = np.argsort(-blurred, axis=None, kind="stable")
    pixels = order.size
    foreground = bins.ravel()[order[: pixels // 2]]
    background = bins.ravel()[order[pixels - pixels // 10 :]]
    count = functools.partial(np.bincount, minlength=COLOUR_BINS)
    return count(foreground).astype(np.uint16), count(background).astype(np.uint16)


@dataclass(frozen=True)
class OpenVideo:
    """The rows of one video; its datasets are found once, since finding them costs more than reading."""

    seed: h5py.Dataset
    bins: h5py.Dataset
    foreground: h5py.Dataset
    background: h5py.Dataset
    scale: Array


def open_video(group: h5py.Group) -> OpenVideo:
    return OpenVideo(
        group["seed"], group["bins"], group["foreground"], group["background"], group["scale"][()]
    )


@functools.lru_cache(maxsize=OPEN_SHARDS)
def open_shard(path: Path, process: int) -> dict[int, OpenVideo]:  # noqa: ARG001
    """A shard opened by this process; ``process`` keeps a forked worker from using its parent's handle."""
    try:
        file = h5py.File(path, "r", rdcc_nbytes=0)
        return {int(row): open_video(group) for row, group in file.items()}
    except (OSError, KeyError) as error:
        raise damaged(path, str(error)) from error


class StatisticsStore:
    """Reads clips' statistics from a finished store. Safe to hand to worker processes."""

    def __init__(self, folder: Path, frames: FrameStore) -> None:
        description = stage.read_description(folder)
        if description.parent != frames.fingerprint:
            raise ArtefactError(
                f"{folder} is out of date: the frames it was computed from have changed.",
                "Run fame masks again with the same options: it redoes only what changed.",
            )
        self.folder = folder
        self.videos = frames.videos
        self.config = StatisticsConfig.from_dict(description.configuration)
        self.fingerprint = description.content

    def starts(self, position: int) -> Indices:
        """First frames of the clips whose statistics are kept, for the video at a place in the manifest."""
        return clip_starts(self.videos[position].frames, self.config)

    def read(self, position: int, start: int) -> ClipStatistics:
        """Statistics of the kept clip that begins nearest to frame ``start`` (at most half a hop away)."""
        seed, bins = self.read_maps(position, start)
        video, clip, _ = self._locate(position, start)
        return ClipStatistics(seed, bins, video.foreground[clip], video.background[clip])

    def read_maps(self, position: int, start: int) -> tuple[Array, Array]:
        """Seed and bins alone, which is all that training needs."""
        video, clip, path = self._locate(position, start)
        try:
            return unpack_seed(video.seed[clip], video.scale[clip]), video.bins[clip]
        except OSError as error:
            raise damaged(path, str(error)) from error

    def _locate(self, position: int, start: int) -> tuple[OpenVideo, int, Path]:
        clip = int(np.abs(self.starts(position) - start).argmin())
        path = stage.shard_path(self.folder, shard_name(position))
        try:
            video = open_shard(path, os.getpid())[position % VIDEOS_PER_SHARD]
        except KeyError as error:
            raise damaged(path, f"it has no row {error}") from error
        if clip >= len(video.scale):
            raise damaged(path, f"it has {len(video.scale)} clips of row {position % VIDEOS_PER_SHARD}")
        return video, clip, path


def open_statistics_store(
    work: Path, frames: FrameStore, clip_frames: int, frame_stride: int, wanted: str | None = None
) -> StatisticsStore:
    """The statistics store of a WORK folder for one kind of clip: the one named, or the only one.

    Raises ArtefactError where there is none, where it is for other clips, or where frames have changed.
    """
    command = f"fame masks {work} --clip-frames {clip_frames} --frame-stride {frame_stride}"
    folder = stage.choose(work / "statistics", wanted, "--statistics-store", command)
    store = StatisticsStore(folder, frames)
    if (store.config.clip_frames, store.config.frame_stride) != (clip_frames, frame_stride):
        raise ArtefactError(
            f"{folder} is of clips of {store.config.clip_frames} frames at stride "
            f"{store.config.frame_stride}, not {clip_frames} at {frame_stride}.",
            f"Compute them: {command}",
        )
    return store
