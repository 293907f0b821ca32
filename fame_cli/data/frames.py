"""The frame store: every frame of every video as JPEG, packed in HDF5 shards (``WORK/frames/``).

A shard holds the frames of a few videos one after another: ``jpeg`` (bytes of all frames), ``offsets``
(where each frame starts, and the end of the last), ``first_frame`` (which frame each video starts at, and the
end of the last). A clip is one read of neighbouring bytes, however the video was compressed.
"""

import dataclasses
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
from fame_cli.config import ExtractConfig, fingerprint
from fame_cli.data import decode
from fame_cli.data.decode import Frame
from fame_cli.data.manifest import VIDEOS_PER_SHARD, Manifest, Video, shard_name, shard_slices
from fame_cli.errors import ArtefactError, InputError

BUFFER_BYTES = 4 << 20
CHUNK_BYTES = 64 << 10
OPEN_SHARDS = 256
"""Shards of a store that a process keeps open: with both stores, half of the usual limit of 1,024 files."""

Array = np.ndarray[Any, np.dtype[Any]]


def extract(
    work: Path, manifest: Manifest, config: ExtractConfig, jobs: int, progress: stage.Progress | None = None
) -> tuple[stage.Report, Manifest]:
    """Decode every video of the manifest into the frame store of ``work``, as far as that is not done yet.

    Returns what was done, and the manifest with what became of each video: one that cannot be read is marked
    "failed" with the reason, one that ends early "partial".
    """
    name = f"short{config.short_side_px}-q{config.jpeg_quality}"
    folder = stage.stage_folder(work / "frames", name, config.to_dict())
    shards = [
        stage.Shard(
            name=shard,
            inputs=fingerprint([config.to_dict(), [video.identity for video in videos]]),
            items=len(videos),
            task=ExtractTask(manifest.root, tuple(video.path for video in videos), config),
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
        jobs=jobs,
        progress=progress,
        after_crash=lambda task: dataclasses.replace(task, in_own_process=True),
        versions={"decoder": decode.decoder_version(), "h5py": h5py.__version__},
    )
    return report, with_outcome(manifest, report.summaries)


def with_outcome(manifest: Manifest, summaries: Sequence[stage.Summary]) -> Manifest:
    """The manifest with the size, frame count and status that the shards' receipts tell."""
    outcomes = [outcome for summary in summaries for outcome in summary["videos"]]
    videos = tuple(
        dataclasses.replace(
            video, **{key: value for key, value in outcome.items() if not key.startswith("stored")}
        )
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
    """Decode each video once in a process of its own first, to find the one that crashes the decoder."""


def extract_shard(path: Path, task: ExtractTask) -> stage.Summary:
    """Write the frames of the task's videos to the shard ``path``; returns what became of each."""
    with h5py.File(path, "w", libver="latest") as file:
        writer = ShardWriter(file)
        outcomes = [extract_video(writer, task.root / name, task) for name in task.paths]
        writer.close()
    return {"videos": outcomes}


def extract_video(writer: "ShardWriter", path: Path, task: ExtractTask) -> dict[str, Any]:
    writer.start_video()
    try:
        if task.in_own_process and (crash := decode.crash_of_decoder(path)):
            raise InputError(f"the decoder crashed on it ({crash})")
        return {"status": "ok", "reason": "", **store_video(writer, path, task.config)}
    except (InputError, cv2.error) as error:
        writer.drop_video()
        return {"status": "failed", "reason": error.message if isinstance(error, InputError) else str(error)}


def store_video(writer: "ShardWriter", path: Path, config: ExtractConfig) -> dict[str, Any]:
    """Decode, scale and store one video; returns its size, rate and count."""
    video = decode.open_video(path)
    height, width, stored_size, count = 0, 0, (0, 0), 0
    quality = [cv2.IMWRITE_JPEG_QUALITY, config.jpeg_quality]
    for frame in video.frames:
        if count == 0:
            height, width = frame.shape[:2]
            stored_size = scaled_size(width, height, config.short_side_px)
        writer.add_frame(cv2.imencode(".jpg", scale(frame, stored_size), quality)[1])
        count += 1
    if count == 0:
        raise InputError("no frame could be decoded")
    outcome: dict[str, Any] = {
        "frames": count,
        "fps": round(video.fps, 4),
        "width": width,
        "height": height,
        "stored_width": stored_size[0],
        "stored_height": stored_size[1],
    }
    # Declared counts are off by a few in sound files, so only a clear shortfall means a damaged one.
    if count < video.declared_frames - max(5, video.declared_frames // 20):
        outcome |= {"status": "partial", "reason": f"only {count} of {video.declared_frames} frames decode"}
    return outcome


def scaled_size(width: int, height: int, short_side_px: int) -> tuple[int, int]:
    """(width, height) with the shorter side at ``short_side_px``, same aspect ratio, never enlarged."""
    factor = min(1.0, short_side_px / min(width, height))
    return max(1, round(width * factor)), max(1, round(height * factor))


def scale(frame: Frame, size: tuple[int, int]) -> Frame:
    """Scale a frame to (width, height): by area where it shrinks by 2 or more, else bilinear.

    Below a factor of 2 bilinear interpolation still sees every pixel and costs a quarter as much.
    """
    width, height = size
    if frame.shape[:2] == (height, width):
        return frame
    shrinks = frame.shape[1] >= 2 * width and frame.shape[0] >= 2 * height
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)  # type: ignore[return-value]


class ShardWriter:
    """Appends frames to a shard through a small buffer, so memory stays flat however long a video is."""

    def __init__(self, file: h5py.File) -> None:
        self.file = file
        self.path = Path(file.filename)
        self.bytes = file.create_dataset("jpeg", (0,), "uint8", maxshape=(None,), chunks=(CHUNK_BYTES,))
        self.offsets = [0]
        self.first_frame: list[int] = []
        self.buffer: list[Array] = []
        self.buffered = 0

    def start_video(self) -> None:
        self.first_frame.append(len(self.offsets) - 1)

    def add_frame(self, jpeg: Array) -> None:
        self.buffer.append(jpeg)
        self.buffered += jpeg.size
        self.offsets.append(self.offsets[-1] + jpeg.size)
        if self.buffered >= BUFFER_BYTES:
            self.flush()

    def drop_video(self) -> None:
        """Forget the frames of the video begun last; it stays in the shard with no frames."""
        self.flush()
        del self.offsets[self.first_frame[-1] + 1 :]
        self.bytes.resize((self.offsets[-1],))

    def flush(self) -> None:
        if self.buffer:
            disk.require_space(self.path, self.buffered)
            end = self.bytes.shape[0]
            self.bytes.resize((end + self.buffered,))
            self.bytes[end:] = np.concatenate(self.buffer, axis=None)
            self.buffer, self.buffered = [], 0

    def close(self) -> None:
        self.flush()
        self.file["offsets"] = np.array(self.offsets, np.int64)
        self.file["first_frame"] = np.array([*self.first_frame, len(self.offsets) - 1], np.int64)


@dataclass(frozen=True)
class OpenShard:
    jpeg: h5py.Dataset
    offsets: Array
    first_frame: Array


@functools.lru_cache(maxsize=OPEN_SHARDS)
def open_shard(path: Path, process: int) -> OpenShard:  # noqa: ARG001
    """A shard opened by this process; ``process`` keeps a forked worker from using its parent's handle."""
    try:
        # Clips are read once and at random: a cache would cost memory and copy whole chunks.
        file = h5py.File(path, "r", rdcc_nbytes=0)
        return OpenShard(file["jpeg"], file["offsets"][()], file["first_frame"][()])
    except (OSError, KeyError) as error:
        raise damaged(path, str(error)) from error


def damaged(path: Path, why: str) -> ArtefactError:
    return ArtefactError(
        f"{path} is missing or damaged: {why}.", "Run the stage that made it again: it makes that shard anew."
    )


class FrameStore:
    """Reads clips from a finished frame store. Safe to hand to worker processes."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        description = stage.read_description(folder)
        if description.parent != manifest.fingerprint:
            raise ArtefactError(
                f"{folder} is out of date: videos were added, removed or changed since it was made.",
                "Run fame extract again with the same options: it redoes only what changed.",
            )
        self.folder = folder
        self.manifest = manifest
        self.configuration = ExtractConfig.from_dict(description.configuration)
        self.fingerprint = description.content

    @property
    def videos(self) -> tuple[Video, ...]:
        return self.manifest.videos

    def frames(self, position: int, indices: Sequence[int] | Array) -> Frame:
        """(len(indices), H, W, 3) uint8 RGB frames of the video at a place in the manifest."""
        path, row = self.locate(position)
        return np.stack([decode_jpeg(jpeg, path) for jpeg in read_jpegs(path, row, indices)])

    def locate(self, position: int) -> tuple[Path, int]:
        """The shard that holds the video at a place in the manifest, and its row there."""
        return stage.shard_path(self.folder, shard_name(position)), position % VIDEOS_PER_SHARD


def read_jpegs(path: Path, row: int, indices: Sequence[int] | Array) -> list[Array]:
    """The JPEG bytes of some frames of the video in one row of a shard, by one read."""
    shard = open_shard(path, os.getpid())
    wanted = np.asarray(indices) + int(shard.first_frame[row])
    start = int(shard.offsets[wanted.min()])
    try:
        data = shard.jpeg[start : int(shard.offsets[wanted.max() + 1])]
    except OSError as error:
        raise damaged(path, str(error)) from error
    return [data[shard.offsets[n] - start : shard.offsets[n + 1] - start] for n in wanted.tolist()]


def decode_jpeg(jpeg: Array, path: Path) -> Frame:
    frame = cv2.imdecode(jpeg, cv2.IMREAD_COLOR_RGB)
    if frame is None:
        raise damaged(path, "a frame in it is no JPEG")
    return frame  # type: ignore[return-value]


def each_frame(path: Path, row: int, indices: Sequence[int] | Array) -> Iterator[Frame]:
    """Frames of a video in order, (H, W, 3) uint8 RGB, with only a few in memory at a time."""
    for start in range(0, len(indices), 64):
        for jpeg in read_jpegs(path, row, indices[start : start + 64]):
            yield decode_jpeg(jpeg, path)


def open_frame_store(work: Path, manifest: Manifest, wanted: str | None = None) -> FrameStore:
    """The frame store of a WORK folder: the one named, or the only one.

    Raises ArtefactError where there is none, or where videos were added or changed since it was made.
    """
    folder = stage.choose(work / "frames", wanted, "--frames", f"fame extract DATA -o {work}")
    return FrameStore(folder, manifest)
