"""Interrupts of a training: the step that runs is finished and saved first."""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from types import FrameType

ECHO_SECONDS = 1.0
"""A batch system signals every process, and torchrun passes on what it got: within this it is one request."""


@contextlib.contextmanager
def stop_requested() -> Iterator[Callable[[], bool]]:
    """Let the first interrupt wait until the step is whole and saved; a second one ends at once."""
    asked: list[float] = []

    def ask(_number: int, _frame: FrameType | None) -> None:
        if asked and time.monotonic() - asked[0] > ECHO_SECONDS:
            raise KeyboardInterrupt
        asked.append(time.monotonic())

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leave_interrupts_to_the_parent(_worker: int) -> None:
    """Ctrl-C reaches every process of a terminal, and a batch system's SIGTERM every one of a job.

    The parent finishes its step with what workers loaded, and ends them.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
