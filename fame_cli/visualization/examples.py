"""What pictures are made of: clips, masks and neighbours, read from WORK and RUN folders."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from fame_cli.data.clips import central_square, clip_indices, clip_span, even_starts
from fame_cli.data.dataset import crop_clip, crop_map
from fame_cli.data.frames import FrameStore
from fame_cli.data.manifest import Video
from fame_cli.data.picture import Frame
from fame_cli.data.statistics import StatisticsStore
from fame_cli.data.views import to_clips
from fame_cli.distraction.fame import merge
from fame_cli.errors import ArtefactError, InputError
from fame_cli.evaluation.results import Query as QueryResult
from fame_cli.evaluation.results import Result, read_result
from fame_cli.foreground.mask import blur
from fame_cli.foreground.of_clips import Maps, Masks, maps_of_clips, masks_of_maps
from fame_cli.learning.checkpoint import weights_fingerprint
from fame_cli.learning.run import RunFolder
from fame_cli.method import Hue, Variant
from fame_cli.visualization.gallery import GalleryNeighbour, GalleryQuery
from fame_cli.visualization.masks import MaskExample, MergeExample

Array = np.ndarray[Any, np.dtype[Any]]

OTHER_VARIANTS: tuple[Variant, ...] = ("seed", "grid", "gauss")


@dataclass(frozen=True)
class MaskOptions:
    """How the clips of a picture are cut and their masks made."""

    clip_frames: int
    frame_stride: int
    size_px: int
    beta: float
    variant: Variant
    hue: Hue = "correct"


@dataclass(frozen=True)
class Scene:
    """The middle clip of a video, its central square scaled to ``size_px``, and its statistics."""

    video: Video
    indices: Array
    """(T,) of the frames in the video."""
    frames: Frame
    """(T, S, S, 3) uint8 RGB."""
    maps: Maps
    """(1, h, w) each."""


def choose_examples(frames: FrameStore, wanted: Sequence[str], count: int, split: str = "") -> list[int]:
    """Places of the videos named, or of ``count`` usable ones spread evenly over the manifest.

    A name is a video's id, or any part of one that fits no other. Raises InputError where there is none.
    """
    usable = frames.manifest.video_indices(split)
    if not usable:
        raise InputError(f"no readable video in {'split ' + split if split else 'the manifest'}.")
    if not wanted:
        return [usable[n] for n in np.unique(np.linspace(0, len(usable) - 1, count).round().astype(int))]
    return [find_video(frames, usable, name) for name in wanted]


def find_video(frames: FrameStore, usable: Sequence[int], name: str) -> int:
    found = [n for n in usable if name in frames.videos[n].id]
    exact = [n for n in found if frames.videos[n].id == name]
    if len(exact or found) != 1:
        few = ", ".join(frames.videos[n].id for n in found[:3]) + (", …" if len(found) > 3 else "")
        raise InputError(
            f"--video {name} fits {len(found)} videos{': ' + few if found else ''}.",
            "Give a whole id, as in the first column of manifest.csv.",
        )
    return (exact or found)[0]


def read_scene(
    frames: FrameStore, statistics: StatisticsStore | None, video_index: int, options: MaskOptions
) -> Scene:
    """The middle clip of a video with cached statistics, or computed from its pixels where there are none."""
    video = frames.videos[video_index]
    T, stride = options.clip_frames, options.frame_stride
    start = int(even_starts(video.frame_count, clip_span(T, stride), 1)[0])
    if statistics is not None:
        # The kept clip nearest to the middle, so that picture and statistics are of the same frames.
        kept_starts = statistics.starts(video_index)
        start = int(kept_starts[np.abs(kept_starts - start).argmin()])
    indices = clip_indices(start, T, stride, video.frame_count)
    stored = frames.read(video_index, indices)
    H, W = stored.shape[1:3]
    box = central_square(H, W)
    clip = crop_clip(stored, box, options.size_px)
    if statistics is None:
        return Scene(video, indices, clip, maps_of_clips(to_batch(clip), options.hue))
    kept = statistics.read(video_index, start)
    seed = crop_map(kept.seed, box, (H, W), options.size_px, cv2.INTER_LINEAR)
    bins = crop_map(kept.bins, box, (H, W), options.size_px, cv2.INTER_NEAREST).astype(np.int64)
    return Scene(video, indices, clip, Maps(torch.from_numpy(seed)[None], torch.from_numpy(bins)[None]))


def to_batch(frames: Frame) -> Tensor:
    """(T, H, W, 3) uint8 to a batch of one, (1, 3, T, H, W) in [0, 1]."""
    return to_clips(torch.from_numpy(frames)[None], torch.device("cpu"))


def to_frames(clips: Tensor) -> Frame:
    """(1, 3, T, H, W) in [0, 1] to (T, H, W, 3) uint8."""
    frames: Frame = (clips[0].permute(1, 2, 3, 0) * 255).round().byte().numpy()
    return frames


def scene_masks(scene: Scene, options: MaskOptions, variant: Variant | None = None) -> Masks:
    """Soft and hard mask (1, S, S) of a scene, by the variant of the options unless another is given."""
    return masks_of_maps(scene.maps, options.size_px, options.beta, variant or options.variant)


def mask_example(
    frames: FrameStore,
    statistics: StatisticsStore | None,
    video_index: int,
    options: MaskOptions,
    true_mask: Array | None = None,
) -> MaskExample:
    """A row of the mask sheet: clip, seed, soft mask, mask and the other variants' masks."""
    scene = read_scene(frames, statistics, video_index, options)
    masks = scene_masks(scene, options)
    others = [variant for variant in ("fame", *OTHER_VARIANTS) if variant != options.variant]
    return MaskExample(
        caption=scene.video.id,
        frames=scene.frames,
        seed=blur(scene.maps.seed)[0].numpy(),
        soft_mask=masks.soft[0].numpy(),
        mask=masks.hard[0].numpy(),
        true_mask=true_mask,
        variants={variant: scene_masks(scene, options, variant).hard[0].numpy() for variant in others},
    )


def merge_example(
    frames: FrameStore,
    statistics: StatisticsStore | None,
    foreground: int,
    background: int,
    options: MaskOptions,
) -> MergeExample:
    """A row of the merge sheet: the foreground of one video on the background of another."""
    scene = read_scene(frames, statistics, foreground, options)
    behind = read_scene(frames, statistics, background, options)
    mask = scene_masks(scene, options).hard
    merged = merge(to_batch(scene.frames), mask, to_batch(behind.frames))
    return MergeExample(
        caption=f"{scene.video.id} on {behind.video.id}",
        foreground=scene.frames,
        mask=mask[0].numpy(),
        background=behind.frames,
        merged=to_frames(merged),
    )


def own_results(run: Path, protocol: str = "") -> list[tuple[Path, Result]]:
    """Results in a RUN folder and their files, oldest first; of one protocol if it is named.

    Where the folder holds a backbone, results of other weights that were put there are left out.
    """
    backbone = RunFolder(run).backbone
    weights = weights_fingerprint(backbone) if backbone.exists() else None
    paths = sorted(run.glob(f"results/{protocol}*.json"), key=lambda path: path.stat().st_mtime)
    found = [(path, read_result(path)) for path in paths]
    return [
        (path, result)
        for path, result in found
        if weights is None or result.weights.get("fingerprint") == weights
    ]


def last_result(run: Path, protocol: str) -> tuple[Path, Result]:
    """The newest result of a protocol of the run's own weights, and its file."""
    found = own_results(run, protocol)
    if not found:
        raise ArtefactError(
            f"{run} holds no result of {protocol} for its own weights.",
            f"Evaluate it first: eval {protocol}, with the WORK and this RUN.",
        )
    return found[-1]


def retrieval_queries(frames: FrameStore, run: Path, count: int, neighbours: int) -> list[GalleryQuery]:
    """Queries of the run's last retrieval, spread over it, each with its nearest videos."""
    path, result = last_result(run, "retrieval")
    found = result.queries
    place = {video.id: video_index for video_index, video in enumerate(frames.videos)}
    chosen = [found[n] for n in np.unique(np.linspace(0, len(found) - 1, count).round().astype(int))]
    try:
        return [retrieval_query(frames, place, query, neighbours) for query in chosen]
    except KeyError as error:
        raise ArtefactError(
            f"{path} names the video {error}, which this WORK does not have.",
            "Give the WORK folder that the retrieval was run on.",
        ) from error


def retrieval_query(
    frames: FrameStore, place: dict[str, int], query: QueryResult, neighbours: int
) -> GalleryQuery:
    return GalleryQuery(
        caption=query.id,
        frame=middle_frame(frames, place[query.id]),
        label=query.label,
        neighbours=[
            GalleryNeighbour(middle_frame(frames, place[near.id]), near.label, near.similarity)
            for near in query.neighbours[:neighbours]
        ],
    )


def middle_frame(frames: FrameStore, video_index: int) -> Frame:
    middle: Frame = frames.read(video_index, [frames.videos[video_index].frame_count // 2])[0]
    return middle
