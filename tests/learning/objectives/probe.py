"""A logistic probe that tries to solve a task by features made for a shortcut alone."""

import torch
from torch import Tensor
from torch.nn import functional


def probe_accuracy(features: Tensor, labels: Tensor, classes: int) -> float:
    """Share of right answers of a multinomial logistic regression on the second half, fitted to the first.

    ``features`` (N, F), ``labels`` (N,) int64; the rows are in random order.
    """
    features = torch.nan_to_num((features - features.mean(dim=0)) / features.std(dim=0)).double()
    half = len(features) // 2
    layer = torch.nn.Linear(features.shape[1], classes).double()
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=60)

    def penalised_loss() -> Tensor:
        optimizer.zero_grad()
        loss = functional.cross_entropy(layer(features[:half]), labels[:half])
        loss = loss + 1e-3 * layer.weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(penalised_loss)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        answers = layer(features[half:]).argmax(dim=1)
    return float((answers == labels[half:]).float().mean())


def most_by_chance(classes: int, answers: int) -> float:
    """The share of right answers that guessing exceeds once in a thousand times (normal approximation)."""
    chance = 1 / classes
    return chance + 3.1 * (chance * (1 - chance) / answers) ** 0.5
