"""Limits of the machine are told as such, with what to do, and never as a bug."""

import errno
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fame_cli import streams
from fame_cli.cli.app import app
from fame_cli.disk import remove_abandoned_once, temporary_path, write_text
from fame_cli.errors import ConfigurationError
from fame_cli.limits import find_limit
from fame_cli.workers import Workers

FAME = [sys.executable, "-m", "fame_cli"]
PLACES = os.pathsep.join(os.path.abspath(path) for path in sys.path)
ENVIRONMENT = {**os.environ, "PYTHONPATH": PLACES, "COLUMNS": "200"}


def fame(*arguments: object, shell: str = "", **options: object) -> tuple[int, str]:
    """Exit code and what was said, by a shell that ran ``shell`` before."""
    command = f'{shell}\nexec "$@"'
    told = subprocess.run(
        ["bash", "-c", command, "bash", *FAME, *map(str, arguments)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
        **options,  # type: ignore[call-overload]
    )
    return told.returncode, told.stdout + told.stderr


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (OSError(errno.EDQUOT, "quota"), "the disk quota is used up"),
        (RuntimeError("[enforce fail] . inline_container.cc: No space left on device"), "the disk is full"),
        (
            OSError(errno.EMFILE, "Too many open files", "a.h5"),
            "a.h5: too many open files; this shell allows",
        ),
        (
            OSError("unable to open (errno = 24, error message = 'Too many open files')"),
            "too many open files",
        ),
        (MemoryError(), "memory ran out"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"), "memory ran out"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "GPU memory ran out"),
        (ImportError("libc10.so: failed to map segment from shared object"), "memory ran out"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "memory ran out"),
        (RuntimeError("can't start new thread"), "no more processes or threads"),
        (RuntimeError("DataLoader worker is killed by signal: Bus error. shared memory"), "shared memory"),
    ],
)
def test_each_limit_is_said_in_words(error: Exception, message: str) -> None:
    limit = find_limit(error)
    assert limit is not None
    assert message in limit.message
    assert "run the same command again" in limit.hint or "/dev/shm" in limit.hint


def test_what_is_no_limit_stays_a_bug() -> None:
    assert find_limit(RuntimeError("shapes differ")) is None
    assert find_limit(PermissionError(errno.EACCES, "Permission denied", "x")) is None


def test_output_that_cannot_be_written_is_told() -> None:
    code, said = fame("--version", shell="exec 1>/dev/full")
    assert (code, said.splitlines()[0]) == (
        2,
        "error: standard output cannot be written: No space left on device.",
    )


def test_output_that_nobody_reads_and_errors_that_nobody_sees_end_nothing() -> None:
    assert fame("recipes", shell="exec 1> >(true); sleep 0.2") == (0, "")
    assert fame("status", "/nowhere", shell="exec 2>/dev/full") == (4, "")


def test_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    code, said = fame("status", "work", shell=f"cd {tmp_path} && mkdir here && cd here && rmdir ../here")
    assert (code, said.splitlines()[0]) == (2, "error: the current folder no longer exists.")


def test_addresses_that_are_too_few_are_told() -> None:
    code, said = fame("verify", "work", shell="ulimit -v 500000")
    assert code == 2
    assert "ulimit -v allows 488 MiB per process" in said


def test_more_jobs_than_a_machine_can_have_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="--jobs is 100000, but this machine has"):
        Workers(100_000)


def test_verify_with_few_files_keeps_every_receipt(tmp_path: Path, videos: Path) -> None:
    invoked = CliRunner().invoke(app, ["extract", str(videos), "-o", str(tmp_path / "work"), "-j", "1"])
    assert invoked.exit_code == 0
    receipts = sorted(tmp_path.glob("work/frames/*/0*.json"))
    for path in receipts:
        path.with_suffix(".h5").chmod(0)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = max(int(name) for name in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 4, before[1]))
    try:
        CliRunner().invoke(app, ["verify", str(tmp_path / "work"), "-j", "8"])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert sorted(tmp_path.glob("work/frames/*/0*.json")) == receipts


@pytest.mark.parametrize("number", streams.ENDING_SIGNALS)
def test_interrupt_before_anything_was_begun_is_one_line(number: signal.Signals) -> None:
    program = "import os, signal, sys; from fame_cli import streams;"
    # Whoever runs the tests may ignore signals, which processes inherit.
    program += f"signal.signal({int(number)}, signal.SIG_DFL); streams.interrupts_end_at_once();"
    program += f"os.kill(os.getpid(), {int(number)})"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=ENVIRONMENT)
    assert (told.returncode, told.stderr) == (130, "interrupted before anything was begun.\n")


def test_signals_that_are_ignored_stay_ignored() -> None:
    program = "import signal; from fame_cli import streams; streams.interrupts_end_at_once();"
    program += "print(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN)"
    told = subprocess.run(
        ["nohup", sys.executable, "-c", program], capture_output=True, text=True, env=ENVIRONMENT
    )
    assert told.stdout == "True\n"


@pytest.mark.parametrize("folder", ["results", "pictures", "."])
def test_first_write_into_a_folder_removes_what_dead_writers_left(tmp_path: Path, folder: str) -> None:
    place = tmp_path / folder / "a.json"
    place.parent.mkdir(exist_ok=True)
    dead = subprocess.Popen(["true"])
    dead.wait()
    mine = temporary_path(place)
    left = mine.with_name(mine.name.rpartition("-")[0] + f"-{dead.pid}.tmp")
    left.touch()
    remove_abandoned_once.cache_clear()
    write_text(place, "whole")
    assert [path.name for path in place.parent.iterdir() if path.is_file()] == ["a.json"]
