"""Features of altered clips, kept on disk (``RUN/features/``) as those of unaltered ones are.

A video's material is read once, and all alterations are made of it on the device that the encoder runs on: of
each alteration only the features are kept.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fame_cli import stage
from fame_cli.config import EvaluationConfig, fingerprint
from fame_cli.data import packed
from fame_cli.data.manifest import VIDEOS_PER_SHARD, shard_name, shard_slices
from fame_cli.evaluation.bias.battery import ALTERATIONS
from fame_cli.evaluation.bias.masks import MaskSource
from fame_cli.evaluation.bias.material import Material, MaterialReader
from fame_cli.evaluation.bias.pairing import Pairing
from fame_cli.evaluation.clip_datasets import load
from fame_cli.evaluation.evaluation import Evaluation
from fame_cli.evaluation.features import (
    CLIP_FEATURE_OPTIONS,
    FeatureStore,
    frozen_encoder,
    in_parts,
    name_in_shard,
    shard_title,
)
from fame_cli.learning.resources import name_exhaustion
from fame_cli.shard import Shard, Summary, is_done, shard_path

FORMAT = 1
"""Of what a shard holds, and of how clips are altered; one made in another is made again."""

MASK_ROW = "mask"
"""After a video's name in its shard, what is known of its masks."""


@dataclass(frozen=True)
class Altered:
    """Which clips are altered, and with what."""

    config: EvaluationConfig
    masks: MaskSource
    truth: MaskSource | None = None
    pairing: Pairing | None = None
    names: tuple[str, ...] = tuple(ALTERATIONS)
    """Of the alterations."""

    def options(self, video_indices: Sequence[int]) -> dict[str, Any]:
        """What decides the clips, as plain values."""
        return {
            **{name: getattr(self.config, name) for name in CLIP_FEATURE_OPTIONS},
            "format": FORMAT,
            "alterations": list(self.names),
            "masks": self.masks.fingerprint(video_indices),
            "truth": self.truth.fingerprint(video_indices) if self.truth else "",
            "pairing": self.pairing.fingerprint if self.pairing else "",
        }


@dataclass(frozen=True)
class AlteredFeatures:
    """Reads features of altered clips from a folder in which those of the wanted videos are finished."""

    folder: Path
    names: tuple[str, ...]

    def read_all(self, video_indices: Sequence[int]) -> dict[str, Tensor]:
        """Features (N, clips, D) of the videos by alteration."""
        features = FeatureStore(self.folder).read_all(video_indices)
        return {name: features[:, place] for place, name in enumerate(self.names)}

    def read_mask_rows(self, video_indices: Sequence[int]) -> Tensor:
        """What ``measure_masks`` found (N, 4) of the videos."""
        rows = []
        for video_index in video_indices:
            path = shard_path(self.folder, shard_title(shard_name(video_index)))
            (row,) = packed.read_arrays(path, [name_in_shard(video_index) + MASK_ROW])
            rows.append(torch.from_numpy(row))
        return torch.stack(rows)


@name_exhaustion("--clips")
def compute_altered(
    evaluation: Evaluation, altered: Altered, video_indices: Sequence[int]
) -> AlteredFeatures:
    """Features of the altered clips of videos, as far as they are not there."""
    frames, weights = evaluation.videos.frames, evaluation.weights
    options = altered.options(video_indices)
    folder = stage.stage_folder(
        evaluation.run / "features",
        f"altered-{weights.name}",
        options,
        f"{weights.fingerprint} {frames.fingerprint}",
    )
    shards = plan_shards(evaluation, options, video_indices)
    pending = [n for shard in shards if not is_done(folder, shard) for n in shard.task]
    with evaluation.progress("altered clips", "videos") as tell:
        stage.run(
            folder,
            "features",
            options,
            shards,
            shard_writer(evaluation, altered, pending),
            parent=frames.fingerprint,
            progress=lambda done, total: tell(done, total, ""),
            versions={"torch": torch.__version__, "h5py": packed.VERSION},
            in_process=True,
        )
    return AlteredFeatures(folder, altered.names)


def plan_shards(evaluation: Evaluation, options: dict[str, Any], video_indices: Sequence[int]) -> list[Shard]:
    """The shards that hold a wanted video, each with all wanted ones of its slice."""
    wanted = set(video_indices)
    shards = []
    for number, (name, videos) in enumerate(shard_slices(evaluation.videos.frames.videos)):
        first = number * VIDEOS_PER_SHARD
        if task := tuple(n for n in range(first, first + len(videos)) if n in wanted):
            shards.append(Shard(shard_title(name), fingerprint([options, task]), len(task), task))
    return shards


def shard_writer(
    evaluation: Evaluation, altered: Altered, pending: Sequence[int]
) -> Callable[[Path, Any], Summary]:
    """The computation of a shard. One loader reads ahead over all pending videos, in the shards' order."""
    device, videos = evaluation.device, evaluation.videos.frames.videos
    encoder = frozen_encoder(evaluation, altered.config.precision)
    reader = MaterialReader(
        evaluation.videos.frames,
        pending,
        altered.config,
        altered.masks,
        altered.truth,
        altered.pairing.pairs if altered.pairing else {},
        {video.id: video_index for video_index, video in enumerate(videos)},
    )
    items = iter(load(reader, evaluation.workers, device))

    def write_shard(path: Path, video_indices: tuple[int, ...]) -> Summary:
        evaluation.videos.frames.require_whole(video_indices[0])
        arrays: list[tuple[str, Any]] = []
        for video_index in video_indices:
            # Skips what another process finished between planning and now.
            material = next(found for found in items if found.video_index == video_index).to(device)
            name = name_in_shard(video_index)
            arrays += [
                (name, encode_altered(encoder, material, altered.names, device)),
                (name + MASK_ROW, measure_masks(material)),
            ]
        packed.write_arrays(path, arrays)
        return {"videos": len(video_indices)}

    return write_shard


def encode_altered(
    encoder: Callable[[Tensor], Tensor], material: Material, names: Sequence[str], device: torch.device
) -> Any:
    """Features (alterations, clips, D) of a video as a NumPy array; one alteration at a time in memory."""
    features = [in_parts(encoder, ALTERATIONS[name](material), device) for name in names]
    return torch.stack(features).cpu().numpy()


def measure_masks(material: Material) -> Any:
    """Of a video's masks (4,) float32, as shares, NaN where the truth is not known or has no such pixel.

    What they keep of the frame, of the true background and of the true foreground, and how much of what they
    keep is true background.
    """
    mask, truth = material.mask.cpu().numpy(), material.truth.cpu().numpy()
    if not truth.size:
        return np.array([mask.mean(), np.nan, np.nan, np.nan], np.float32)
    background = mask & ~truth
    shares = [
        background.sum() / whole if (whole := part.sum()) else np.nan
        for background, part in (
            (background, ~truth),
            (mask & truth, truth),
            (background, mask),
        )
    ]
    return np.array([mask.mean(), *shares], np.float32)
