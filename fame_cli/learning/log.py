"""Losses on their way from the device to metrics.jsonl, to TensorBoard and to whoever watches."""

import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from fame_cli.config import PretrainConfig
from fame_cli.errors import ConfigurationError, FameError
from fame_cli.learning.run import RunFolder

Batch = TypeVar("Batch")

OWN_COLUMNS = {"step", "epoch", "loss", "chance", "learning_rate", "samples_per_second", "data_wait"}
"""Of metrics.jsonl; every other one is a figure of the objective."""

WAITING_STEPS = 10
"""Steps whose losses stay on an accelerator before they are fetched, since fetching waits for it."""


@dataclass(frozen=True)
class StepInfo:
    """Where a training stands; told after each fetched step."""

    step: int
    total_steps: int
    loss: float
    chance: float
    figures: Mapping[str, float]
    """What the objective measured beside its loss, such as ``accuracy``."""
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
        self.waiting: list[tuple[int, Mapping[str, Tensor], float]] = []
        self.drained_at = time.monotonic()
        self.waited_seconds = 0.0

    def timed(self, loader: Iterable[Batch]) -> Iterator[Batch]:
        """The loader's batches; the time until each is there counts as waiting for data."""
        asked_at = time.monotonic()
        for batch in loader:
            self.waited_seconds += time.monotonic() - asked_at
            yield batch
            asked_at = time.monotonic()

    def add(self, step: int, figures: Mapping[str, Tensor], learning_rate: float) -> None:
        """Take the figures of a step (scalars, "loss" among them), still on the device.

        Raises ConfigurationError where one has the name of a column that is not an objective's.
        """
        if taken := figures.keys() & (OWN_COLUMNS - {"loss", "chance"}):
            raise ConfigurationError(
                f"the objective gives a figure the name {sorted(taken)[0]!r}, which the log has for its own.",
                "Give it another name in the objective's forward.",
            )
        self.waiting.append((step, figures, learning_rate))
        if figures["loss"].device.type == "cpu" or len(self.waiting) == WAITING_STEPS:
            self.drain()

    def drain(self) -> None:
        """Fetch and write what waits on the device; FameError where a loss is not a finite number."""
        if not self.waiting:
            return
        # One transfer for all figures of all steps.
        fetched = torch.stack([torch.stack([*figures.values()]) for _, figures, _ in self.waiting]).tolist()
        now = time.monotonic()
        seconds = max(now - self.drained_at, 1e-9)
        pace = {
            "samples_per_second": round(len(self.waiting) * self.batch_size / seconds, 2),
            "data_wait": round(min(self.waited_seconds / seconds, 1.0), 4),
        }
        rows = [
            self.row(step, dict(zip(figures, values, strict=True)), learning_rate) | pace
            for (step, figures, learning_rate), values in zip(self.waiting, fetched, strict=True)
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
            self.tell(self.step_info(rows[-1]))

    def row(self, step: int, figures: Mapping[str, float], learning_rate: float) -> dict[str, float]:
        begin = {"step": step, "epoch": step // self.steps_per_epoch}
        # A chance level that changes from step to step comes with the figures.
        measured = {"loss": figures["loss"], "chance": self.chance, **figures}
        return begin | measured | {"learning_rate": learning_rate}

    def step_info(self, row: Mapping[str, float]) -> StepInfo:
        step, rate = int(row["step"]) + 1, row["samples_per_second"]
        figures = {name: value for name, value in row.items() if name not in OWN_COLUMNS}
        return StepInfo(step, self.total_steps, row["loss"], row["chance"], figures, rate)

    def write(self, row: dict[str, float]) -> None:
        if self.writer is not None:
            for name, value in row.items():
                if name not in ("step", "epoch", "chance"):
                    self.writer.add_scalar(name, value, row["step"])

    def close(self) -> None:
        self.drain()
        if self.writer is not None:
            self.writer.close()


def diverged(what: str) -> FameError:
    return FameError(
        f"{what}: the training has diverged.",
        "The last checkpoint stands. Begin another run with a smaller --learning-rate.",
    )
