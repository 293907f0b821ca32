"""Interrupts of a training: the step that runs is finished and saved first."""

import atexit
import contextlib
import functools
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing.synchronize import Event
from types import FrameType, TracebackType

from fame_cli.streams import ENDING_SIGNALS

ECHO_SECONDS = 1.0
"""A batch system signals every process, and torchrun passes on what it got: within this it is one request."""


@contextlib.contextmanager
def catch_interrupts() -> Iterator[Callable[[], bool]]:
    """Let the first interrupt wait until the step is whole and saved; a second one ends at once."""
    asked: list[float] = []

    def ask(_number: int, _frame: FrameType | None) -> None:
        if asked and time.monotonic() - asked[0] > ECHO_SECONDS:
            raise KeyboardInterrupt
        asked.append(time.monotonic())

    heard = [number for number in ENDING_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, ask) for number in heard}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def loader_process() -> Callable[[int], None]:
    """What a process that loads clips does when it begins: leave interrupts to its parent.

    Ctrl-C reaches every process of a terminal, and a batch system's SIGTERM every one of a job. The parent
    finishes its step with what they loaded. Python ends them by SIGTERM too, when the parent itself ends.

    Up to Python 3.13 they are forks, of which it warns from 3.12 on: torch and TensorBoard run threads
    here, whose locks a fork might find taken for ever. It never asks for these: it reads arrays, makes
    views of them with one thread, and leaves the locks of stages alone (``lock.py``). Python 3.14 begins
    them from a process without threads; the data sets can be sent there.
    """
    return functools.partial(leave_interrupts_to_the_parent, event_at_exit())


def leave_interrupts_to_the_parent(parent_ends: Event, _worker: int) -> None:
    def end_with_the_parent(_number: int, _frame: FrameType | None) -> None:
        if parent_ends.is_set():
            os._exit(0)
        sys.excepthook = lambda *_: None

    for number in ENDING_SIGNALS:
        signal.signal(number, end_with_the_parent)
    sys.excepthook = print_unless_the_parent_stopped


def print_unless_the_parent_stopped(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """Print an error of a thread as Python does, unless the other end of a connection was given up.

    A thread here sends the parent what it asked for, and the parent may stop in the middle of that, even
    before the signal that stopped it is seen here: that is no error to print.
    """
    if not isinstance(error, ConnectionError | EOFError):
        sys.__excepthook__(kind, error, traceback)


@functools.cache
def event_at_exit() -> Event:
    """Set as soon as this process ends, before Python waits for the processes that it began."""
    event = multiprocessing.Event()
    atexit.register(event.set)
    return event
