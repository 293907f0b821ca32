"""The frame store: every frame of every video as JPEG, packed in HDF5 shards (``WORK/frames/``).

A shard holds the frames of a few videos one after another: ``jpeg`` (bytes of all frames), ``offsets``
(start of each frame, and the end of the last), ``first_frame`` (first frame of each video, and the end of the
last). A clip is one read of contiguous bytes, however the video was compressed (``packed.py``).
Each JPEG is followed by a checksum, which decoders ignore: a changed byte would decode to other pixels.
"""

import dataclasses
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg

from fame_cli import stage
from fame_cli.advice import extract_command
from fame_cli.config import ExtractConfig, fingerprint
from fame_cli.data import decode, packed
from fame_cli.data.film import Film, FilmProgress, begin, go_on
from fame_cli.data.manifest import COLUMN_OF, VIDEOS_PER_SHARD, Manifest, Video, shard_name, shard_slices
from fame_cli.data.open_shard import layout_of_file, open_shard
from fame_cli.data.packed import PackedFormat, PackedWriter, damage_error
from fame_cli.data.picture import Frame
from fame_cli.data.progress import ShardProgress
from fame_cli.data.shard_index import complete_index, open_index, wrong_index
from fame_cli.data.store import choose_store
from fame_cli.errors import ArtefactError, InputError
from fame_cli.names import to_disk
from fame_cli.shard import Shard, Summary, damage_of, shard_path

OUTCOME = ("frame_count", "fps", "width", "height", "status", "reason", "notes")
"""Fields of the manifest that come from a shard's receipt, where they have the names of the columns."""

JPEGS = PackedFormat("frame", "jpeg", {"offsets": "<i8", "first_frame": "<i8"}, 256 << 10)

CHECKSUM_MARK = b"crc:"
"""Between a JPEG and the four bytes of its checksum. Stores of earlier versions have neither."""
CHECKSUM_BYTES = len(CHECKSUM_MARK) + 4

Array = np.ndarray[Any, np.dtype[Any]]
Outcomes = dict[str, list[Any]]
"""For each of ``OUTCOME``, its value for each video, or None if it is not recorded."""


def extract(
    work: Path,
    manifest: Manifest,
    config: ExtractConfig,
    workers: stage.Workers = stage.ONE_PROCESS,
    progress: stage.Progress | None = None,
) -> tuple[stage.Report, Manifest]:
    """Decode every video of the manifest that is not yet in the frame store of ``work``.

    Returns a report and the manifest with the status of each video: one that cannot be read is marked
    "failed" with the reason, one that ends early "partial".
    """
    folder, shards = extraction(work, manifest, config)
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
        versions={"decoder": decode.decoder_versions(), "h5py": packed.VERSION},
        origin=manifest.origin,
    )
    complete_index(folder, len(manifest.videos), JPEGS, outcomes_of)
    return report, with_outcome(manifest, outcomes_of(report.summaries))


def extraction(work: Path, manifest: Manifest, config: ExtractConfig) -> tuple[Path, list[Shard]]:
    """The folder of a frame store and its shards."""
    name = f"short{config.short_side_px}-q{config.jpeg_quality}"
    shards = [
        extract_task(shard, config, manifest.root, videos) for shard, videos in shard_slices(manifest.videos)
    ]
    return stage.stage_folder(work / "frames", name, config.to_dict()), shards


def extract_task(name: str, config: ExtractConfig, root: Path, videos: Sequence[Video]) -> Shard:
    inputs = fingerprint([config.to_dict(), [identity(root, video) for video in videos]])
    task = ExtractTask(root, tuple(video.path for video in videos), config, name, inputs)
    return Shard(name, inputs, len(videos), task, {"videos": [video.identity for video in videos]})


def identity(root: Path, video: Video) -> list[Any]:
    """What determines the pixels; an unreadable file counts as another one once it is readable."""
    readable = video.status == "removed" or os.access(root / to_disk(video.path), os.R_OK)
    return [*video.identity, *([] if readable else ["unreadable"])]


def outcomes_of(summaries: Iterable[Summary]) -> Outcomes:
    """The outcome of each video, by column, from the summaries of the shards."""
    outcomes: Outcomes = {name: [] for name in OUTCOME}
    for summary in summaries:
        for outcome in summary["videos"]:
            for name, values in outcomes.items():
                values.append(outcome.get(COLUMN_OF.get(name, name)))
    return outcomes


def with_outcome(manifest: Manifest, outcomes: Outcomes) -> Manifest:
    """The manifest with sizes, frame counts and status taken from a store."""
    names = tuple(outcomes)
    values_of = attrgetter(*names)
    videos = []
    for video, *found in zip(manifest.videos, *outcomes.values(), strict=True):
        # Usually the manifest says the same, and the video object is kept.
        if video.status != "removed" and values_of(video) != tuple(found):
            given = {name: value for name, value in zip(names, found, strict=True) if value is not None}
            video = dataclasses.replace(video, **given)
        videos.append(video)
    return dataclasses.replace(manifest, videos=tuple(videos))


@dataclass(frozen=True)
class ExtractTask:
    """The videos of one shard."""

    root: Path
    paths: tuple[str, ...]
    config: ExtractConfig
    name: str = ""
    """Name of the shard; without one, no progress is saved before it is done."""
    inputs: str = ""
    """Fingerprint of everything that determines its content."""
    in_own_process: bool = False
    """First decode each video in its own process, to find the one that crashes a decoder."""


def extract_shard(path: Path, task: ExtractTask) -> Summary:
    """Write the frames of the task's videos to the shard ``path``; returns the outcome of each."""
    with PackedWriter(path, JPEGS) as writer:
        # Another version may decode other pixels, which must not be mixed within a video.
        inputs = fingerprint([task.inputs, decode.decoder_versions()])
        progress = ShardProgress(path.parent, task.name, inputs, writer)
        progress.resume()
        for name in task.paths[len(progress.outcomes) :]:
            progress.outcomes.append(extract_video(writer, task.root / to_disk(name), task, progress))
        writer.finish()
    return {"videos": progress.outcomes}


def extract_video(
    writer: PackedWriter, path: Path, task: ExtractTask, progress: ShardProgress
) -> dict[str, Any]:
    begun, progress.film = progress.film, None
    if not begun:
        writer.start_video()
    try:
        readers = [decode.reader_that_survives(path)] if task.in_own_process else None
        if begun and readers and not begun["place"]["reader"].startswith(readers[0]):
            drop_video(writer, progress)
            begun = None
        if begun:
            jpegs = [jpeg_of(item) for item in writer.last_items(decode.RECENT)]
            # The seek itself may have crashed the decoder.
            seek = not task.in_own_process
            film = go_on(path, task.config, FilmProgress.from_dict(begun), jpegs, seek=seek)
        else:
            film = begin(path, task.config, readers)
        return {"status": "ok", "reason": "", **store_film(writer, film, progress)}
    except InputError as error:
        drop_video(writer, progress)
        return {"status": "failed", "reason": error.message, "notes": ""}


def store_film(writer: PackedWriter, film: Film, progress: ShardProgress) -> dict[str, Any]:
    """Decode, scale and store the rest of a video; returns its outcome."""
    for group in film.groups():
        for jpeg in group:
            writer.add(with_checksum(jpeg))
        if progress.is_due():
            progress.save(dataclasses.asdict(film.progress))
    return film.outcome()


def with_checksum(jpeg: Array) -> Array:
    """A JPEG (bytes,) uint8 followed by the CRC-32 of its bytes, as an item of a shard."""
    checksum = zlib.crc32(jpeg.data).to_bytes(4, "little")
    return np.concatenate([jpeg, np.frombuffer(CHECKSUM_MARK + checksum, np.uint8)])


def jpeg_of(item: Array) -> Array:
    """The JPEG of an item, without its checksum if it has one."""
    return item[:-CHECKSUM_BYTES] if item[-CHECKSUM_BYTES:-4].tobytes() == CHECKSUM_MARK else item


def drop_video(writer: PackedWriter, progress: ShardProgress) -> None:
    """Drop the frames of the current video from shard and saved progress."""
    writer.drop_video()
    progress.forget()


def require_whole(path: Path) -> None:
    """Verify a shard before anything is derived from it and signed; raises ArtefactError if it changed."""
    if what := damage_of(path.parent, path.stem):
        raise damage_error(path, f"it {what}")


class FrameStore:
    """Reads clips from a finished frame store. Safe to hand to worker processes.

    Usage::

        store = open_frame_store(work, read_manifest(work))
        store.videos[7].frame_count
        store.read(7, range(0, 32, 2))  # (16, H, W, 3) uint8 RGB

    ``video_index`` is a video's place in ``videos`` and in the manifest, from 0.

    Args:
        folder: folder of the store; ``open_frame_store`` finds it.
        manifest: manifest of its WORK folder.

    Raises:
        ArtefactError: the store cannot be read, or videos have changed since. The methods raise it for a
            damaged shard.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        description = stage.read_description(folder)
        if description.parent != manifest.fingerprint:
            raise ArtefactError(
                f"{folder} is out of date: videos were added, removed or changed since it was made.",
                f"This redoes only what changed: {stage.command_of(folder)}",
            )
        self.folder = folder
        self.index = open_index(folder, len(manifest.videos), JPEGS, outcomes_of)
        self.manifest = with_outcome(manifest, self.index.summary)
        self.configuration = ExtractConfig.from_dict(description.configuration)
        self.fingerprint = description.content

    @property
    def videos(self) -> tuple[Video, ...]:
        """All videos of the manifest in order, including those that could not be read (``usable`` is False).

        Lengths, sizes and status are those of this store; ``manifest.csv`` has those of the last extraction,
        which may have kept fewer frames per second.
        """
        return self.manifest.videos

    def read(self, video_index: int, indices: Sequence[int] | Array) -> Frame:
        """Frames of a video by number, from 0 and in any order: (len(indices), H, W, 3) uint8 RGB.

        Raises IndexError if the video has no such frame.
        """
        return np.stack(list(self.each_frame(video_index, indices)))

    def each_frame(self, video_index: int, indices: Sequence[int] | Array) -> Iterator[Frame]:
        """The same, but one frame (H, W, 3) at a time: cheaper if each is used before the next."""
        path, row = self.locate(video_index)
        shard = open_shard(path, JPEGS, self.index.layout, video_index // VIDEOS_PER_SHARD)
        return (decode_frame(item, path) for item in shard.read(row, indices))

    def require_whole(self, video_index: int) -> None:
        """Verify the shard of a video before anything is derived from it and signed.

        Raises ArtefactError if it is not what was written, or the index contradicts it.
        """
        path, _ = self.locate(video_index)
        require_whole(path)
        if layout_of_file(path, JPEGS) != self.index.layout(video_index // VIDEOS_PER_SHARD):
            raise wrong_index(self.folder)

    def locate(self, video_index: int) -> tuple[Path, int]:
        """The shard file of a video, and its row in it."""
        return shard_path(self.folder, shard_name(video_index)), video_index % VIDEOS_PER_SHARD


def read_items(path: Path, row: int, indices: Sequence[int] | Array) -> list[Array]:
    """The items of some frames of the video in one row of a shard, without the store's index."""
    return open_shard(path, JPEGS).read(row, indices)


def decode_frame(item: Array, path: Path, least_side_px: int = 0) -> Frame:
    """(H, W, 3) uint8 RGB of an item from the shard ``path``; ArtefactError if it is not what was written.

    With ``least_side_px``, the JPEG is decoded at a reduced size (a half or less), which is cheaper, with
    both sides at least that long.
    """
    jpeg = jpeg_of(item)
    if jpeg.size < item.size and zlib.crc32(jpeg.data) != int.from_bytes(item[-4:].tobytes(), "little"):
        raise damage_error(path, "a frame in it is not what was written")
    size = {"min_height": least_side_px, "min_width": least_side_px, "min_factor": 2} if least_side_px else {}
    try:
        return simplejpeg.decode_jpeg(jpeg, "RGB", **size)  # type: ignore[no-any-return]
    except ValueError as error:
        raise damage_error(path, f"a frame in it is not a JPEG: {error}") from error


def open_frame_store(work: Path, manifest: Manifest, wanted: str | None = None) -> FrameStore:
    """The frame store of a WORK folder: the one named, or the only one.

    Args:
        work: the folder that ``fame extract`` made.
        manifest: the result of ``read_manifest(work)``.
        wanted: name of a folder in ``work/frames``, if there are several.

    Raises:
        ArtefactError: there is none, or videos were added or changed since it was made.
        ConfigurationError: there are several and none is named, or the named one does not exist.
    """
    folder = choose_store(work / "frames", wanted, "--frames", extract_command(work) or "extract the videos.")
    return FrameStore(folder, manifest)
