"""Losses on their way from the device to metrics.jsonl, to TensorBoard and to whoever watches."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from fame_cli.config import PretrainConfig
from fame_cli.errors import FameError
from fame_cli.learning.losses import chance_level
from fame_cli.learning.run import RunFolder

WAITING_STEPS = 10
"""Steps whose losses stay on an accelerator before they are fetched, since fetching waits for it."""


@dataclass(frozen=True)
class Standing:
    """Where a training stands; told after each fetched step."""

    step: int
    total_steps: int
    loss: float
    chance: float
    accuracy: float
    samples_per_second: float


class Log:
    """The records of a training from ``first_step`` on."""

    def __init__(
        self,
        folder: RunFolder,
        config: PretrainConfig,
        first_step: int,
        total_steps: int,
        steps_per_epoch: int,
        tell: Callable[[Standing], None] | None,
    ) -> None:
        self.folder, self.batch_size, self.tell = folder, config.batch_size, tell
        self.total_steps, self.steps_per_epoch = total_steps, steps_per_epoch
        self.chance = chance_level(config.queue_length)
        # What was logged after the checkpoint is done again, so TensorBoard is to forget it as well.
        self.writer = SummaryWriter(str(folder.tensorboard), purge_step=first_step)
        self.waiting: list[tuple[int, Tensor, Tensor, float]] = []
        self.drained_at = time.monotonic()

    def add(self, step: int, loss: Tensor, accuracy: Tensor, learning_rate: float) -> None:
        self.waiting.append((step, loss.detach(), accuracy, learning_rate))
        if loss.device.type == "cpu" or len(self.waiting) == WAITING_STEPS:
            self.drain()

    def drain(self) -> None:
        """Fetch and write what waits on the device; FameError where a loss is not a finite number."""
        if not self.waiting:
            return
        losses = torch.stack([loss for _, loss, _, _ in self.waiting]).tolist()
        accuracies = torch.stack([accuracy for _, _, accuracy, _ in self.waiting]).tolist()
        now = time.monotonic()
        rate = len(self.waiting) * self.batch_size / max(now - self.drained_at, 1e-9)
        rows = [
            self.row(step, loss, accuracy, learning_rate, rate)
            for (step, _, _, learning_rate), loss, accuracy in zip(
                self.waiting, losses, accuracies, strict=True
            )
        ]
        self.waiting, self.drained_at = [], now
        for row in rows:
            self.write(row)
        self.folder.add_metrics(rows)
        if self.tell:
            step, loss, accuracy = int(rows[-1]["step"]) + 1, rows[-1]["loss"], rows[-1]["accuracy"]
            self.tell(Standing(step, self.total_steps, loss, self.chance, accuracy, rate))

    def row(
        self, step: int, loss: float, accuracy: float, learning_rate: float, rate: float
    ) -> dict[str, float]:
        return {
            "step": step,
            "epoch": step // self.steps_per_epoch,
            "loss": loss,
            "chance": self.chance,
            "accuracy": accuracy,
            "learning_rate": learning_rate,
            "samples_per_second": round(rate, 2),
        }

    def write(self, row: dict[str, float]) -> None:
        if not math.isfinite(row["loss"]):
            raise FameError(
                f"the loss is {row['loss']} at step {row['step']}: the training has diverged.",
                "The last checkpoint stands. Begin another run with a smaller --learning-rate.",
            )
        for name in ("loss", "accuracy", "learning_rate", "samples_per_second"):
            self.writer.add_scalar(name, row[name], row["step"])

    def close(self) -> None:
        self.drain()
        self.writer.close()
