"""What is done to a test clip: pure functions of its frames, its mask and another background.

``frames`` (N, T, S, S, 3) uint8 are N clips of a video, ``mask`` (N, T, S, S) bool is True where a pixel is
foreground. Pixels are copied, never blended, so a result has no colour that was in none of its sources but
for the means that are said.
"""

import hashlib

import torch
from torch import Tensor

from fame_cli.data.views import MEAN


def paste(frames: Tensor, mask: Tensor, background: Tensor) -> Tensor:
    """The foreground before another background: (N, T, S, S, 3), or a still (S, S, 3)."""
    return torch.where(mask[..., None], frames, background)


def repeat_frame(frames: Tensor) -> Tensor:
    """The middle frame of each clip, T times: what stands still is left, what moves is not."""
    T = frames.shape[1]
    return frames[:, T // 2 : T // 2 + 1].expand_as(frames)


def find_hole(mask: Tensor) -> Tensor:
    """Where there is foreground in any frame of a clip, (N, 1, S, S), to be cut out of all of them.

    A hole that moved with the foreground would show how it moves.
    """
    return mask.any(dim=1, keepdim=True)


def remove_foreground(frames: Tensor, mask: Tensor) -> Tensor:
    """The background alone, its mean colour where the foreground was at any time."""
    hole = find_hole(mask)
    return paste(frames, ~hole, mean_colour(frames, ~hole))


def mean_colour(frames: Tensor, chosen: Tensor) -> Tensor:
    """Mean colour (N, 1, 1, 1, 3) uint8 of the chosen pixels (N, 1 or T, S, S) of each clip.

    Of a clip without any it is the mean of all its pixels.
    """
    chosen = chosen.expand(frames.shape[:-1])
    chosen = torch.where(chosen.any(dim=(1, 2, 3), keepdim=True), chosen, torch.ones_like(chosen))
    # Whole numbers: the mean does not depend on the order in which a device sums up.
    sums = (frames * chosen[..., None]).sum(dim=(1, 2, 3), dtype=torch.int64)
    counts = chosen.sum(dim=(1, 2, 3), dtype=torch.int64)[:, None]
    return ((2 * sums + counts) // (2 * counts)).to(torch.uint8)[:, None, None, None]


def replace_foreground(frames: Tensor, mask: Tensor, still: Tensor) -> Tensor:
    """The background alone: the video's median (S, S, 3) where the foreground was at any time."""
    return paste(frames, ~find_hole(mask), still)


def keep_foreground(frames: Tensor, mask: Tensor) -> Tensor:
    """The foreground before one colour, the mean of Kinetics-400: the same behind every video.

    The mean of the clip's own background would tell something of that background.
    """
    colour = (255 * MEAN.flatten()).round().to(frames.device, torch.uint8)
    return paste(frames, mask, colour)


def shuffle_frames(frames: Tensor, name: str) -> Tensor:
    """The frames of each clip in another order, drawn for the video ``name``."""
    return frames[:, torch.tensor(shuffled_order(frames.shape[1], name), device=frames.device)]


def shuffled_order(count: int, name: str) -> list[int]:
    """An order of ``count`` frames that is not the given one; a video's is the same on every machine."""

    def key(frame: int) -> bytes:
        return hashlib.sha256(ascii(["shuffled", name, frame]).encode("ascii")).digest()

    order = sorted(range(count), key=key)
    return order if order != list(range(count)) else [*order[1:], *order[:1]]


def reverse_frames(frames: Tensor) -> Tensor:
    """The frames of each clip from the last to the first."""
    return frames.flip(1)
