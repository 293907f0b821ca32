"""Which labelled videos an evaluation learns from and is tested on."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fame_cli.config import fingerprint
from fame_cli.data.frames import FrameStore
from fame_cli.data.group import group_of
from fame_cli.data.manifest import Manifest
from fame_cli.data.sources.files import stem
from fame_cli.data.sources.hold_out import describe_hold_out
from fame_cli.errors import ConfigurationError, InputError

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
        """Of the pixels, the labels, the groups and the splits."""
        videos = [self.frames.videos[n] for n in (*self.train, *self.test)]
        named = [[video.id, video.label, group_of(video)] for video in videos]
        return fingerprint([self.frames.fingerprint, len(self.train), named])

    @property
    def content(self) -> str:
        """Fingerprint of the videos to learn from and to test on, wherever they lie and however extracted.

        A video is known by its label, and its file's name and size.
        """
        chosen = (self.train, self.test)
        videos = [[self.frames.videos[index] for index in video_indices] for video_indices in chosen]
        return fingerprint([sorted([stem(v.id), v.bytes, v.label] for v in part) for part in videos])

    def labels(self, video_indices: Sequence[int]) -> list[str]:
        return [self.frames.videos[video_index].label for video_index in video_indices]

    def groups(self, video_indices: Sequence[int]) -> list[str]:
        """What each video was cut from, or whom it shows: those of one group are not independent."""
        return [group_of(self.frames.videos[video_index]) for video_index in video_indices]

    def class_numbers(self, video_indices: Sequence[int]) -> Tensor:
        """Class numbers (N,) int64, ``UNSEEN`` where no training video has the label."""
        number = {name: place for place, name in enumerate(self.class_names)}
        return torch.tensor([number.get(label, UNSEEN) for label in self.labels(video_indices)])


def choose_videos(frames: FrameStore, train_split: str, test_split: str) -> LabelledVideos:
    """The usable labelled videos of two splits; raises where there is nothing to learn or to test."""
    if train_split == test_split:
        raise ConfigurationError(
            f"--train-split and --test-split are both {train_split!r}.",
            "A network must be tested on videos that it did not learn from: name two splits.",
        )
    notes = [note] if (note := describe_hold_out(frames.manifest.source)) else []
    train, test = (choose_split(frames.manifest, split, notes) for split in (train_split, test_split))
    class_names = sorted({frames.videos[video_index].label for video_index in train})
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
    videos = LabelledVideos(frames, tuple(train), tuple(test), tuple(class_names))
    return replace(videos, notes=(*notes, *group_notes(videos)))


def group_notes(videos: LabelledVideos) -> list[str]:
    """What a reader has to know of the groups that the test videos come in, where they come in groups."""
    groups = videos.groups(videos.test)
    if len(set(groups)) == len(groups):
        return []
    notes = [
        f"The {len(groups)} test videos are of {len(set(groups))} groups, such as clips of one film, and are "
        "alike within a group: the 95 % intervals are over groups."
    ]
    trained = set(videos.groups(videos.train))
    if shared := sum(group in trained for group in groups):
        notes.append(
            f"{shared} of {len(groups)} test videos are of groups that training videos are of too: they may "
            "be recognised by their film rather than their action."
        )
    return notes


def choose_split(manifest: Manifest, split: str, notes: list[str]) -> list[int]:
    """Places of the usable labelled videos of a split; what is left out is added to ``notes``."""
    there = [n for n, video in enumerate(manifest.videos) if video.split == split]
    if not there:
        have = Counter(video.split for video in manifest.videos)
        found = ", ".join(f"{count} of {name!r}" for name, count in sorted(have.items()))
        raise InputError(
            f"no video is of split {split!r}; there are {found}.",
            "Name the splits with --train-split and --test-split; or extract from DATA/train/class/video.mp4 "
            "and DATA/test/class/video.mp4, or with --hold-out 0.2.",
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
    missing = {n for videos in left_out.values() for n in videos}
    chosen = [n for n in there if n not in missing]
    if not chosen:
        raise InputError(
            f"no video of split {split!r} has both a label and frames.", "See the reasons in manifest.csv."
        )
    return chosen


def first_few(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more
