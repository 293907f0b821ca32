"""Which labelled videos an evaluation learns from and is tested on, and the clips that are cut from them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from fame_cli.config import ClassifierConfig, EvaluationConfig, fingerprint
from fame_cli.data.clips import (
    address,
    clip_indices,
    clip_span,
    even_starts,
    random_resized_crop,
    random_start,
)
from fame_cli.data.dataset import Box, crop_clip
from fame_cli.data.frames import FrameStore
from fame_cli.data.manifest import Manifest
from fame_cli.data.views import draw_view
from fame_cli.errors import ConfigurationError, InputError
from fame_cli.learning.interrupt import leave_interrupts_to_the_parent

UNSEEN = -1
"""Class number of a label that no training video has: no prediction equals it, so it counts as wrong."""

NAMES_SHOWN = 5


@dataclass(frozen=True)
class LabelledVideos:
    """The videos of an evaluation, as places in the manifest of their frame store."""

    frames: FrameStore
    train: tuple[int, ...]
    test: tuple[int, ...]
    class_names: tuple[str, ...]
    """Labels of the training videos in alphabetical order; a class's number is its place here."""
    notes: tuple[str, ...] = ()
    """What a reader of the figures has to know: videos left out, labels never seen in training."""

    @property
    def fingerprint(self) -> str:
        """Of the pixels, the labels and the splits."""
        named = [[self.frames.videos[n].id, self.frames.videos[n].label] for n in (*self.train, *self.test)]
        return fingerprint([self.frames.fingerprint, len(self.train), named])

    def labels(self, positions: Sequence[int]) -> list[str]:
        return [self.frames.videos[position].label for position in positions]

    def class_numbers(self, positions: Sequence[int]) -> Tensor:
        """Class numbers (N,) int64, ``UNSEEN`` where no training video has the label."""
        number = {name: place for place, name in enumerate(self.class_names)}
        return torch.tensor([number.get(label, UNSEEN) for label in self.labels(positions)])


def choose_videos(frames: FrameStore, train_split: str, test_split: str) -> LabelledVideos:
    """The usable labelled videos of two splits; raises where there is nothing to learn or to test."""
    if train_split == test_split:
        raise ConfigurationError(
            f"--train-split and --test-split are both {train_split!r}.",
            "A network must be tested on videos that it did not learn from: name two splits.",
        )
    notes: list[str] = []
    train, test = (choose_split(frames.manifest, split, notes) for split in (train_split, test_split))
    class_names = sorted({frames.videos[position].label for position in train})
    if len(class_names) < 2:
        raise InputError(
            f"all {len(train)} videos of split {train_split!r} have the label {class_names[0]!r}.",
            "Telling classes apart takes two: extract a folder with more class folders.",
        )
    unseen = Counter(frames.videos[n].label for n in test if frames.videos[n].label not in class_names)
    if unseen:
        notes.append(
            f"{sum(unseen.values())} of {len(test)} test videos have a label that no training video has and "
            f"count as wrong: {first_few(sorted(unseen))}."
        )
    return LabelledVideos(frames, tuple(train), tuple(test), tuple(class_names), tuple(notes))


def choose_split(manifest: Manifest, split: str, notes: list[str]) -> list[int]:
    """Places of the usable labelled videos of a split; what is left out is added to ``notes``."""
    there = [n for n, video in enumerate(manifest.videos) if video.split == split]
    if not there:
        have = Counter(video.split for video in manifest.videos)
        found = ", ".join(f"{count} of {name!r}" for name, count in sorted(have.items()))
        raise InputError(
            f"no video is of split {split!r}; there are {found}.",
            "Name the splits with --train-split and --test-split, or extract from DATA/train/class/video.mp4 "
            "and DATA/test/class/video.mp4.",
        )
    left_out = {
        "has no label": [n for n in there if not manifest.videos[n].label],
        "could not be decoded": [n for n in there if not manifest.videos[n].usable],
    }
    for reason, videos in left_out.items():
        if len(videos) == len(there):
            raise InputError(
                f"of {len(there)} videos of split {split!r}, every one {reason}.",
                "Extract videos in class folders: DATA/class/video.mp4."
                if reason == "has no label"
                else "See the reasons in manifest.csv.",
            )
        if videos:
            notes.append(f"{len(videos)} of {len(there)} videos of split {split!r} left out: {reason}.")
    chosen = [n for n in there if not any(n in videos for videos in left_out.values())]
    if not chosen:
        raise InputError(
            f"no video of split {split!r} has both a label and frames.", "See the reasons in manifest.csv."
        )
    return chosen


def first_few(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more


def even_clips(frames: FrameStore, position: int, config: EvaluationConfig) -> Tensor:
    """Clips (clips, T, S, S, 3) uint8 spread evenly over a video: the frames' central square, S = crop_px.

    Scaling the square, rather than cutting S px out of the frame as the published code does, shows the
    network things at the sizes that it was trained on (FAME, section 4.2, says only "center crop").
    """
    frame_count = frames.videos[position].frames
    starts = even_starts(frame_count, clip_span(config.clip_frames, config.frame_stride), config.clips)
    clips = []
    for start in starts.tolist():
        indices = clip_indices(start, config.clip_frames, config.frame_stride, frame_count)
        read = frames.frames(position, indices)
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
    generator = address(config.seed, "train", epoch, video.id)
    start = random_start(video.frames, clip_span(config.clip_frames, config.frame_stride), generator)
    read = frames.frames(position, clip_indices(start, config.clip_frames, config.frame_stride, video.frames))
    height, width = read.shape[1:3]
    box = random_resized_crop(height, width, config.crop_scale_min, generator)
    view = draw_view(generator, color_jitter=1.0) | {"blur": np.bool_(False)}
    return torch.from_numpy(crop_clip(read, box, config.crop_px)), view


def central_square(height: int, width: int) -> Box:
    """The largest square in the middle of a frame."""
    side = min(height, width)
    return (height - side) // 2, (width - side) // 2, side, side


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
            order = address(self.seed, "order", epoch).permutation(self.samples)
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
        worker_init_fn=leave_interrupts_to_the_parent,
        pin_memory=device.type == "cuda",
    )
