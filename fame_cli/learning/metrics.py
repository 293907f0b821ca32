"""What a training measured, a row a step (``RUN/metrics.jsonl``), and what is wrong with these rows."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fame_cli import record

NEEDED = ("step", "loss", "chance")
"""What every row tells, whatever else its objective measures."""
TROUBLES_NAMED = 5


@dataclass(frozen=True)
class Metrics:
    """All rows that can be read, in the order of the file."""

    rows: list[dict[str, float]]
    broken: tuple[int, ...]
    """Lines, from 1, that are no rows; not the last one where a kill cut it short."""
    cut_short: bool
    """Whether the last line has no end: the step was done and is not measured."""
    changed: str
    """What the run's record says against the file, if anything."""

    @property
    def gaps(self) -> Iterator[tuple[int, int]]:
        """First and last of steps that were measured and are not there; (n, n − 1) where n comes again."""
        expected = 0
        for row in self.rows:
            if row["step"] != expected:
                yield expected, int(row["step"]) - 1
            expected = int(row["step"]) + 1

    @property
    def troubles(self) -> list[str]:
        """Everything that is wrong, in words."""
        told = [self.changed] if self.changed else []
        told += [f"line {number} cannot be read" for number in self.broken]
        for first, last in self.gaps:
            told.append(
                f"the rows of steps {first} to {last} are missing"
                if first <= last
                else f"step {last + 1} is out of order"
            )
        more = len(told) - TROUBLES_NAMED
        return [*told[:TROUBLES_NAMED], *([f"and {more} more"] if more > 0 else [])]


def read_metrics(path: Path) -> Metrics:
    """Read what can be read; none where the file is not there yet."""
    run = path.parent
    changed = record.change_of(run, path.name)
    if not path.exists():
        return Metrics([], (), False, f"it {changed}" if changed else "")
    content = path.read_bytes()
    lines = content.split(b"\n")
    cut_short = bool(lines.pop())
    rows, broken = [], []
    for number, line in enumerate(lines, start=1):
        row = read_row(line)
        rows.append(row) if row else broken.append(number)
    return Metrics(rows, tuple(broken), cut_short, f"it {changed}" if changed else "")


def read_row(line: bytes) -> dict[str, float]:
    """A row of numbers by name, or nothing where the line is none."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(row, dict) or not all(type(value) in (int, float) for value in row.values()):
        return {}
    if not all(name in row for name in NEEDED) or row["step"] != row["step"] // 1 or row["step"] < 0:
        return {}
    return row
