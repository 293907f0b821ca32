"""What the altered clips of a video are made of: its clips and masks, and other videos' backgrounds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from fame_cli.config import EvaluationConfig
from fame_cli.data.clips import central_square
from fame_cli.data.dataset import crop_clip
from fame_cli.data.frames import FrameStore
from fame_cli.evaluation.bias.masks import MaskSource
from fame_cli.evaluation.bias.pairing import Pair
from fame_cli.evaluation.bias.stripes import paint_stripes
from fame_cli.evaluation.clip_datasets import clip_bytes, even_clips, even_indices

Array = np.ndarray[Any, np.dtype[Any]]

MEDIAN_FRAMES = 32
"""Most frames of a video, spread evenly, that its median is taken of."""


class Material(NamedTuple):
    """All that is needed of one video; N clips of T frames of S² pixels."""

    video_index: int
    name: str
    """Id of the video."""
    frames: Tensor
    """(N, T, S, S, 3) uint8"""
    mask: Tensor
    """(N, T, S, S) bool, True where foreground"""
    truth: Tensor
    """(N, T, S, S) bool, or empty where the truth is not known"""
    median: Tensor
    """(S, S, 3) uint8, the video without what moves"""
    stripes: Tensor
    """(S, S, 3) uint8"""
    scene: Tensor
    """(S, S, 3) uint8, the median of a video of another class"""
    same: Tensor
    """(N, T, S, S, 3) uint8, a video of the same class, its median where its own foreground was"""
    other: Tensor
    """(N, T, S, S, 3) uint8, the same of the video of another class"""

    def to(self, device: torch.device) -> "Material":
        moved = (part.to(device) if isinstance(part, Tensor) else part for part in self)
        return Material._make(moved)


@dataclass(frozen=True)
class MaterialReader(Dataset[Material]):
    """The material of some videos, one video an item.

    Without ``pairs`` there are no other backgrounds, and the video's own stand for them: for tests that show
    none. So they do for a video that has no partner.
    """

    frames: FrameStore
    video_indices: Sequence[int]
    config: EvaluationConfig
    masks: MaskSource
    truth: MaskSource | None = None
    pairs: Mapping[str, Pair] = field(default_factory=dict)
    places: Mapping[str, int] = field(default_factory=dict)
    """Places of videos in the manifest by id."""

    def __len__(self) -> int:
        return len(self.video_indices)

    def sample_bytes(self) -> int:
        return 4 * self.config.clips * clip_bytes(self.config)

    def __getitem__(self, item: int) -> Material:
        video_index = self.video_indices[item]
        name = self.frames.videos[video_index].id
        frames, mask = self.read(video_index)
        median = self.median(video_index)
        pair = self.pairs.get(name)
        stripes, scene, same, other = median, median, frames, frames
        if pair is not None:
            stripes = torch.from_numpy(paint_stripes(pair.stripes, self.config.crop_px))
            if pair.same is not None:
                same, _ = self.background(pair.same)
            if pair.other is not None:
                other, scene = self.background(pair.other)
        truth = torch.zeros(0) if self.truth is None else self.read_masks(self.truth, video_index)
        return Material(video_index, name, frames, mask, truth, median, stripes, scene, same, other)

    def read(self, video_index: int) -> tuple[Tensor, Tensor]:
        return even_clips(self.frames, video_index, self.config), self.read_masks(self.masks, video_index)

    def read_masks(self, source: MaskSource, video_index: int) -> Tensor:
        count = self.frames.videos[video_index].frame_count
        height, width = next(iter(self.frames.each_frame(video_index, [0]))).shape[:2]
        indices = even_indices(count, self.config)
        masks = source.read(video_index, indices, (height, width), self.config.crop_px)
        return torch.from_numpy(np.ascontiguousarray(masks))

    def background(self, name: str) -> tuple[Tensor, Tensor]:
        """The clips of a video without its foreground, and its median."""
        frames, mask = self.read(self.places[name])
        median = self.median(self.places[name])
        return torch.where(mask[..., None], median, frames), median

    def median(self, video_index: int) -> Tensor:
        """The lower median (S, S, 3) of each pixel over frames spread evenly over a whole video."""
        last = self.frames.videos[video_index].frame_count - 1
        stored = self.frames.read(
            video_index, np.unique(np.linspace(0, last, MEDIAN_FRAMES).round().astype(int))
        )
        values = crop_clip(stored, central_square(*stored.shape[1:3]), self.config.crop_px)
        middle = (len(values) - 1) // 2
        return torch.from_numpy(np.partition(values, middle, axis=0)[middle].copy())
