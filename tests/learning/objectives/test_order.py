"""Three clips in order: their roles, the head by a slow oracle, and no order read from pixels."""

import itertools
import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from learning.objectives.probe import most_by_chance, probe_accuracy
from torch import Tensor
from torch.nn import functional
from torch.utils.data import default_collate

from fame_cli.config import PretrainConfig
from fame_cli.data import dataset
from fame_cli.data.dataset import PretrainClips
from fame_cli.data.manifest import Video
from fame_cli.learning.backbones import build_backbone
from fame_cli.learning.objectives.build import build_objective
from fame_cli.learning.objectives.objective import View, Views
from fame_cli.learning.objectives.order import PERMUTATIONS, ClipOrder, draw_order, order_roles

NAMES = ("first", "second", "third")


def make_order() -> ClipOrder:
    torch.manual_seed(0)
    return ClipOrder(build_backbone("small"), distance_frames=15)


def draw(count: int, seed: int = 0) -> dict[str, Tensor]:
    generator = np.random.default_rng(seed)
    drawn: dict[str, Tensor] = default_collate([draw_order(generator) for _ in range(count)])
    return drawn


def make_views(count: int = 4, apart: list[bool] | None = None) -> Views:
    clips = torch.rand(3, count, 3, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    flags = torch.tensor(apart) if apart else torch.ones(count, dtype=torch.bool)
    views = {name: View(one, apart=flags) for name, one in zip(NAMES[1:], clips[1:], strict=True)}
    return {"first": View(clips[0], drawn=draw(count)), **views}


def slow_logits(order: ClipOrder, features: Tensor, permutation: int, kept: Tensor) -> Tensor:
    """Logits (6,) of one video's features (3, D): shuffle, look at pairs, drop, look at all."""
    shuffled = [features[number] for number in PERMUTATIONS[permutation]]
    hidden = []
    for i, j in ((0, 1), (0, 2), (1, 2)):
        pair = torch.cat([shuffled[i], shuffled[j]])
        hidden.append((order.head.pair.weight @ pair + order.head.pair.bias).clamp_min(0))
    left = torch.cat(hidden) * kept * 2
    logits: Tensor = order.head.last.weight @ left + order.head.last.bias
    return logits


def test_loss_is_that_of_a_slow_oracle() -> None:
    order, views = make_order(), make_views()
    loss, figures = order(views)
    shown = torch.stack([views[name].clips for name in NAMES], dim=1).flatten(0, 1)
    features = order.encoder(shown).view(4, 3, -1)
    drawn = views["first"].drawn
    labels = drawn["permutation"]
    logits = torch.stack(
        [slow_logits(order, features[row], int(labels[row]), drawn["kept"][row]) for row in range(4)]
    )
    torch.testing.assert_close(loss, functional.cross_entropy(logits, labels))
    assert figures["accuracy"].item() == (logits.argmax(dim=1) == labels).float().mean().item()
    assert figures["long_enough"].item() == 1
    assert order.chance == pytest.approx(math.log(6))


def test_video_too_short_counts_in_neither_loss_nor_accuracy() -> None:
    order = make_order()
    loss, figures = order(make_views(4, [True, False, True, False]))
    assert figures["long_enough"].item() == 0.5
    views, drawn = make_views(), make_views()["first"].drawn
    shown = torch.stack([views[name].clips for name in NAMES], dim=1).flatten(0, 1)
    features = order.encoder(shown).view(4, 3, -1)[[0, 2]]
    logits, labels = order.answer(features, {name: value[[0, 2]] for name, value in drawn.items()})
    torch.testing.assert_close(loss, functional.cross_entropy(logits, labels))
    none, figures = order(make_views(4, [False] * 4))
    none.backward()
    assert (none.item(), figures["accuracy"].item()) == (0, 0)
    assert all(parameter.grad.isfinite().all() for parameter in order.parameters())


def test_clips_are_a_span_and_a_gap_apart_and_none_is_flipped() -> None:
    options = {"backbone": "small", "clip_frames": 4, "frame_stride": 2, "order_gap_frames": 8}
    order = build_objective(PretrainConfig.from_options(objective="order", **options))
    assert [(role.name, role.frames, role.gap_frames) for role in order.roles] == [
        ("first", "random", 0),
        ("second", "after", 15),
        ("third", "after", 30),
    ]
    assert all(role.distracted and "flip" not in role.augmentations for role in order.roles)


def test_orders_are_drawn_evenly_and_half_of_the_pairs_features_are_dropped() -> None:
    drawn = draw(600)
    assert torch.bincount(drawn["permutation"], minlength=6).min() > 70
    assert drawn["kept"].float().mean().item() == pytest.approx(0.5, abs=0.01)
    assert not torch.equal(drawn["kept"][0], drawn["kept"][1])


class Drifting:
    """Videos of a fine texture that resembles itself a little less with each frame."""

    def __init__(self, count: int) -> None:
        self.videos = [Video(f"{number}", "", frame_count=60) for number in range(count)]

    def each_frame(self, video_index: int, indices: Sequence[int]) -> Iterator[Any]:
        frames = drift(video_index)
        return (cv2.resize(frames[index], (56, 40)) for index in indices)


@lru_cache(maxsize=1)
def drift(video_index: int) -> np.ndarray:
    """(60, 20, 28, 3) uint8."""
    textures = np.random.default_rng(video_index).standard_normal((60, 20, 28, 3)).astype(np.float32)
    for time in range(1, 60):
        textures[time] = 0.98 * textures[time - 1] + 0.2 * textures[time]
    return np.clip(128 + 40 * textures, 0, 255).astype(np.uint8)


def shuffled_clips(count: int) -> tuple[Tensor, Tensor]:
    """Clips (B, 3, T, S, S, 3) as the loader cuts them, shuffled, and their orders (B,)."""
    config = PretrainConfig.from_options(clip_frames=2, frame_stride=6, crop_px=20)
    samples = PretrainClips(Drifting(count), None, config, order_roles(15), None)
    batch = default_collate([samples[0, number] for number in range(count)])
    clips = torch.stack([batch[name]["frames"] for name in NAMES], dim=1).float()
    labels = batch["first"]["objective"]["permutation"]
    order = torch.tensor(PERMUTATIONS)[labels]
    return clips[torch.arange(count)[:, None], order], labels


def mismatches(clips: Tensor) -> Tensor:
    """(B, 6): how badly the beginning of each clip fits the end of each other, pixel by pixel."""
    return torch.stack(
        [
            (clips[:, i, -1] - clips[:, j, 0]).square().flatten(1).mean(dim=1)
            for i, j in itertools.permutations(range(3), 2)
        ],
        dim=1,
    )


@pytest.mark.parametrize(("own_crops", "least", "most"), [(True, 0, most_by_chance(6, 150)), (False, 0.8, 1)])
def test_order_can_be_read_from_pixels_only_where_one_crop_is_for_all(
    monkeypatch: pytest.MonkeyPatch, own_crops: bool, least: float, most: float
) -> None:
    if not own_crops:
        monkeypatch.setattr(dataset, "random_resized_crop", lambda *_, **__: (5, 8, 30, 30))
    clips, labels = shuffled_clips(300)
    assert least <= probe_accuracy(mismatches(clips), labels, 6) <= most
