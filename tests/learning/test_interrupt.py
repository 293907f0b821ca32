"""Tests of what a loader process says when its parent stops."""

import sys
import threading

import pytest

from fame_cli.learning.interrupt import leave_interrupts_to_the_parent, print_unless_the_parent_stopped


@pytest.mark.parametrize("error", [EOFError(), ConnectionResetError(), BrokenPipeError()])
def test_parent_that_stops_while_it_is_sent_something_is_no_error(
    capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    print_unless_the_parent_stopped(type(error), error, None)
    assert capsys.readouterr().err == ""


def test_any_other_error_of_a_thread_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    error = OSError(24, "Too many open files")
    print_unless_the_parent_stopped(OSError, error, None)
    assert "Too many open files" in capsys.readouterr().err


def test_loader_process_has_it_before_any_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.excepthook", None)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    leave_interrupts_to_the_parent(threading.Event(), 0)  # type: ignore[arg-type]
    assert sys.excepthook is print_unless_the_parent_stopped
