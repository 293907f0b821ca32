"""NT-Xent against a slow sum over all views, and SimCLR's one encoder."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from fame_cli.config import PretrainConfig
from fame_cli.errors import ConfigurationError
from fame_cli.learning.backbones import build_backbone
from fame_cli.learning.objectives.build import build_objective
from fame_cli.learning.objectives.losses import hit_rate, nt_xent
from fame_cli.learning.objectives.objective import View, Views
from fame_cli.learning.objectives.simclr import SimCLR


def unit_vectors(count: int, dim: int, seed: int) -> Tensor:
    return functional.normalize(torch.randn(count, dim, generator=torch.Generator().manual_seed(seed)), dim=1)


def both_directions(first: Tensor, second: Tensor, temperature: float = 0.1) -> tuple[Tensor, Tensor]:
    there, there_hits = nt_xent(first, second, first, 0, temperature)
    back, back_hits = nt_xent(second, first, second, 0, temperature)
    return (there + back) / 2, (there_hits + back_hits) / 2


def slow_nt_xent(first: Tensor, second: Tensor, temperature: float) -> tuple[float, float]:
    """Chen et al. 2020, Eq. 1 and Algorithm 1, one term after the other: views 2k and 2k + 1 are a pair."""
    views = [view for pair in zip(first.tolist(), second.tolist(), strict=True) for view in pair]

    def similarity(i: int, j: int) -> float:
        return sum(a * b for a, b in zip(views[i], views[j], strict=True))

    losses, hits = [], []
    for i in range(len(views)):
        partner = i + 1 if i % 2 == 0 else i - 1
        others = [k for k in range(len(views)) if k != i]
        total = sum(math.exp(similarity(i, k) / temperature) for k in others)
        losses.append(-math.log(math.exp(similarity(i, partner) / temperature) / total))
        hits.append(max(others, key=lambda k: similarity(i, k)) == partner)
    return sum(losses) / len(views), sum(hits) / len(views)


def pair(first: Tensor, second: Tensor) -> Views:
    return {"query": View(first), "key": View(second)}


def clips(count: int = 4, seed: int = 0) -> tuple[Tensor, Tensor]:
    first, second = torch.rand(2, count, 3, 4, 16, 16, generator=torch.Generator().manual_seed(seed))
    return first, second


def make_simclr(batch_size: int = 4) -> SimCLR:
    torch.manual_seed(0)
    return SimCLR(build_backbone("small"), embedding_dim=5, temperature=0.1, batch_size=batch_size)


def test_loss_is_that_of_a_slow_sum_over_all_other_views() -> None:
    first = unit_vectors(6, 4, 0)
    second = functional.normalize(first + 0.6 * unit_vectors(6, 4, 1), dim=1)
    loss, accuracy = both_directions(first, second)
    slow_loss, slow_accuracy = slow_nt_xent(first, second, 0.1)
    assert loss.item() == pytest.approx(slow_loss, abs=1e-5)
    assert accuracy.item() == pytest.approx(slow_accuracy)
    assert 0 < slow_accuracy < 1  # the case tells hits from misses


def test_equal_views_give_log_of_all_others_and_no_hit() -> None:
    same = torch.tensor([[0.6, 0.8]]).expand(5, 2)
    loss, accuracy = both_directions(same, same)
    assert loss.item() == pytest.approx(math.log(9), abs=1e-6)
    assert make_simclr(batch_size=5).chance == pytest.approx(math.log(9))
    assert accuracy.item() == 0.0


def test_a_share_of_the_anchors_has_its_share_of_the_loss() -> None:
    first, second = unit_vectors(6, 4, 0), unit_vectors(6, 4, 1)
    whole, hits = nt_xent(first, second, first, 0, 0.1)
    parts = [nt_xent(first[start : start + 2], second, first, start, 0.1) for start in (0, 2, 4)]
    torch.testing.assert_close(torch.stack([loss for loss, _ in parts]).mean(), whole)
    torch.testing.assert_close(torch.stack([share for _, share in parts]).mean(), hits)


def test_loss_is_computed_in_float32_under_autocast() -> None:
    first, second = unit_vectors(8, 32, 0), unit_vectors(8, 32, 1)
    plain, _ = both_directions(first, second)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed, _ = both_directions(first, second)
    assert torch.equal(plain, mixed)


def test_hit_is_above_all_others_and_a_tie_is_a_miss() -> None:
    similarities = torch.tensor([[0.9, 0.1, 0.2], [0.5, 0.5, 0.1], [0.1, 0.2, 0.3], [0.9, 0.1, 0.2]])
    assert hit_rate(similarities, torch.tensor([0, 1, 2, 2])).item() == 0.5


def test_forward_is_the_loss_of_its_embeddings_and_both_views_get_a_gradient() -> None:
    simclr = make_simclr()
    first, second = (views.requires_grad_() for views in clips())
    loss, figures = simclr(pair(first, second))
    with torch.no_grad():
        expected, hits = both_directions(simclr.encoder(first), simclr.encoder(second))
    torch.testing.assert_close(loss.detach(), expected)
    torch.testing.assert_close(figures, {"accuracy": hits})
    loss.backward()
    for views in (first, second):
        assert views.grad is not None
        assert views.grad.abs().sum() > 0
    assert all(parameter.grad is not None for parameter in simclr.trainable_parameters())
    assert not figures["accuracy"].requires_grad


def test_every_parameter_is_trained_and_the_backbone_is_one_of_them() -> None:
    simclr = make_simclr()
    assert set(simclr.trainable_parameters()) == set(simclr.parameters())
    assert set(simclr.backbone.parameters()) < set(simclr.trainable_parameters())


def test_training_on_matching_views_brings_the_loss_below_chance() -> None:
    simclr = make_simclr()
    optimizer = torch.optim.SGD(simclr.trainable_parameters(), lr=0.1)
    for step in range(15):
        first, _ = clips(seed=step % 3)
        loss, _ = simclr(pair(first, first))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < simclr.chance / 2


def test_a_queue_shorter_than_the_batch_is_refused_for_moco_and_nothing_to_simclr() -> None:
    config = PretrainConfig.from_options(objective="simclr", backbone="small", batch_size=8)
    assert build_objective(config).chance == pytest.approx(math.log(15))
    with pytest.raises(ConfigurationError, match="--queue-length is 1; expected at least the batch size, 8"):
        PretrainConfig.from_options(backbone="small", batch_size=8, queue_length=1)
