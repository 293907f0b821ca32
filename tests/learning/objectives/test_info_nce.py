"""The contrastive loss against arithmetic by hand and a slow oracle."""

import math

import pytest
import torch
from torch.nn import functional

from fame_cli.learning.objectives.losses import chance_level, info_nce


def unit_vectors(count: int, dim: int, seed: int) -> torch.Tensor:
    return functional.normalize(torch.randn(count, dim, generator=torch.Generator().manual_seed(seed)), dim=1)


def test_loss_of_one_query_and_one_negative_is_that_worked_out_by_hand() -> None:
    queries, keys = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.6, 0.8]])
    queue = torch.tensor([[0.0], [1.0]])
    loss, accuracy = info_nce(queries, keys, queue, temperature=0.5)
    # Similarities 0.6 and 0 over 0.5: -log(e^1.2 / (e^1.2 + 1)).
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-1.2)), abs=1e-6)
    assert accuracy.item() == 1.0


def test_loss_is_the_mean_of_a_slow_sum_over_queries_and_negatives() -> None:
    queries, keys, queue = unit_vectors(5, 8, 0), unit_vectors(5, 8, 1), unit_vectors(13, 8, 2).T
    losses, hits = [], []
    for query, key in zip(queries.tolist(), keys.tolist(), strict=True):
        positive = sum(a * b for a, b in zip(query, key, strict=True))
        negatives = [sum(a * b for a, b in zip(query, other, strict=True)) for other in queue.T.tolist()]
        total = math.exp(positive / 0.1) + sum(math.exp(negative / 0.1) for negative in negatives)
        losses.append(-math.log(math.exp(positive / 0.1) / total))
        hits.append(positive > max(negatives))
    loss, accuracy = info_nce(queries, keys, queue, temperature=0.1)
    assert loss.item() == pytest.approx(sum(losses) / 5, abs=1e-5)
    assert accuracy.item() == pytest.approx(sum(hits) / 5)
    assert 0 < sum(hits) < 5  # the case tells hits from misses


def test_equal_similarities_give_the_chance_level_and_no_hit() -> None:
    same = torch.tensor([[0.6, 0.8]])
    loss, accuracy = info_nce(same.expand(3, 2), same.expand(3, 2), same.T.expand(2, 7), temperature=0.1)
    assert loss.item() == pytest.approx(math.log(8), abs=1e-6)
    assert chance_level(7) == pytest.approx(math.log(8))
    assert accuracy.item() == 0.0


def test_chance_level_of_the_kinetics_queue_is_11_09() -> None:
    assert chance_level(65536) == pytest.approx(11.09, abs=0.005)


def test_loss_falls_as_queries_approach_their_keys() -> None:
    keys, queue = unit_vectors(4, 8, 1), unit_vectors(16, 8, 2).T
    start = unit_vectors(4, 8, 0)
    losses = [
        info_nce(functional.normalize(start + step * keys, dim=1), keys, queue, 0.1)[0].item()
        for step in range(4)
    ]
    assert losses == sorted(losses, reverse=True)


def test_loss_is_computed_in_float32_under_autocast() -> None:
    queries, keys, queue = unit_vectors(4, 32, 0), unit_vectors(4, 32, 1), unit_vectors(64, 32, 2).T
    plain, _ = info_nce(queries, keys, queue, temperature=0.1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed, _ = info_nce(queries, keys, queue, temperature=0.1)
        halves, _ = info_nce(queries.bfloat16(), keys.bfloat16(), queue, temperature=0.1)
    assert mixed.dtype == halves.dtype == torch.float32
    assert torch.equal(plain, mixed)


def test_gradient_flows_to_the_queries_and_not_through_the_accuracy() -> None:
    queries = unit_vectors(4, 8, 0).requires_grad_()
    loss, accuracy = info_nce(queries, unit_vectors(4, 8, 1), unit_vectors(6, 8, 2).T, temperature=0.1)
    loss.backward()  # type: ignore[no-untyped-call]
    assert queries.grad is not None
    assert queries.grad.abs().sum() > 0
    assert not accuracy.requires_grad
