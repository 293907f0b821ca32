"""The clips of an evaluation: even ones to test on, augmented ones to learn from, and their order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from fame_cli.config import ClassifierConfig, EvaluationConfig
from fame_cli.data.clips import (
    central_square,
    clip_indices,
    clip_span,
    even_starts,
    generator_for,
    random_resized_crop,
    random_start,
)
from fame_cli.data.dataset import crop_clip
from fame_cli.data.frames import FrameStore
from fame_cli.data.views import draw_view
from fame_cli.evaluation.splits import LabelledVideos
from fame_cli.learning.interrupt import loader_process


def even_clips(frames: FrameStore, position: int, config: EvaluationConfig) -> Tensor:
    """Clips (clips, T, S, S, 3) uint8 spread evenly over a video: the frames' central square, S = crop_px.

    Scaling the square, rather than cutting S px out of the frame as the published code does, shows the
    network things at the sizes that it was trained on (FAME, section 4.2, says only "center crop").
    """
    frame_count = frames.videos[position].frame_count
    starts = even_starts(frame_count, clip_span(config.clip_frames, config.frame_stride), config.clips)
    clips = []
    for start in starts.tolist():
        indices = clip_indices(start, config.clip_frames, config.frame_stride, frame_count)
        read = frames.read(position, indices)
        clips.append(crop_clip(read, central_square(*read.shape[1:3]), config.crop_px))
    return torch.from_numpy(np.stack(clips))


def training_clip(
    frames: FrameStore, position: int, epoch: int, config: ClassifierConfig
) -> tuple[Tensor, dict[str, Any]]:
    """One clip (T, S, S, 3) uint8 of a video, and how its colours are to be changed (``views.augment``).

    Random start, random resized crop, flip, grayscale and colour jitter, without blur, as in the published
    evaluation; all drawn from the address (seed, "train", epoch, video), so nothing needs saving.
    """
    video = frames.videos[position]
    generator = generator_for(config.seed, "train", epoch, video.id)
    start = random_start(video.frame_count, clip_span(config.clip_frames, config.frame_stride), generator)
    read = frames.read(
        position, clip_indices(start, config.clip_frames, config.frame_stride, video.frame_count)
    )
    height, width = read.shape[1:3]
    box = random_resized_crop(height, width, config.crop_scale_min, generator)
    view = draw_view(generator, 1.0, config.flip_probability) | {"blur": np.bool_(False)}
    return torch.from_numpy(crop_clip(read, box, config.crop_px)), view


@dataclass(frozen=True)
class EvenClips(Dataset[tuple[int, Tensor]]):
    """The evenly spread clips of some videos, one video an item."""

    frames: FrameStore
    positions: Sequence[int]
    config: EvaluationConfig

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, item: int) -> tuple[int, Tensor]:
        position = self.positions[item]
        return position, even_clips(self.frames, position, self.config)


@dataclass(frozen=True)
class TrainingClips(Dataset[tuple[Tensor, dict[str, Any], Tensor]]):
    """Augmented clips of the training videos; an item is named by its epoch and its place in ``train``."""

    videos: LabelledVideos
    class_numbers: Tensor
    config: ClassifierConfig

    def __getitem__(self, item: tuple[int, int]) -> tuple[Tensor, dict[str, Any], Tensor]:
        epoch, place = item
        clip, view = training_clip(self.videos.frames, self.videos.train[place], epoch, self.config)
        return clip, view, self.class_numbers[place]


@dataclass(frozen=True)
class EpochBatches:
    """The batches of the epochs from ``first_epoch`` on, as lists of (epoch, place).

    All samples are in every epoch. They are cut into batches whose sizes differ by one at most, so none is
    thrown away and no small batch is left at the end; a batch of one, of which BatchNorm cannot take a
    variance, is joined to its neighbours unless ``batch_size`` is 1.
    """

    samples: int
    batch_size: int
    first_epoch: int
    epochs: int
    seed: int

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        least = min(2, self.batch_size)
        return max(1, min(-(-self.samples // self.batch_size), self.samples // least))

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for epoch in range(self.first_epoch, self.epochs):
            order = generator_for(self.seed, "order", epoch).permutation(self.samples)
            for batch in np.array_split(order, self.steps):
                yield [(epoch, place) for place in batch.tolist()]


def load(
    dataset: Dataset[Any], workers: int, device: torch.device, batches: EpochBatches | None = None
) -> DataLoader[Any]:
    """Read a data set in ``workers`` processes (0: in this one), in batches or item by item."""
    return DataLoader(
        dataset,
        batch_size=1 if batches else None,
        batch_sampler=batches,
        num_workers=workers,
        worker_init_fn=loader_process(),
        pin_memory=device.type == "cuda",
    )
