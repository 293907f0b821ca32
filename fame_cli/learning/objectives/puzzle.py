"""Space-time cubic puzzles (Kim et al. 2019): in which order were four pieces of a clip?"""

import itertools
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fame_cli.data.role import Role
from fame_cli.learning.backbones import Backbone
from fame_cli.learning.objectives.objective import View
from fame_cli.learning.objectives.pretext import NO_CONSISTENCY, Consistency, Drawn, Pretext

PIECES = 4
PERMUTATIONS = tuple(itertools.permutations(range(PIECES)))
AXES = 2
"""Space, four cells of one time; time, four cells of one place."""
CELLS = (4, 2, 2)
"""Of a clip along T, H and W."""
CUBE_OF_CELL = (2 / 3, 6 / 7, 6 / 7)
"""How much of a cell a piece fills along T, H and W: 8 of 12 frames and 48 of 56 pixels of 48 frames of
112². The paper's, for cells of 32 frames and 112 pixels, is 16 and 80."""
HIDDEN = 512
"""Width of the layer in which the features of the pieces meet."""


class Puzzle(Pretext):
    """Four cells of a clip's 4×2×2, of one time or of one place, in one of 24 orders; chance is log 24.

    Whether they lie in space or in time is drawn for each clip, and told: the head answers for either. Two
    things would give the order away. Neighbouring cells fit at their edges: a piece is smaller than its cell
    and lies anywhere within it. A lens shifts the colours against each other, more at the rim: one channel
    takes the place of all, the same one in the four pieces.

        model = Puzzle(build_backbone("small"), clip_frames=16, crop_px=112)
        drawn = default_collate([draw_puzzle(generator, 1.0) for _ in clips])
        loss, figures = model({"clip": View(clips, drawn=drawn)})

    Args:
        backbone: of the network, which sees a piece at a time; the features of the four meet after it.
        clip_frames: T of the clips.
        crop_px: their side.
        channel_replication: probability that a clip gets one channel for all.
        consistency: of a distracted view, see ``Pretext``.
    """

    permutations: Tensor

    def __init__(
        self,
        backbone: Backbone,
        *,
        clip_frames: int,
        crop_px: int,
        channel_replication: float = 1.0,
        consistency: Consistency = NO_CONSISTENCY,
    ) -> None:
        head = nn.Sequential(
            nn.Linear(PIECES * backbone.feature_dim, HIDDEN),
            nn.ReLU(inplace=True),
            nn.Linear(HIDDEN, AXES * len(PERMUTATIONS)),
        )
        draw = partial(draw_puzzle, channel_replication=channel_replication)
        wanted = (Role("clip", draw=draw),)
        super().__init__(backbone, head, classes=len(PERMUTATIONS), wanted=wanted, consistency=consistency)
        self.cube = cube_size(clip_frames, crop_px)
        self.register_buffer("permutations", torch.tensor(PERMUTATIONS), persistent=False)

    def show(self, views: Sequence[View], drawn: Drawn) -> Tensor:
        """The shuffled pieces (4B, 3, t, h, w) of the clip."""
        clips = replicate_channel(views[0].clips, drawn)
        order = self.permutations[drawn["permutation"]]
        return cut_pieces(clips, order, drawn, self.cube).flatten(0, 1)

    def answer(self, features: Tensor, drawn: Drawn) -> tuple[Tensor, Tensor]:
        """Logits (B, 24) for the axis of each puzzle, of the features (B, 4, D), and its permutation (B,)."""
        logits = self.head(features.flatten(1)).unflatten(1, (AXES, -1))
        rows = torch.arange(len(logits), device=logits.device)
        return logits[rows, drawn["axis"]], drawn["permutation"]


def draw_puzzle(generator: np.random.Generator, channel_replication: float) -> Mapping[str, Any]:
    """The question of one clip: a role's ``draw``.

    ``axis``: 0 for space, 1 for time; ``place``: the time of all pieces, or their cell in space; the
    ``permutation``; ``jitter`` (4, 3): where in its cell each piece lies along T, H and W, as shares of the
    room in [0, 1); whether one channel is ``replicated``, and which ``channel``.
    """
    return {
        "axis": generator.integers(AXES),
        "place": generator.integers(PIECES),
        "permutation": generator.integers(len(PERMUTATIONS)),
        "jitter": generator.random((PIECES, len(CELLS))),
        "replicated": generator.random() < channel_replication,
        "channel": generator.integers(3),
    }


def cube_size(clip_frames: int, crop_px: int) -> tuple[int, int, int]:
    """Frames, height and width of a piece of clips of so many frames and pixels."""
    cells = cell_size((clip_frames, crop_px, crop_px))
    frames, height, width = (
        max(1, round(share * cell)) for share, cell in zip(CUBE_OF_CELL, cells, strict=True)
    )
    return frames, height, width


def cell_size(size: Sequence[int]) -> tuple[int, int, int]:
    """Frames, height and width of a cell of clips of a size (T, H, W); what is left over is not used."""
    frames, height, width = (length // count for length, count in zip(size, CELLS, strict=True))
    return frames, height, width


def replicate_channel(clips: Tensor, drawn: Drawn) -> Tensor:
    """Clips (B, 3, T, H, W) with the drawn ``channel`` (B,) on all three where one is ``replicated`` (B,)."""
    B, C, T, H, W = clips.shape
    chosen = drawn["channel"].view(B, 1, 1, 1, 1).expand(B, 1, T, H, W)
    channel = clips.gather(1, chosen).expand(B, C, T, H, W)
    return torch.where(drawn["replicated"].view(B, 1, 1, 1, 1), channel, clips)


def cut_pieces(clips: Tensor, order: Tensor, drawn: Drawn, cube: tuple[int, int, int]) -> Tensor:
    """The pieces (B, 4, C, t, h, w) of clips (B, C, T, H, W), the first that which ``order`` (B, 4) names.

    ``order`` counts the four cells of a puzzle row by row, or in time; ``cube`` is (t, h, w), and a piece as
    large as its cell has no room for its jitter. ``drawn`` is what ``draw_puzzle`` drew.
    """
    in_space, place = (drawn["axis"] == 0)[:, None], drawn["place"][:, None].expand_as(order)
    cells = cell_size(clips.shape[2:])
    corner = torch.where(in_space, order, place)
    numbers = torch.where(in_space, place, order), corner // CELLS[2], corner % CELLS[2]
    frames, rows, columns = (
        find_pixels(number, share, cell, length)
        for number, share, cell, length in zip(numbers, drawn["jitter"].unbind(2), cells, cube, strict=True)
    )
    clip = torch.arange(len(clips), device=clips.device).view(-1, 1, 1, 1, 1)
    pieces = clips.movedim(1, -1)[
        clip, frames[:, :, :, None, None], rows[:, :, None, :, None], columns[:, :, None, None, :]
    ]
    return pieces.movedim(-1, 2)


def find_pixels(numbers: Tensor, shares: Tensor, cell: int, length: int) -> Tensor:
    """(B, 4, length): which pixels along one direction the pieces take of their cells.

    ``numbers`` (B, 4) are the cells', ``shares`` (B, 4) of the room that a piece has in its cell.
    """
    room = cell - length
    # A share may round up to 1 in float32.
    offsets = (shares * (room + 1)).long().clamp_max(room)
    return (numbers * cell + offsets)[..., None] + torch.arange(length, device=numbers.device)
