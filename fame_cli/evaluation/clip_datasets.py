"""The clips of an evaluation: even ones to test on, augmented ones to learn from, and their order."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from fame_cli.config import ClassifierConfig, EvaluationConfig
from fame_cli.data.clips import (
    Indices,
    central_square,
    clip_indices,
    clip_span,
    even_starts,
    generator_for,
    random_resized_crop,
    random_start,
)
from fame_cli.data.dataset import crop_clip, crop_frames
from fame_cli.data.frames import FrameStore
from fame_cli.data.views import draw_view
from fame_cli.evaluation.splits import LabelledVideos
from fame_cli.learning.interrupt import loader_process
from fame_cli.learning.resources import BatchSize, require_loader_resources

TENSORS = 16
"""Of a loaded batch, about: clips, classes, and what was drawn for them."""


def even_clips(frames: FrameStore, video_index: int, config: EvaluationConfig) -> Tensor:
    """Clips (clips, T, S, S, 3) uint8 spread evenly over a video: the frames' central square, S = crop_px.

    Scaling the square, rather than cutting S px out of the frame as the published code does, shows the
    network things at the sizes that it was trained on (FAME, section 4.2, says only "center crop").
    """
    indices = even_indices(frames.videos[video_index].frame_count, config)
    # Clips of a short video overlap: each frame is decoded and scaled once.
    distinct, places = np.unique(indices, return_inverse=True)
    read = frames.each_frame(video_index, distinct)
    first = next(read)
    scaled = np.empty((len(distinct), config.crop_px, config.crop_px, 3), np.uint8)
    crop_frames(itertools.chain([first], read), [(central_square(*first.shape[:2]), scaled)])
    return torch.from_numpy(scaled[places.reshape(indices.shape)])


def even_indices(frame_count: int, config: EvaluationConfig) -> Indices:
    """The frames (clips, T) of the clips that are spread evenly over a video."""
    starts = even_starts(frame_count, clip_span(config.clip_frames, config.frame_stride), config.clips)
    return np.stack(
        [
            clip_indices(start, config.clip_frames, config.frame_stride, frame_count)
            for start in starts.tolist()
        ]
    )


def training_clip(
    frames: FrameStore, video_index: int, epoch: int, config: ClassifierConfig
) -> tuple[Tensor, dict[str, Any]]:
    """One clip (T, S, S, 3) uint8 of a video, and how its colours are to be changed (``views.augment``).

    Random start, random resized crop, flip, grayscale and colour jitter, without blur, as in the published
    evaluation; all drawn from the address (seed, "train", epoch, video), so nothing needs saving.
    """
    video = frames.videos[video_index]
    generator = generator_for(config.seed, "train", epoch, video.id)
    start = random_start(video.frame_count, clip_span(config.clip_frames, config.frame_stride), generator)
    read = frames.read(
        video_index, clip_indices(start, config.clip_frames, config.frame_stride, video.frame_count)
    )
    height, width = read.shape[1:3]
    box = random_resized_crop(height, width, config.crop_scale_min, generator)
    view = draw_view(generator, 1.0, config.flip_probability) | {"blur": np.bool_(False)}
    return torch.from_numpy(crop_clip(read, box, config.crop_px)), view


def clip_bytes(config: EvaluationConfig) -> int:
    return 3 * config.clip_frames * config.crop_px**2


@dataclass(frozen=True)
class EvenClips(Dataset[tuple[int, Tensor]]):
    """The evenly spread clips of some videos, one video an item."""

    frames: FrameStore
    video_indices: Sequence[int]
    config: EvaluationConfig

    def __len__(self) -> int:
        return len(self.video_indices)

    def sample_bytes(self) -> int:
        return self.config.clips * clip_bytes(self.config)

    def __getitem__(self, item: int) -> tuple[int, Tensor]:
        video_index = self.video_indices[item]
        return video_index, even_clips(self.frames, video_index, self.config)


@dataclass(frozen=True)
class TrainingClips(Dataset[tuple[Tensor, dict[str, Any], Tensor]]):
    """Augmented clips of the training videos; an item is named by its epoch and its place in ``train``."""

    videos: LabelledVideos
    class_numbers: Tensor
    config: ClassifierConfig

    def sample_bytes(self) -> int:
        return clip_bytes(self.config)

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


class SizedSamples(Protocol):
    """A data set that knows how much memory a sample takes."""

    def sample_bytes(self) -> int: ...

    def __getitem__(self, item: Any) -> Any: ...


def load(
    dataset: SizedSamples,
    workers: int,
    device: torch.device,
    batches: EpochBatches | None = None,
) -> DataLoader[Any]:
    """Read a data set in ``workers`` processes (0: in this one), in batches or item by item.

    Raises FameError where the machine has too little of what these processes need.
    """
    samples = batches.batch_size if batches else 1
    require_loader_resources(workers, BatchSize(samples * dataset.sample_bytes(), TENSORS))
    return DataLoader(
        cast("Dataset[Any]", dataset),
        batch_size=1 if batches else None,
        batch_sampler=batches,
        num_workers=workers,
        worker_init_fn=loader_process(),
        pin_memory=device.type == "cuda",
    )
