"""What the system and the terminal do to a command: signals, and streams that cannot be written."""

import io
import os
import signal
import sys
from types import FrameType
from typing import Any

from fame_cli.errors import INTERRUPTED, FameError

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
"""Ctrl-C; what batch systems send at the end and, if asked, before it; and a terminal that is closed."""


def interrupts_end_at_once() -> None:
    """While options are parsed nothing is begun, so an interrupt ends the process with one line."""
    for number in ENDING_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, end_at_once)


def end_at_once(_signal: int, _frame: FrameType | None) -> None:
    os.write(2, b"interrupted before anything was begun.\n")
    os._exit(INTERRUPTED)


def interrupts_save_first() -> None:
    """From here on each of these signals does what Ctrl-C does in Python: whatever runs can save first.

    In a process that did not ask for the former, such as a program that uses this package, nothing changes.
    """
    for number in ENDING_SIGNALS:
        if signal.getsignal(number) is end_at_once:
            signal.signal(number, interrupt)


def interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


class Stream(io.TextIOBase):
    """A stream of text that tells in words where it cannot be written.

    What nobody reads any more (``fame … | head``, a terminal that was closed) is dropped: work that is under
    way does not end for it.
    """

    def __init__(self, stream: io.TextIOWrapper, name: str) -> None:
        self.stream, self.title = stream, name
        # Names of files that are not UTF-8 are printed escaped instead of ending a command.
        stream.reconfigure(errors="backslashreplace")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        self.attempt(lambda: self.stream.write(text))
        return len(text)

    def flush(self) -> None:
        self.attempt(self.stream.flush)

    def attempt(self, action: Any) -> None:
        try:
            action()
        except OSError as error:
            # What is still buffered would fail once more when Python ends.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())
            os.close(nowhere)
            if self.title == "standard output" and not isinstance(error, BrokenPipeError):
                raise FameError(
                    f"{self.title} cannot be written: {error.strerror}.",
                    "The work itself is done as far as it got; write its output elsewhere.",
                ) from error

    def isatty(self) -> bool:
        return self.stream.isatty()

    def fileno(self) -> int:
        return self.stream.fileno()


def guard_streams() -> None:
    """Let standard output and error of this process be such streams."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout = Stream(sys.stdout, "standard output")  # type: ignore[assignment]
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr = Stream(sys.stderr, "standard error")  # type: ignore[assignment]
