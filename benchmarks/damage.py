"""Random damage to every kind of file of a WORK and a RUN folder: each is noticed and named, or harmless.

    python -m benchmarks.damage WORK RUN --count 200

A damage is done to a copy: a byte flipped, a piece cut off or overwritten, a file emptied, removed or
exchanged for another of its kind, always with the modification time that the file had. Then the commands that
read both folders are run, and ``fame verify``. Whatever they make must be what they make of the undamaged
folders, or the damaged file must have been named. Anything else is silent, and counts against the toolkit, as
does exit code 70.
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from fame_cli.cli.app import app
from fame_cli.evaluation.results import read_result

BUG = 70
UNREAD = (".", "log.txt", "tensorboard", "report.html", "check.csv")
"""For people to read, and made into nothing."""

Damage = Callable[[Path, random.Random], None]


def flip(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def cut(path: Path, chance: random.Random) -> None:
    os.truncate(path, chance.randrange(path.stat().st_size))


def overwrite(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    start = chance.randrange(len(content))
    piece = chance.randbytes(min(64, len(content) - start))
    content[start : start + len(piece)] = piece
    path.write_bytes(content)


def empty(path: Path, _chance: random.Random) -> None:
    path.write_bytes(b"")


def remove(path: Path, _chance: random.Random) -> None:
    path.unlink()


def exchange(path: Path, chance: random.Random) -> None:
    """Put another file of the same kind in its place."""
    others = [other for other in sorted(path.parent.glob(f"*{path.suffix}")) if other != path]
    if others:
        path.write_bytes(chance.choice(others).read_bytes())


def change_digit(path: Path, chance: random.Random) -> None:
    """As a hand would edit a text: the file stays well-formed."""
    content = bytearray(path.read_bytes())
    digits = [place for place, byte in enumerate(content) if 48 <= byte < 58]
    if digits:
        place = chance.choice(digits)
        content[place] = 48 + (content[place] - 48 + chance.randrange(1, 10)) % 10
        path.write_bytes(content)


DAMAGES: tuple[Damage, ...] = (flip, flip, cut, overwrite, empty, remove, exchange, change_digit)


@dataclass(frozen=True)
class Told:
    """What commands said of a WORK and a RUN folder, and what they made of them."""

    codes: tuple[int, ...]
    complaints: str
    """Errors and warnings."""
    made: tuple[object, ...]


def fame(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.output


def use(work: Path, run: Path, into: Path) -> Told:
    """Verify both folders, and run what reads them."""
    commands = [
        ("eval", "knn", work, run, "--clips", 2, "--device", "cpu"),
        ("status", work),
        ("status", run),
        ("visualize", "curves", run, "-o", into),
        ("visualize", "masks", work, "--count", 2, "-o", into),
        ("report", run, "-o", into),
        ("verify", work, "-j", 1),
        ("verify", run, "-j", 1),
    ]
    codes, said = zip(*(fame(*command) for command in commands), strict=True)
    complaints = [line for line in "\n".join(said).splitlines() if line.startswith(("error:", "warning:"))]
    pictures = [path.read_bytes() for name in ("curves", "masks") if (path := into / f"{name}.png").exists()]
    figures = (
        [] if codes[0] else [read_result(path).figures for path in sorted(run.glob("results/knn*.json"))]
    )
    return Told(codes, "\n".join(complaints), (codes, *pictures, figures))


def files_of(folder: Path) -> list[Path]:
    """Every file that something is read from, one place in the list for each kind of file before others."""
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(UNREAD) for part in path.relative_to(folder).parts)
    ]
    return sorted(found, key=lambda path: (path.suffix, path.name))


def damages(work: Path, run: Path, count: int, seed: int) -> Iterator[tuple[str, Path, Damage, int]]:
    """Which file of which folder is damaged how: all kinds of file in turn."""
    kinds: dict[tuple[str, str, str], list[Path]] = {}
    for name, folder in (("work", work), ("run", run)):
        for path in files_of(folder):
            below = path.relative_to(folder)
            kinds.setdefault((name, below.parts[0], path.suffix), []).append(below)
    chance = random.Random(seed)
    for number in range(count):
        name, *_ = kind = list(kinds)[number % len(kinds)]
        yield name, chance.choice(kinds[kind]), chance.choice(DAMAGES), chance.randrange(2**32)


def one(work: Path, run: Path, name: str, below: Path, damage: Damage, seed: int, whole: Told) -> str:
    """What became of one damage: named, harmless, silent, or a bug."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        shutil.copytree(work, place / "work")
        shutil.copytree(run, place / "run")
        target = place / name / below
        before, content = target.stat(), target.read_bytes()
        damage(target, random.Random(seed))
        if target.exists():
            os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))
        told = use(place / "work", place / "run", place / "made")
        if BUG in told.codes:
            return "bug"
        if is_named(below, told.complaints):
            return "named"
        same = target.exists() and target.read_bytes() == content
        return "harmless" if same or told.made == whole.made else "silent"


def is_named(below: Path, complaints: str) -> bool:
    """Whether a line tells of the file, or of the shard whose receipt it is, in its own folder."""
    names = (below.name, f"{below.stem}.h5")
    return any(
        below.parent.name in line and any(name in line for name in names) for line in complaints.splitlines()
    )


def damage_all(work: Path, run: Path, count: int, seed: int = 0) -> tuple[Counter[str], list[str]]:
    """How many damages were named, harmless, silent or a bug, and which were of the latter two."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        shutil.copytree(work, place / "work")
        shutil.copytree(run, place / "run")
        whole = use(place / "work", place / "run", place / "made")
    counts: Counter[str] = Counter()
    wrong = []
    for name, below, damage, own_seed in damages(work, run, count, seed):
        what = one(work, run, name, below, damage, own_seed, whole)
        counts[what] += 1
        if what in ("silent", "bug"):
            wrong.append(f"{what}: {damage.__name__} {name}/{below} (seed {own_seed})")
    return counts, wrong


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    counts, wrong = damage_all(given.work, given.run, given.count, given.seed)
    print(*(f"{count} {what}" for what, count in counts.most_common()), sep=", ")
    print(*wrong, sep="\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
