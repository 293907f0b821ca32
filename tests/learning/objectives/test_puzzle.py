"""Pieces of a clip: cut by a slow oracle, asked for by axis, and told by neither channels nor edges."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from learning.objectives.probe import most_by_chance, probe_accuracy
from torch import Tensor
from torch.nn import functional
from torch.utils.data import default_collate

from fame_cli.learning.backbones import build_backbone
from fame_cli.learning.objectives.objective import View
from fame_cli.learning.objectives.puzzle import (
    PERMUTATIONS,
    Puzzle,
    cell_size,
    cube_size,
    cut_pieces,
    draw_puzzle,
    replicate_channel,
)

CHANCE = 1 / 24


def draw(count: int, seed: int = 0, channel_replication: float = 1.0) -> dict[str, Tensor]:
    generator = np.random.default_rng(seed)
    drawn = default_collate([draw_puzzle(generator, channel_replication) for _ in range(count)])
    return {name: value.float() if value.is_floating_point() else value for name, value in drawn.items()}


def orders(drawn: dict[str, Tensor]) -> Tensor:
    return torch.tensor(PERMUTATIONS)[drawn["permutation"]]


def make_puzzle(**options: Any) -> Puzzle:
    torch.manual_seed(0)
    return Puzzle(build_backbone("small"), clip_frames=8, crop_px=32, **options)


def slow_pieces(clip: Tensor, drawn: dict[str, Tensor], row: int, cube: tuple[int, int, int]) -> list[Tensor]:
    """The pieces of one clip (C, T, H, W), one after another: which cell, where in it, what is there."""
    _, T, H, W = clip.shape
    cell = T // 4, H // 2, W // 2
    pieces = []
    for slot, number in enumerate(PERMUTATIONS[int(drawn["permutation"][row])]):
        place = int(drawn["place"][row])
        in_space = int(drawn["axis"][row]) == 0
        time, corner = (place, number) if in_space else (number, place)
        begin = []
        for axis, index in enumerate((time, corner // 2, corner % 2)):
            room = cell[axis] - cube[axis]
            share = float(drawn["jitter"][row, slot, axis])
            begin.append(index * cell[axis] + min(int(share * (room + 1)), room))
        t, y, x = (slice(start, start + length) for start, length in zip(begin, cube, strict=True))
        pieces.append(clip[:, t, y, x])
    return pieces


def test_pieces_are_those_of_a_slow_oracle() -> None:
    clips, drawn = torch.rand(40, 3, 17, 13, 13), draw(40)
    cube = cube_size(17, 13)
    assert (cell_size((17, 13, 13)), cube) == ((4, 6, 6), (3, 5, 5))
    found = cut_pieces(clips, orders(drawn), drawn, cube)
    assert found.shape == (40, 4, 3, *cube)
    for row, clip in enumerate(clips):
        for piece, expected in zip(found[row], slow_pieces(clip, drawn, row, cube), strict=True):
            assert torch.equal(piece, expected)
    assert set(drawn["axis"].tolist()) == {0, 1}


def test_cells_and_pieces_have_the_sizes_of_the_table() -> None:
    assert cell_size((48, 112, 112)) == (12, 56, 56)
    assert cube_size(48, 112) == (8, 48, 48)
    assert cube_size(8, 32) == (1, 14, 14)


def test_one_channel_takes_the_place_of_all_where_that_is_drawn() -> None:
    clips = torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1, 1).expand(3, 3, 2, 2, 2)
    drawn = {"channel": torch.tensor([2, 0, 1]), "replicated": torch.tensor([True, False, True])}
    found = replicate_channel(clips, drawn)
    assert found[:, :, 0, 0, 0].tolist() == [[3, 3, 3], [1, 2, 3], [2, 2, 2]]
    assert torch.equal(found, found[..., :1, :1, :1].expand_as(found))


def test_what_is_drawn_is_even() -> None:
    drawn = draw(4800, channel_replication=0.5)
    for name, values in (("axis", 2), ("place", 4), ("permutation", 24), ("channel", 3)):
        counts = torch.bincount(drawn[name], minlength=values) / 4800 * values
        assert counts.sub(1).abs().max() < 0.25, name
    assert drawn["replicated"].float().mean().item() == pytest.approx(0.5, abs=0.03)
    assert drawn["jitter"].mean(dim=(0, 1)).tolist() == pytest.approx([0.5] * 3, abs=0.02)


def test_loss_is_of_the_answers_for_the_axis_of_each_clip() -> None:
    puzzle, clips, drawn = make_puzzle(), torch.rand(4, 3, 8, 32, 32), draw(4, seed=1)
    loss, figures = puzzle({"clip": View(clips, drawn=drawn)})
    gray = replicate_channel(clips, drawn)
    pieces = [piece for row in range(4) for piece in slow_pieces(gray[row], drawn, row, (1, 14, 14))]
    features = puzzle.encoder(torch.stack(pieces)).view(4, -1)
    logits = puzzle.head(features).view(4, 2, 24)
    own = torch.stack([logits[row, int(axis)] for row, axis in enumerate(drawn["axis"])])
    torch.testing.assert_close(loss, functional.cross_entropy(own, drawn["permutation"]))
    assert set(figures) == {"accuracy"}
    assert puzzle.chance == pytest.approx(math.log(24))


# What a probe sees. Clips are of one frame or few, since neither shortcut needs a motion.

COUNT = 1200
GUESSED = most_by_chance(24, COUNT // 2)


def smooth_noise(count: int, side: int, seed: int) -> Tensor:
    """(count, 1, 1, side, side) of a texture whose pixels resemble their neighbours and no others."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(count, 1, side + 2, side + 2, generator=generator)
    return functional.avg_pool2d(noise, 3, stride=1)[:, :, None]


def in_space(drawn: dict[str, Tensor]) -> dict[str, Tensor]:
    return drawn | {"axis": torch.zeros_like(drawn["axis"])}


def through_a_lens(texture: Tensor) -> Tensor:
    """(B, 3, 1, H, W): red a little larger than green, blue a little smaller, about the middle."""
    scaled = []
    for scale in (0.95, 1.0, 1.05):
        grid = functional.affine_grid(
            scale * torch.eye(2, 3).expand(len(texture), 2, 3), list(texture[:, :, 0].shape), False
        )
        scaled.append(
            functional.grid_sample(texture[:, :, 0], grid, padding_mode="reflection", align_corners=False)
        )
    return torch.cat(scaled, dim=1)[:, :, None]


def shifts_of_colours(pieces: Tensor) -> Tensor:
    """(B, 8): how far red lies from blue along H and W in each piece (B, 4, 3, 1, h, w), to first order."""
    difference, green = pieces[:, :, 0, 0] - pieces[:, :, 2, 0], pieces[:, :, 1, 0]
    slopes = [green.diff(dim=2)[..., 1:], green.diff(dim=3)[..., 1:, :]]
    shifts = [
        (slope * difference[..., 1:, 1:]).mean(dim=(2, 3)) / slope.square().mean(dim=(2, 3))
        for slope in slopes
    ]
    return torch.cat(shifts, dim=1)


@pytest.mark.parametrize(("channel_replication", "least", "most"), [(1.0, 0, GUESSED), (0.0, 0.9, 1)])
def test_order_can_be_read_from_channels_only_where_none_is_replicated(
    channel_replication: float, least: float, most: float
) -> None:
    drawn = in_space(draw(COUNT, channel_replication=channel_replication))
    clips = through_a_lens(smooth_noise(COUNT, 48, seed=1)).expand(-1, -1, 4, -1, -1)
    pieces = cut_pieces(replicate_channel(clips, drawn), orders(drawn), drawn, (1, 20, 20))
    accuracy = probe_accuracy(shifts_of_colours(pieces), drawn["permutation"], 24)
    assert least <= accuracy <= most


def mismatches(pieces: Tensor) -> Tensor:
    """(B, 36): how badly each piece (B, 4, C, t, h, w) goes on in each other, to the right, down and in time.

    A logarithm, which tells a perfect fit best.
    """
    edges = [(pieces[..., -1], pieces[..., 0]), (pieces[..., -1, :], pieces[..., 0, :])]
    edges += [(pieces[:, :, :, -1], pieces[:, :, :, 0])]
    return torch.stack(
        [
            (end[:, i] - begin[:, j]).square().flatten(1).mean(dim=1).add(1e-3).log()
            for end, begin in edges
            for i in range(4)
            for j in range(4)
            if i != j
        ],
        dim=1,
    )


@pytest.mark.parametrize(("cube", "least", "most"), [((1, 48, 48), 0, GUESSED), ((1, 56, 56), 0.9, 1)])
def test_order_in_space_can_be_read_from_edges_only_where_pieces_fill_their_cells(
    cube: tuple[int, int, int], least: float, most: float
) -> None:
    drawn = in_space(draw(COUNT))
    clips = smooth_noise(COUNT, 112, seed=2).expand(-1, -1, 4, -1, -1)
    pieces = cut_pieces(clips, orders(drawn), drawn, cube)
    assert least <= probe_accuracy(mismatches(pieces), drawn["permutation"], 24) <= most


@pytest.mark.parametrize(("cube", "least", "most"), [((1, 24, 24), 0, GUESSED), ((2, 28, 28), 0.9, 1)])
def test_order_in_time_can_be_read_from_edges_only_where_pieces_fill_their_cells(
    cube: tuple[int, int, int], least: float, most: float
) -> None:
    drawn = draw(COUNT)
    drawn |= {"axis": torch.ones_like(drawn["axis"])}
    frames = [smooth_noise(COUNT, 56, seed=3)]
    for time in range(1, 8):  # each frame resembles the one before it, and less those before that
        frames.append(0.8 * frames[-1] + 0.6 * smooth_noise(COUNT, 56, seed=3 + time))
    pieces = cut_pieces(torch.cat(frames, dim=2), orders(drawn), drawn, cube)
    assert least <= probe_accuracy(mismatches(pieces), drawn["permutation"], 24) <= most
