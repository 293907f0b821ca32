"""The one training loop of the evaluations: linear probe on clips or on features, and finetune."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from fame_cli.config import ClassifierConfig
from fame_cli.data.clips import generator_for
from fame_cli.errors import ConfigurationError
from fame_cli.evaluation.evaluation import ProgressWithNote
from fame_cli.learning.checkpoint import load_training, save_training
from fame_cli.learning.schedule import multistep

Epochs = Callable[[int], Iterator[Iterable[tuple[Tensor, Tensor]]]]
"""Given the first epoch, yields the batches (inputs, class numbers) of each epoch from there on."""


@dataclass(frozen=True)
class FitHistory:
    """How a training went."""

    losses: tuple[float, ...]
    """Mean of each epoch."""
    earlier_seconds: float
    """Spent by earlier runs of it."""
    shares: tuple[float, ...] = ()
    """What was measured after each epoch, if something was; the first of the best ones was kept."""


def fit(
    model: nn.Module,
    trained: nn.Module,
    epochs: Epochs,
    samples: int,
    config: ClassifierConfig,
    checkpoint: Path,
    device: torch.device,
    tell: ProgressWithNote,
    measure: Callable[[], float] | None = None,
) -> FitHistory:
    """Train ``trained``, the part of ``model`` that may change, by cross-entropy; SGD with momentum 0.9.

    Goes on from ``checkpoint``, written after each epoch. The state after the last epoch counts, unless
    ``measure`` is given: then it is the one after the epoch for which that was largest. ``samples`` is their
    number in an epoch, for the progress. The learning rate is a positive one: what 0 stands for has been
    settled before.
    """
    assert config.learning_rate > 0
    started, earlier = time.monotonic(), 0.0
    parameters = [parameter for parameter in trained.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(
        parameters, lr=config.learning_rate, momentum=0.9, weight_decay=config.weight_decay
    )
    losses: list[float] = []
    shares: list[float] = []
    best: dict[str, Tensor] = {}
    if checkpoint.exists():
        state = load_training(checkpoint, device)
        trained.load_state_dict(state["trained"])
        optimizer.load_state_dict(state["optimizer"])
        losses, earlier = state["losses"], state["seconds"]
        shares, best = state.get("shares", []), state.get("best", {})
    model.train()
    for epoch, batches in zip(range(len(losses), config.epochs), epochs(len(losses)), strict=False):
        # Dropout's masks belong to the epoch, so that a resumed run draws the same.
        torch.manual_seed(int(generator_for(config.seed, "dropout", epoch).integers(2**63)))
        for group in optimizer.param_groups:
            group["lr"] = multistep(epoch, config.learning_rate, config.milestones, config.milestone_factor)
        note = f"epoch {epoch + 1}/{config.epochs}" + (f", loss {losses[-1]:.3f}" if losses else "")
        loss_sum, seen = torch.zeros((), device=device), 0
        for inputs, classes in batches:
            loss = functional.cross_entropy(model(inputs), classes)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            loss_sum += loss.detach() * len(classes)
            seen += len(classes)
            tell(epoch * samples + seen, config.epochs * samples, note)
        losses.append(finite(float(loss_sum) / seen, epoch, config))
        if measure is not None:
            model.eval()
            shares.append(measure())
            model.train()
            if shares[-1] > max(shares[:-1], default=-1.0):
                best = {key: value.detach().clone() for key, value in trained.state_dict().items()}
        save_training(
            checkpoint,
            {
                "trained": trained.state_dict(),
                "optimizer": optimizer.state_dict(),
                "losses": losses,
                "shares": shares,
                "best": best,
                "seconds": earlier + time.monotonic() - started,
            },
        )
    if best:
        trained.load_state_dict(best)
    return FitHistory(tuple(losses), earlier, tuple(shares))


def finite(loss: float, epoch: int, config: ClassifierConfig) -> float:
    if math.isfinite(loss):
        return loss
    raise ConfigurationError(
        f"the training diverged: the loss of epoch {epoch + 1} is {loss} at --learning-rate "
        f"{config.learning_rate:g}.",
        f"Give a smaller one: --learning-rate {config.learning_rate / 10:g}",
    )
