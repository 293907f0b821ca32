"""Where the foreground of test clips is: by FAME's statistics, or by masks of any other program."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import torch

from fame_cli.config import fingerprint
from fame_cli.data.clips import central_square
from fame_cli.data.dataset import crop_map
from fame_cli.data.frames import FrameStore
from fame_cli.data.manifest import Video
from fame_cli.data.mask_folder import MaskFolder, open_mask_folder
from fame_cli.data.statistics import StatisticsStore
from fame_cli.data.synthetic import STAMP, read_truth
from fame_cli.foreground.of_clips import Maps, masks_of_maps
from fame_cli.method import Variant

Array = np.ndarray[Any, np.dtype[Any]]


class MaskSource(Protocol):
    """Gives masks of clips. Safe to hand to worker processes."""

    @property
    def title(self) -> str:
        """What made the masks, in words."""

    @property
    def by_fame(self) -> bool:
        """Whether they are made as in a training with FAME, which they may favour."""

    def require(self, video_indices: Sequence[int]) -> None:
        """Raise FameError where videos have no masks."""

    def fingerprint(self, video_indices: Sequence[int]) -> str:
        """Changes with the masks of these videos."""

    def read(self, video_index: int, indices: Array, size: tuple[int, int], side_px: int) -> Array:
        """Masks (N, T, S, S) bool of N clips, S = ``side_px``, in the central square of their frames.

        Args:
            video_index: place of the video in the manifest.
            indices: (N, T) frames of the clips.
            size: (H, W) of the stored frames.
            side_px: side that the square is scaled to.
        """


@dataclass(frozen=True)
class FameMasks:
    """A mask for each clip, made of its statistics as in a training (FAME, Eq. 3 and 4)."""

    statistics: StatisticsStore
    beta: float
    variant: Variant

    @property
    def title(self) -> str:
        return f"{self.variant}, {self.statistics.config.motion} motion, β {self.beta:g}"

    @property
    def by_fame(self) -> bool:
        return True

    def require(self, video_indices: Sequence[int]) -> None:
        """The store has all videos of its frames."""

    def fingerprint(self, video_indices: Sequence[int]) -> str:  # noqa: ARG002
        return fingerprint([self.statistics.fingerprint, self.beta, self.variant])

    def read(self, video_index: int, indices: Array, size: tuple[int, int], side_px: int) -> Array:
        box, seeds, bins = central_square(*size), [], []
        for start in indices[:, 0].tolist():
            seed, colours = self.statistics.read_maps(video_index, start)
            seeds.append(crop_map(seed, box, size, side_px, cv2.INTER_LINEAR))
            bins.append(crop_map(colours, box, size, side_px, cv2.INTER_NEAREST).astype(np.int64))
        maps = Maps(torch.from_numpy(np.stack(seeds)), torch.from_numpy(np.stack(bins)))
        hard = masks_of_maps(maps, side_px, self.beta, self.variant).hard.numpy()
        return np.broadcast_to(hard[:, None], (*indices.shape, side_px, side_px))


@dataclass(frozen=True)
class FolderMasks:
    """A mask for each frame, from a folder that any program may have written (``data/mask_folder.py``)."""

    folder: MaskFolder
    videos: Sequence[Video]

    @property
    def title(self) -> str:
        return str(self.folder.folder)

    @property
    def by_fame(self) -> bool:
        return False

    def require(self, video_indices: Sequence[int]) -> None:
        self.folder.require([self.videos[video_index] for video_index in video_indices])

    def fingerprint(self, video_indices: Sequence[int]) -> str:
        return self.folder.fingerprint([self.videos[video_index] for video_index in video_indices])

    def read(self, video_index: int, indices: Array, size: tuple[int, int], side_px: int) -> Array:
        masks = self.folder.of(self.videos[video_index])
        return read_each(lambda frame: masks.read(frame, *size), indices, size, side_px)


@dataclass(frozen=True)
class MadeTruth:
    """The true masks beside videos that ``fame demo`` made."""

    folder: Path
    videos: Sequence[Video]

    @property
    def title(self) -> str:
        return f"true masks in {self.folder}"

    @property
    def by_fame(self) -> bool:
        return False

    def path(self, video_index: int) -> Path:
        return self.folder / f"{os.path.splitext(self.videos[video_index].id)[0]}.png"

    def require(self, video_indices: Sequence[int]) -> None:
        for video_index in video_indices:
            read_truth(self.path(video_index))

    def fingerprint(self, video_indices: Sequence[int]) -> str:
        stamp = next(place / STAMP for place in self.folder.parents if (place / STAMP).exists())
        return fingerprint([stamp.read_text(encoding="utf-8"), len(video_indices)])

    def read(self, video_index: int, indices: Array, size: tuple[int, int], side_px: int) -> Array:  # noqa: ARG002
        truth = read_truth(self.path(video_index))
        return read_each(lambda frame: truth[frame], indices, truth.shape[1:], side_px)


def open_masks(folder: Path, frames: FrameStore) -> FolderMasks | MadeTruth:
    """The masks in a folder; raises InputError where it is none."""
    masks = open_mask_folder(folder)
    if any((place / STAMP).exists() for place in folder.resolve().parents):
        return MadeTruth(folder.resolve(), frames.videos)
    return FolderMasks(masks, frames.videos)


def read_each(read: Any, indices: Array, size: tuple[int, ...], side_px: int) -> Array:
    """Masks (N, T, S, S) of clips from ``read(frame)``, (H, W) bool; each frame is read once."""
    top, left, height, width = central_square(size[0], size[1])
    distinct, places = np.unique(indices, return_inverse=True)
    scaled = [
        cv2.resize(
            read(frame)[top : top + height, left : left + width].astype(np.uint8),
            (side_px, side_px),
            interpolation=cv2.INTER_NEAREST,
        )
        for frame in distinct.tolist()
    ]
    return np.stack(scaled).astype(bool)[places.reshape(indices.shape)]
