"""Losses on their way from the device to metrics.jsonl, to trackers and to whoever watches."""

import itertools
import math
import operator
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from fame_cli.config import PretrainConfig, TrackerName
from fame_cli.configuration import flatten
from fame_cli.errors import ConfigurationError, FameError
from fame_cli.learning.run import RunFolder
from fame_cli.learning.trackers import Picture, TensorBoard, Tracker, open_tracker

Batch = TypeVar("Batch")

OWN_COLUMNS = {"step", "epoch", "loss", "chance", "learning_rate", "samples_per_second", "data_wait"}
"""Of metrics.jsonl; every other one is a figure of the objective."""

STEPS_AHEAD = 2
"""Steps that the host runs ahead of an accelerator: enough to keep it busy, and few enough that a loss that
is no number stops the training soon."""


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


@dataclass(frozen=True)
class Waiting:
    """The figures of a step, on their way to the host."""

    step: int
    names: tuple[str, ...]
    values: Tensor
    """(names,) on the host, there once ``copied`` is reached."""
    copied: torch.cuda.Event | None
    learning_rate: float

    def fetch(self) -> dict[str, float]:
        if self.copied is not None:
            self.copied.synchronize()
        return dict(zip(self.names, self.values.tolist(), strict=True))


def send(step: int, figures: Mapping[str, Tensor], learning_rate: float) -> Waiting:
    """Begin to copy the figures of a step to the host, by one copy that nobody waits for."""
    values, copied = torch.stack([*figures.values()]), None
    if values.is_cuda:
        values = torch.empty(values.shape, dtype=values.dtype, pin_memory=True).copy_(
            values, non_blocking=True
        )
        copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
        copied.record()
    return Waiting(step, tuple(figures), values, copied, learning_rate)


def steps_ahead(device: torch.device) -> int:
    """Steps whose figures may be on their way; on a CPU they are there at once."""
    return 0 if device.type == "cpu" else STEPS_AHEAD


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
        track: TrackerName = "none",
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self.folder, self.batch_size, self.chance = folder, config.batch_size, chance
        self.total_steps, self.steps_per_epoch = total_steps, steps_per_epoch
        self.tell = tell if folder.writes else None
        self.warn = warn if folder.writes else None
        self.trackers: list[Tracker] = []
        if folder.writes:
            self.trackers.append(TensorBoard(folder, first_step))
        if folder.writes and track != "none":
            self.trackers.append(open_tracker(track, folder, flatten(config.to_dict())))
        self.waiting: list[Waiting] = []
        self.drained_at = time.monotonic()
        self.waited_seconds = 0.0

    def track_waiting(self, loader: Iterable[Batch]) -> Iterator[Batch]:
        """The loader's batches; the time until each is there counts as waiting for data."""
        asked_at = time.monotonic()
        for batch in loader:
            self.waited_seconds += time.monotonic() - asked_at
            yield batch
            asked_at = time.monotonic()

    def add(self, step: int, figures: Mapping[str, Tensor], learning_rate: float) -> None:
        """Take the figures of a step (scalars, "loss" among them), still on the device.

        Raises FameError where the loss of a step before is no finite number; of this one, where it is known.
        ConfigurationError where one has the name of a column that is not an objective's.
        """
        if taken := figures.keys() & (OWN_COLUMNS - {"loss", "chance"}):
            raise ConfigurationError(
                f"the objective gives a figure the name {sorted(taken)[0]!r}, which the log has for its own.",
                "Give it another name in the objective's forward.",
            )
        self.waiting.append(send(step, figures, learning_rate))
        self.fetch(len(self.waiting) - steps_ahead(figures["loss"].device))

    def drain(self) -> None:
        """Fetch and write all that is on its way; FameError where a loss is not a finite number."""
        self.fetch(len(self.waiting))

    def fetch(self, count: int) -> None:
        """The same for the first ``count`` of the steps that are on their way."""
        if count <= 0:
            return
        taken = self.waiting[:count]
        fetched = [waiting.fetch() for waiting in taken]
        now = time.monotonic()
        seconds = max(now - self.drained_at, 1e-9)
        pace = {
            "samples_per_second": round(count * self.batch_size / seconds, 2),
            "data_wait": round(min(self.waited_seconds / seconds, 1.0), 4),
        }
        rows = [
            self.row(waiting.step, figures, waiting.learning_rate) | pace
            for waiting, figures in zip(taken, fetched, strict=True)
        ]
        self.waiting, self.drained_at, self.waited_seconds = self.waiting[count:], now, 0.0
        good = list(itertools.takewhile(lambda row: math.isfinite(row["loss"]), rows))
        for row in good:
            self.write(row)
        self.folder.add_metrics(good)
        if len(good) < len(rows):
            bad = rows[len(good)]
            raise divergence_error(f"the loss is {bad['loss']} at step {bad['step']}")
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
        figures = {name: value for name, value in row.items() if name not in ("step", "epoch", "chance")}
        self.to_trackers(lambda tracker: tracker.add_figures(int(row["step"]), figures))

    def add_pictures(self, step: int, pictures: Mapping[str, Picture]) -> None:
        """Show trackers pictures of what a step begins with, by name."""
        for name, picture in pictures.items():
            self.to_trackers(operator.methodcaller("add_picture", step, name, picture))

    def to_trackers(self, hand_over: Callable[[Tracker], None]) -> None:
        """Hand something to each tracker; one that fails is given up, and the training goes on."""
        for tracker in [*self.trackers]:
            try:
                hand_over(tracker)
            except Exception as error:  # noqa: BLE001, whatever another program's package raises
                self.trackers.remove(tracker)
                told = f"{type(tracker).__name__} is told no more: {type(error).__name__}: {error}"
                self.folder.note(f"warning: {told}")
                if self.warn:
                    self.warn(told)

    def close(self) -> None:
        """Write all that is on its way; the training is finished."""
        self.drain()
        self.end(finished=True)

    def end(self, finished: bool = False) -> None:
        """Let go of the trackers, unless that was done."""
        self.to_trackers(lambda tracker: tracker.close(finished))
        self.trackers = []


def divergence_error(what: str) -> FameError:
    return FameError(
        f"{what}: the training has diverged.",
        "The last checkpoint stands. Begin another run with a smaller --learning-rate.",
    )
