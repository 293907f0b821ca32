"""BYOL: the regression loss, where gradients go, and the target that follows."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from fame_cli.learning.backbones import build_backbone
from fame_cli.learning.objectives.byol import BYOL, nearest
from fame_cli.learning.objectives.losses import prediction_loss
from fame_cli.learning.objectives.objective import View, Views


def unit_vectors(count: int, dim: int, seed: int) -> Tensor:
    return functional.normalize(torch.randn(count, dim, generator=torch.Generator().manual_seed(seed)), dim=1)


def pair(first: Tensor, second: Tensor) -> Views:
    return {"query": View(first), "key": View(second)}


def clips(count: int = 4, seed: int = 0) -> tuple[Tensor, Tensor]:
    first, second = torch.rand(2, count, 3, 4, 16, 16, generator=torch.Generator().manual_seed(seed))
    return first, second


def make_byol(momentum: float = 0.9) -> BYOL:
    torch.manual_seed(0)
    return BYOL(build_backbone("small"), embedding_dim=5, momentum=momentum)


def test_loss_is_the_squared_distance_of_unit_vectors_summed_slowly() -> None:
    predictions, targets = unit_vectors(5, 4, 0), unit_vectors(5, 4, 1)
    slow = [
        sum((p - z) ** 2 for p, z in zip(prediction, target, strict=True))
        for prediction, target in zip(predictions.tolist(), targets.tolist(), strict=True)
    ]
    assert prediction_loss(predictions, targets).item() == pytest.approx(sum(slow) / 5, abs=1e-6)


def test_loss_is_0_for_equal_2_for_orthogonal_and_4_for_opposite_vectors() -> None:
    x, y = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    assert [prediction_loss(x, z).item() for z in (x, y, -x)] == [0, 2, 4]
    assert make_byol().chance == 4  # both directions of vectors that have nothing to do with each other


def test_gradient_reaches_predictions_alone() -> None:
    predictions, targets = (unit_vectors(3, 4, seed).requires_grad_() for seed in (0, 1))
    prediction_loss(predictions, targets).backward()  # type: ignore[no-untyped-call]
    assert predictions.grad is not None
    assert targets.grad is None


def test_heads_are_those_of_the_paper() -> None:
    byol = make_byol()
    kinds = [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear]
    projector, predictor = byol.online.head.children()
    assert [type(layer) for layer in projector] == [type(layer) for layer in predictor] == kinds
    assert [layer.weight.shape for layer in (projector[0], projector[3])] == [(4096, 128), (5, 4096)]
    assert [layer.weight.shape for layer in (predictor[0], predictor[3])] == [(4096, 5), (5, 4096)]
    assert [name for name, _ in byol.target.head.named_children()] == ["0", "1", "2", "3"]


def test_forward_predicts_each_view_from_the_other_and_sums_both_directions() -> None:
    byol = make_byol()
    with torch.no_grad():
        for parameter in byol.target.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    first, second = clips()
    loss, _ = byol(pair(first, second))
    with torch.no_grad():
        # In training mode the batch itself gives the statistics, so a second pass repeats the first.
        there = prediction_loss(byol.online(first), byol.target(second))
        back = prediction_loss(byol.online(second), byol.target(first))
    torch.testing.assert_close(loss.detach(), there + back)
    assert there.item() != pytest.approx(back.item(), abs=1e-4)


def test_target_starts_as_a_copy_that_no_gradient_reaches() -> None:
    byol = make_byol()
    byol(pair(*clips()))[0].backward()
    online = [*byol.online.backbone.parameters(), *byol.online.head.get_submodule("0").parameters()]
    for parameter, target in zip(online, byol.target.parameters(), strict=True):
        assert torch.equal(parameter, target)
        assert parameter.data_ptr() != target.data_ptr()
        assert target.grad is None
        assert not target.requires_grad
    assert all(parameter.grad is not None for parameter in byol.trainable_parameters())
    assert set(byol.trainable_parameters()).isdisjoint(byol.target.parameters())


@pytest.mark.parametrize(("step", "share"), [(0, 0.1), (50, 0.05), (100, 0.0)])
def test_target_follows_ever_more_slowly_along_a_cosine(step: int, share: float) -> None:
    byol = make_byol(momentum=0.9)
    with torch.no_grad():
        for parameter in byol.online.parameters():
            parameter.fill_(2.0)
        for parameter in byol.target.parameters():
            parameter.fill_(1.0)
    byol.after_step(step, 100)
    for parameter in byol.target.parameters():
        torch.testing.assert_close(parameter, torch.full_like(parameter, 1 + share))
    assert all((parameter == 2.0).all() for parameter in byol.online.parameters())


def test_target_gathers_running_statistics_of_its_own() -> None:
    byol = make_byol()
    byol(pair(*clips()))
    before = {name: buffer.clone() for name, buffer in byol.target.named_buffers()}
    with torch.no_grad():
        for buffer in byol.online.buffers():
            buffer.add_(1)
    byol.after_step(0, 10)
    assert before
    assert all(torch.equal(buffer, before[name]) for name, buffer in byol.target.named_buffers())


def test_accuracy_counts_predictions_nearest_to_their_own_target_and_collapse_shows_as_0() -> None:
    byol = make_byol()
    first, second = clips()
    _, figures = byol(pair(first, second))
    with torch.no_grad():
        expected = 0.0
        for online, target in ((first, second), (second, first)):
            found = (byol.online(online) @ byol.target(target).T).argmax(dim=1)
            expected += (found == torch.arange(4)).float().mean().item() / 2
    assert figures["accuracy"].item() == pytest.approx(expected)
    same = first[:1].expand_as(first)
    loss, figures = byol(pair(same, same))
    assert figures["accuracy"].item() == 0.0
    assert math.isfinite(loss.item())


def test_training_on_one_batch_brings_the_loss_down() -> None:
    byol = make_byol(momentum=0.99)
    optimizer = torch.optim.SGD(byol.trainable_parameters(), lr=0.005)
    losses = []
    for step in range(15):
        loss, _ = byol(pair(*clips()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        byol.after_step(step, 15)
        losses.append(loss.item())
    assert sum(losses[-3:]) < 0.5 * sum(losses[:3])


def test_accuracy_of_nearly_equal_embeddings_is_the_same_under_bf16() -> None:
    torch.manual_seed(0)
    targets = functional.normalize(1 + 0.02 * torch.randn(16, 64), dim=1)
    with torch.autocast("cpu", torch.bfloat16):
        assert nearest(targets, targets).item() == 1.0
