"""Features of the evenly spread clips of videos, kept on disk (``RUN/features/``): a stage like any other.

A shard holds the features of all usable videos of its slice of the manifest, whatever their label and split,
so that another split or protocol needs only what is not there yet.
"""

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fame_cli import stage
from fame_cli.config import EvaluationConfig, Precision, fingerprint
from fame_cli.data import packed
from fame_cli.data.frames import require_whole
from fame_cli.data.manifest import VIDEOS_PER_SHARD, shard_name, shard_slices
from fame_cli.data.views import normalise, to_clips
from fame_cli.errors import ArtefactError
from fame_cli.evaluation.clip_datasets import EvenClips, load
from fame_cli.evaluation.evaluation import Evaluation, require_clips_fit
from fame_cli.learning.allocator import keep_freed_memory
from fame_cli.learning.memory_format import to_channels_last
from fame_cli.shard import Shard, Summary, is_done, shard_path

CLIPS_TOGETHER = 4
"""Clips that the encoder sees at once; on a CPU more of them would leave its cache."""
CLIPS_TOGETHER_ON_GPU = 64

CLIP_FEATURE_OPTIONS = ("clips", "clip_frames", "frame_stride", "crop_px", "precision")
"""Options of an evaluation that decide its features."""


@dataclass(frozen=True)
class FeatureStore:
    """Reads features from a folder in which those of the wanted videos are finished."""

    folder: Path

    def read(self, video_index: int) -> Tensor:
        """Features (clips, D) float32 of the video at a place in the manifest."""
        (features,) = self.each([video_index])
        return features

    def read_all(self, video_indices: Sequence[int]) -> Tensor:
        """Features (N, clips, D) of several videos."""
        return torch.stack([*self.each(video_indices)])

    def read_means(self, video_indices: Sequence[int]) -> Tensor:
        """Features (N, D) of several videos, the mean over the clips of each."""
        return torch.stack([features.mean(dim=0) for features in self.each(video_indices)])

    def each(self, video_indices: Iterable[int]) -> Iterator[Tensor]:
        """Features (clips, D) of each video in turn; a shard is opened once for those in a row."""
        for name, indices in itertools.groupby(video_indices, shard_name):
            path = shard_path(self.folder, shard_title(name))
            require_whole(path)
            for values in packed.read_arrays(path, map(name_in_shard, indices)):
                features = torch.from_numpy(values)
                if not features.isfinite().all():
                    raise ArtefactError(
                        f"{path} holds features that are no finite numbers: the network that made them has "
                        "diverged.",
                        "Look at its loss (fame visualize curves RUN), and pretrain another with a smaller "
                        "--learning-rate.",
                    )
                yield features


def name_in_shard(video_index: int) -> str:
    return str(video_index % VIDEOS_PER_SHARD)


def shard_title(slice_name: str) -> str:
    # stage.run removes shards named by a number alone that it was not asked for; those of videos that this
    # protocol does not need are to stay.
    return f"videos-{slice_name}"


def compute_features(
    evaluation: Evaluation, config: EvaluationConfig, video_indices: Sequence[int]
) -> FeatureStore:
    """Features of videos (and of others of their shards), as far as they are not there."""
    frames, weights = evaluation.videos.frames, evaluation.weights
    options = {name: getattr(config, name) for name in CLIP_FEATURE_OPTIONS}
    folder = stage.stage_folder(
        evaluation.run / "features", weights.name, options, f"{weights.fingerprint} {frames.fingerprint}"
    )
    shards = plan_shards(evaluation, options, video_indices)
    pending = [n for shard in shards if not is_done(folder, shard) for n in shard.task]
    if pending:
        require_clips_fit(weights, config)
    with evaluation.progress("features", "videos") as tell:
        stage.run(
            folder,
            "features",
            options,
            shards,
            feature_writer(evaluation, config, pending),
            parent=frames.fingerprint,
            progress=lambda done, total: tell(done, total, ""),
            versions={"torch": torch.__version__, "h5py": packed.VERSION},
            in_process=True,
        )
    return FeatureStore(folder)


def plan_shards(evaluation: Evaluation, options: dict[str, Any], video_indices: Sequence[int]) -> list[Shard]:
    """The shards that hold a wanted video, each with all usable videos of its slice."""
    wanted = {shard_name(video_index) for video_index in video_indices}
    shards = []
    for number, (name, videos) in enumerate(shard_slices(evaluation.videos.frames.videos)):
        if name in wanted:
            first = number * VIDEOS_PER_SHARD
            task = tuple(first + row for row, video in enumerate(videos) if video.usable)
            shards.append(Shard(shard_title(name), fingerprint([options, task]), len(task), task))
    return shards


def feature_writer(
    evaluation: Evaluation, config: EvaluationConfig, pending: Sequence[int]
) -> Callable[[Path, Any], Summary]:
    """The computation of a shard. One loader reads ahead over all pending videos, in the shards' order."""
    encoder = frozen_encoder(evaluation, config.precision)
    items = iter(
        load(EvenClips(evaluation.videos.frames, pending, config), evaluation.workers, evaluation.device)
    )

    def write_shard(path: Path, video_indices: tuple[int, ...]) -> Summary:
        if video_indices:
            evaluation.videos.frames.require_whole(video_indices[0])
        # Skips what another process finished between planning and now.
        videos = [next(clips for found, clips in items if found == wanted) for wanted in video_indices]
        features = encode_videos(encoder, videos, evaluation.device)
        packed.write_arrays(path, zip(map(name_in_shard, video_indices), features, strict=True))
        return {"videos": len(video_indices)}

    return write_shard


def encode_videos(
    encoder: Callable[[Tensor], Tensor], videos: Sequence[Tensor], device: torch.device
) -> Sequence[Any]:
    """Features (clips, D) of each video as NumPy arrays, from its clips (clips, T, H, W, 3) uint8.

    The clips of all of them go through the encoder together, and an accelerator is waited for once: until
    then the loader's processes read on.
    """
    if not videos:
        return []
    together = torch.cat([clips.to(device, non_blocking=True) for clips in videos])
    features = in_parts(encoder, together, device).cpu()
    return [part.numpy() for part in torch.split(features, [len(clips) for clips in videos])]


@torch.no_grad()
def in_parts(network: Callable[[Tensor], Tensor], clips: Tensor, device: torch.device) -> Tensor:
    """What a network makes, (N, …), of clips (N, T, H, W, 3) uint8, as many at a time as suit the device."""
    most = CLIPS_TOGETHER_ON_GPU if device.type == "cuda" else CLIPS_TOGETHER
    parts = torch.split(clips.to(device, non_blocking=True), most)
    return torch.cat([network(prepare(to_clips(part, device))) for part in parts])


def prepare(clips: Tensor) -> Tensor:
    """Clips (B, 3, T, H, W) in [0, 1] as a backbone expects them: normalised, channels last in memory."""
    return normalise(clips).contiguous(memory_format=torch.channels_last_3d)


def frozen_encoder(evaluation: Evaluation, precision: Precision) -> Callable[[Tensor], Tensor]:
    """``encode`` by the evaluation's backbone, laid out in memory as its device computes features fastest.

    On a CPU only clips have channels last: without gradients, R(2+1)D-18 takes a seventh longer when its
    weights have them last too (R3D-18 and bf16: alike within 4 %).
    """
    backbone, device = evaluation.weights.backbone, evaluation.device
    if device.type == "cpu":
        keep_freed_memory()
        placed = backbone.to(device)
    else:
        placed = to_channels_last(backbone, device)
    return functools.partial(encode, placed.eval(), precision=precision)


def encode(backbone: Callable[[Tensor], Tensor], clips: Tensor, precision: Precision) -> Tensor:
    """Features (B, D) float32 of prepared clips, with bf16 autocast if asked for."""
    with torch.autocast(clips.device.type, torch.bfloat16, enabled=precision == "bf16"):
        return backbone(clips).float()
