"""Turned clips: the turns by hand, the question of a batch, and that no border and no stretch answers it."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from learning.objectives.probe import most_by_chance, probe_accuracy
from torch import Tensor
from torch.nn import functional

from fame_cli.config import PretrainConfig
from fame_cli.data.dataset import PretrainClips
from fame_cli.data.manifest import Video
from fame_cli.data.role import Role
from fame_cli.data.views import to_clips
from fame_cli.learning.backbones import build_backbone
from fame_cli.learning.objectives.objective import View
from fame_cli.learning.objectives.rotation import Rotation, turn_all_ways


def make_rotation() -> Rotation:
    torch.manual_seed(0)
    return Rotation(build_backbone("small"))


def test_clips_are_turned_counter_clockwise_by_quarters() -> None:
    clip = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).expand(1, 3, 2, 2, 2)
    turned = turn_all_ways(clip)
    assert turned.shape == (1, 4, 3, 2, 2, 2)
    by_hand = [[[1, 2], [3, 4]], [[2, 4], [1, 3]], [[4, 3], [2, 1]], [[3, 1], [4, 2]]]
    for channel in range(3):
        for time in range(2):
            assert turned[0, :, channel, time].tolist() == by_hand


def test_all_turns_of_a_clip_are_in_the_batch_and_each_is_asked_for() -> None:
    rotation, clips = make_rotation(), torch.rand(2, 3, 4, 16, 16)
    loss, figures = rotation({"clip": View(clips)})
    turned = [clip.rot90(turns, dims=(2, 3)) for clip in clips for turns in range(4)]
    logits = rotation.head(rotation.encoder(torch.stack(turned)))
    expected = functional.cross_entropy(logits, torch.tensor([0, 1, 2, 3] * 2))
    torch.testing.assert_close(loss, expected)
    hits = logits.argmax(dim=1) == torch.tensor([0, 1, 2, 3] * 2)
    assert figures["accuracy"].item() == pytest.approx(hits.float().mean().item())
    assert rotation.chance == pytest.approx(math.log(4))


def test_network_that_cannot_tell_has_the_loss_of_chance_and_no_right_answer() -> None:
    rotation = make_rotation()
    torch.nn.init.zeros_(rotation.head[2].weight)
    torch.nn.init.zeros_(rotation.head[2].bias)
    loss, figures = rotation({"clip": View(torch.rand(2, 3, 4, 16, 16))})
    assert loss.item() == pytest.approx(rotation.chance)
    assert figures["accuracy"].item() == 0


class Textures:
    """Videos of a bright texture without a direction, on frames that are wider than high."""

    def __init__(self, count: int) -> None:
        self.videos = [Video(f"{number}", "", frame_count=4) for number in range(count)]

    def each_frame(self, video_index: int, indices: Sequence[int]) -> Iterator[Any]:
        frame = texture(video_index)
        return (frame for _ in indices)


def texture(video_index: int) -> np.ndarray:
    """(48, 64, 3) uint8 of values from 128 on."""
    noise = np.random.default_rng(video_index).standard_normal((48, 64)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.5)
    values = 190 + 40 * smooth / smooth.std()
    return np.repeat(np.clip(values, 128, 255).astype(np.uint8)[..., None], 3, axis=2)


def cropped(count: int, *roles: Role) -> Tensor:
    """Clips (B, 3, T, S, S) of the first role, as the loader cuts them."""
    config = PretrainConfig.from_options(clip_frames=2, frame_stride=1, crop_px=24, crop_scale_min=0.6)
    samples = PretrainClips(Textures(count), None, config, roles, None)
    frames = np.stack([samples[0, number][roles[0].name]["frames"] for number in range(count)])
    return to_clips(torch.from_numpy(frames), torch.device("cpu"))


def borders(clips: Tensor) -> Tensor:
    """(N, 4): how bright the four borders are."""
    sides = (clips[..., :2, :], clips[..., -2:, :], clips[..., :2], clips[..., -2:])
    return torch.stack([side.mean(dim=(1, 2, 3, 4)) for side in sides], dim=1)


def stretch(clips: Tensor) -> Tensor:
    """(N, 1): how much more changes from column to column than from row to row, as a logarithm."""
    columns, rows = (clips.diff(dim=axis).square().mean(dim=(1, 2, 3, 4)) for axis in (4, 3))
    return (columns / rows).log()[:, None]


def solve(turned: Tensor, *made: Any) -> float:
    """How well a probe with these features tells the turns of clips (B, 4, C, T, S, S)."""
    features = torch.cat([feature(turned.flatten(0, 1)) for feature in made], dim=1)
    return probe_accuracy(features, torch.arange(4).repeat(len(turned)), 4)


COUNT = 240
CHANCE = most_by_chance(4, 2 * COUNT)


def test_turn_cannot_be_read_from_borders_or_stretch_of_square_crops() -> None:
    turned = turn_all_ways(cropped(COUNT, *make_rotation().roles))
    assert solve(turned, borders, stretch) < CHANCE


def test_probe_reads_the_turn_from_borders_where_frames_are_turned_before_the_crop() -> None:
    def turn_whole(frame: np.ndarray, turns: int) -> np.ndarray:
        """As a viewer would: the turned frame in the middle of the old one, black beside it."""
        turned = np.rot90(frame, turns)
        scale = min(48 / turned.shape[0], 64 / turned.shape[1])
        turned = cv2.resize(turned, None, fx=scale, fy=scale)
        canvas = np.zeros_like(frame)
        top, left = (48 - turned.shape[0]) // 2, (64 - turned.shape[1]) // 2
        canvas[top : top + turned.shape[0], left : left + turned.shape[1]] = turned
        return cv2.resize(canvas, (24, 24))

    turned = [[turn_whole(texture(number), turns) for turns in range(4)] for number in range(COUNT)]
    clips = torch.from_numpy(np.array(turned)).movedim(-1, 2)[:, :, :, None] / 255
    assert solve(clips, borders) > 0.45  # black beside it or not: one of two


def test_probe_reads_the_turn_from_stretch_where_crops_are_not_square() -> None:
    turned = turn_all_ways(cropped(COUNT, Role("clip")))
    assert solve(turned, stretch) > CHANCE + 0.05
