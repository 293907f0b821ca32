"""Losses on their way from the device to metrics.jsonl, to TensorBoard and to whoever watches."""

import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from fame_cli.config import PretrainConfig
from fame_cli.errors import FameError
from fame_cli.learning.run import RunFolder

Batch = TypeVar("Batch")

WAITING_STEPS = 10
"""Steps whose losses stay on an accelerator before they are fetched, since fetching waits for it."""


@dataclass(frozen=True)
class StepInfo:
    """Where a training stands; told after each fetched step."""

    step: int
    total_steps: int
    loss: float
    chance: float
    accuracy: float
    samples_per_second: float


class Log:
    """The records of a training from ``first_step`` on; none in a folder that this process may not write."""

    def __init__(
        self,
        folder: RunFolder,
        config: PretrainConfig,
        first_step: int,
        total_steps: int,
        steps_per_epoch: int,
        chance: float,
        tell: Callable[[StepInfo], None] | None,
    ) -> None:
        self.folder, self.batch_size, self.chance = folder, config.batch_size, chance
        self.total_steps, self.steps_per_epoch = total_steps, steps_per_epoch
        self.tell = tell if folder.writes else None
        self.writer: SummaryWriter | None = None
        if folder.writes:
            # What was logged after the checkpoint is done again, so TensorBoard is to forget it as well.
            self.writer = SummaryWriter(str(folder.tensorboard), purge_step=first_step)
        self.waiting: list[tuple[int, Tensor, float]] = []
        self.drained_at = time.monotonic()
        self.waited_seconds = 0.0

    def timed(self, loader: Iterable[Batch]) -> Iterator[Batch]:
        """The loader's batches; the time until each is there counts as waiting for data."""
        asked_at = time.monotonic()
        for batch in loader:
            self.waited_seconds += time.monotonic() - asked_at
            yield batch
            asked_at = time.monotonic()

    def add(self, step: int, figures: Tensor, learning_rate: float) -> None:
        """Take loss and accuracy (2,) of a step, still on the device."""
        self.waiting.append((step, figures, learning_rate))
        if figures.device.type == "cpu" or len(self.waiting) == WAITING_STEPS:
            self.drain()

    def drain(self) -> None:
        """Fetch and write what waits on the device; FameError where a loss is not a finite number."""
        if not self.waiting:
            return
        fetched = torch.stack([figures for _, figures, _ in self.waiting]).tolist()
        now = time.monotonic()
        seconds = max(now - self.drained_at, 1e-9)
        pace = {
            "samples_per_second": round(len(self.waiting) * self.batch_size / seconds, 2),
            "data_wait": round(min(self.waited_seconds / seconds, 1.0), 4),
        }
        rows = [
            self.row(step, loss, accuracy, learning_rate) | pace
            for (step, _, learning_rate), (loss, accuracy) in zip(self.waiting, fetched, strict=True)
        ]
        self.waiting, self.drained_at, self.waited_seconds = [], now, 0.0
        good = list(itertools.takewhile(lambda row: math.isfinite(row["loss"]), rows))
        for row in good:
            self.write(row)
        self.folder.add_metrics(good)
        if len(good) < len(rows):
            bad = rows[len(good)]
            raise diverged(f"the loss is {bad['loss']} at step {bad['step']}")
        if self.tell:
            step, loss, accuracy = int(rows[-1]["step"]) + 1, rows[-1]["loss"], rows[-1]["accuracy"]
            rate = rows[-1]["samples_per_second"]
            self.tell(StepInfo(step, self.total_steps, loss, self.chance, accuracy, rate))

    def row(self, step: int, loss: float, accuracy: float, learning_rate: float) -> dict[str, float]:
        return {
            "step": step,
            "epoch": step // self.steps_per_epoch,
            "loss": loss,
            "chance": self.chance,
            "accuracy": accuracy,
            "learning_rate": learning_rate,
        }

    def write(self, row: dict[str, float]) -> None:
        if self.writer is not None:
            for name in ("loss", "accuracy", "learning_rate", "samples_per_second", "data_wait"):
                self.writer.add_scalar(name, row[name], row["step"])

    def close(self) -> None:
        self.drain()
        if self.writer is not None:
            self.writer.close()


def diverged(what: str) -> FameError:
    return FameError(
        f"{what}: the training has diverged.",
        "The last checkpoint stands. Begin another run with a smaller --learning-rate.",
    )
