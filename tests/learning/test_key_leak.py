"""The leak of batch statistics: a network made of it is caught, and groups of shuffled keys cure it."""

import pytest
import torch
from torch import Tensor, nn

from fame_cli.learning.backbones import Backbone
from fame_cli.learning.key_leak import batches_to_measure, measure_key_leak
from fame_cli.learning.objectives.moco import MoCo
from fame_cli.learning.objectives.objective import View, Views

BATCH = 16


class Fingerprint(Backbone):
    """Sees one black pixel of each clip, and so nothing but the statistics it was normalised with."""

    feature_dim = 3

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm3d(3)

    def feature_map(self, clips: Tensor) -> Tensor:
        corner: Tensor = self.norm(clips)[:, :, :1, :1, :1]
        return corner


class MeanColour(Backbone):
    """Sees the colour of each clip, and next to nothing of the others."""

    feature_dim = 3

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm3d(3)

    def feature_map(self, clips: Tensor) -> Tensor:
        self.norm(clips)
        return clips


def batches(count: int = 8) -> list[Views]:
    """Batches of videos, each video of one colour, with a black pixel in the corner of every clip."""
    generator = torch.Generator().manual_seed(0)
    made: list[Views] = []
    for batch in range(count):
        colours = torch.randn(BATCH, 3, 1, 1, 1, generator=generator)
        views = {}
        for name in ("query", "key"):
            noise = 0.05 * torch.randn(BATCH, 3, 2, 4, 4, generator=generator)
            clips = colours + noise
            clips[:, :, 0, 0, 0] = 0
            videos = torch.arange(BATCH) + BATCH * batch
            drawn = {"place": torch.rand(BATCH, generator=generator)}
            views[name] = View(clips, drawn=drawn, videos=videos)
        made.append(views)
    return made


def moco(backbone: Backbone, groups: int) -> MoCo:
    torch.manual_seed(0)
    model = MoCo(
        backbone,
        embedding_dim=3,
        queue_length=64,
        momentum=0.99,
        temperature=0.1,
        seed=0,
        head="linear",
        batch_norm_clips=groups,
    ).train()
    with torch.no_grad():
        for encoder in (model.encoder_q, model.encoder_k):
            encoder.head.weight.copy_(torch.eye(3))
            encoder.head.bias.zero_()
    return model


def test_network_that_sees_nothing_but_statistics_is_caught() -> None:
    found = measure_key_leak(moco(Fingerprint(), groups=0), batches())
    assert found.own > 80
    assert found.points > 40
    assert found.queries == 8 * BATCH


def test_shuffled_groups_leave_it_nothing_to_go_by() -> None:
    found = measure_key_leak(moco(Fingerprint(), groups=4), batches())
    assert abs(found.points) < 15


def test_network_that_sees_the_clip_loses_nothing_by_other_company() -> None:
    found = measure_key_leak(moco(MeanColour(), groups=0), batches())
    assert found.own > 80
    assert found.points == pytest.approx(0, abs=1e-6)


def test_measuring_changes_neither_running_statistics_nor_queue() -> None:
    model = moco(Fingerprint(), groups=0)
    before = {name: values.clone() for name, values in model.state_dict().items()}
    measure_key_leak(model, batches(2))
    assert all(torch.equal(values, before[name]) for name, values in model.state_dict().items())


def test_small_batches_are_asked_as_many_queries_as_large_ones() -> None:
    assert [batches_to_measure(size) for size in (4, 8, 12, 32, 64)] == [64, 32, 22, 8, 8]
