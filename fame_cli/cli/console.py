"""What the terminal shows: messages, progress, tables; and the one place where errors become exit codes."""

import contextlib
import errno
import functools
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from fame_cli import streams
from fame_cli.cli.voice import VOICE
from fame_cli.errors import BUG, INTERRUPTED, FameError, MachineError
from fame_cli.libraries import advice

LOG_LINE_SECONDS = 15
"""Where output is not a terminal, progress is a plain line at most this often."""

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def is_debugging() -> bool:
    return os.environ.get("FAME_DEBUG", "") not in ("", "0")


def visible(text: object) -> str:
    """The text with whatever a terminal would obey rather than show written out: a name may hold anything.

    Line breaks and tabs stay: messages and recipes are made of lines.
    """
    named = str(text).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else repr(letter)[1:-1] for letter in named
    )


def escape_markup(text: object) -> str:
    """The same with square brackets that rich does not take for its own."""
    return escape(visible(text))


def say(message: str) -> None:
    """One plain line on standard output, about what is done; not with --quiet."""
    if not VOICE.quiet:
        (err if VOICE.as_json else out).print(escape_markup(message))


def heading(text: str) -> None:
    """A line above what belongs together, on standard output; not with --quiet."""
    if not VOICE.quiet:
        (err if VOICE.as_json else out).print(f"[bold]{escape_markup(text)}[/bold]")


def detail(message: str) -> None:
    """A line for those who asked for more with --verbose, on standard error."""
    if VOICE.verbose:
        err.print(escape_markup(message))


def output(text: str) -> None:
    """What a command was asked for, on standard output."""
    (err if VOICE.as_json else out).print(escape_markup(text))


def say_json(value: object) -> None:
    """A value as JSON on standard output, in ASCII, so that it can be read whatever names are in it."""
    print(json.dumps(value, indent=1))


def warn(message: str) -> None:
    err.print(f"[yellow]warning:[/yellow] {escape_markup(message)}")


def guard(command: Callable[..., int | None]) -> Callable[..., None]:
    """Run a command; turn its errors into one message and an exit code, and its result into an exit code."""

    @functools.wraps(command)
    def run(*args: object, **options: object) -> None:
        streams.interrupts_save_first()
        try:
            code = command(*args, **options) or 0
        except FameError as error:
            code = explain(error)
        except KeyboardInterrupt as interrupt:
            how = str(interrupt) or "Run the same command again."
            err.print(f"interrupted; finished shards, checkpoints and results are kept. {escape_markup(how)}")
            code = INTERRUPTED
        except Exception as error:  # noqa: BLE001
            code = refuse(error)
        finally:
            VOICE.reset()
        raise typer.Exit(code)

    return run


def explain(error: FameError) -> int:
    if is_debugging():
        err.print_exception()
    err.print(f"[bold red]error:[/bold red] {escape_markup(error.message)}")
    if error.hint:
        err.print(escape_markup(error.hint))
    if isinstance(error, MachineError):
        err.print("What else this machine may lack: fame doctor")
    return error.exit_code


def refuse(error: Exception) -> int:
    """Say what a machine has no more of, or its system does not allow; what is left is a bug of ours."""
    from fame_cli.limits import find_limit

    if limit := find_limit(error):
        return explain(limit)
    if isinstance(error, OSError) and error.strerror:
        where = error.filename if error.filename is not None else "a file"
        hint = "Check the path, and who may read and write there."
        if error.errno in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR):
            hint = "A file is where a folder is needed, or the other way round: choose another with -o."
        return explain(FameError(f"{where}: {error.strerror}.", hint))
    return admit(error)


def admit(error: Exception) -> int:
    """Say that something failed that should not: an untested version of a library, or else a bug of ours."""
    told = advice() or "This is a bug."
    if is_debugging():
        err.print_exception()
        err.print(escape_markup(told))
    else:
        what = f"{type(error).__name__}: {error}"
        err.print(f"[bold red]unexpected error:[/bold red] {escape_markup(what)}")
        err.print(escape_markup(told))
        err.print("Run the command again with --debug for the details to report.")
        err.print("What this machine may lack: fame doctor")
    return BUG


class RateColumn(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        return Text(pace(task.speed, self.unit) if task.speed else f"- {self.unit}/s")


def pace(rate: float, unit: str) -> str:
    """Such as "2.5 steps/s", or "4.0 s/step" where each takes more than a second."""
    return f"{rate:.1f} {unit}/s" if rate >= 1 else f"{1 / rate:.1f} s/{unit.removesuffix('s')}"


@contextlib.contextmanager
def progress(title: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """Show how far a stage is: a bar with rate and time left on a terminal, plain lines elsewhere."""
    with progress_with_note(title, unit) as tell:
        yield lambda done, total: tell(done, total, "")


@contextlib.contextmanager
def progress_with_note(title: str, unit: str) -> Iterator[Callable[[int, int, str], None]]:
    """The same with a note, such as the loss, behind it."""
    title = visible(title)
    if VOICE.quiet:
        yield lambda _done, _total, _note: None
        return
    # Where colours are forced, as in notebooks and on CI servers, rich takes a pipe for a terminal.
    if not (err.is_terminal and err.file.isatty()):
        yield plain_lines(title, unit)
        return
    columns = [
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(unit),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    ]
    with Progress(*columns, console=err, transient=True, speed_estimate_period=60) as bar:
        task = bar.add_task(escape(title), total=None, note="")

        def tell(done: int, total: int, note: str) -> None:
            if bar.tasks[task].total is None:
                # What an earlier run did must not count towards this run's rate.
                bar.reset(task, total=total, completed=done, note=note)
            bar.update(task, total=total, completed=done, note=note)

        yield tell


def plain_lines(title: str, unit: str) -> Callable[[int, int, str], None]:
    """Progress as lines for a log: the first, the last, and one every few seconds between."""
    begun: list[tuple[float, int]] = []
    told = [-float(LOG_LINE_SECONDS)]

    def tell(done: int, total: int, note: str) -> None:
        now = time.monotonic()
        begun.append((now, done)) if not begun else None
        if done < total and now - told[0] < LOG_LINE_SECONDS:
            return
        told[0] = now
        rate = (done - begun[0][1]) / max(now - begun[0][0], 1e-9)
        left = f", {duration((total - done) / rate)} left" if rate and done < total else ""
        speed = f" ({pace(rate, unit)}{left})" if rate else ""
        print(f"{title}: {done}/{total}{speed}{'  ' + note if note else ''}", file=sys.stderr, flush=True)

    return tell


def duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def size(count: float) -> str:
    """Bytes in the largest unit that leaves at least 1 of it."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; the first column is text, the others are figures. Not where JSON was asked for."""
    if VOICE.as_json:
        return
    grid = Table(title=escape_markup(title), title_justify="left")
    for number, column in enumerate(columns):
        grid.add_column(escape_markup(column), justify="left" if number == 0 else "right")
    for row in rows:
        grid.add_row(*(escape_markup(cell) for cell in row))
    out.print(grid)
