"""Whole commands that are killed at random moments and run again: their end is that of a straight run."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import moving_square, write_video

VIDEOS = 24
"""Three shards."""
POLL_SECONDS = 0.002
MOST_CHANGES, MOST_SECONDS = 16, 0.03
"""Changes of files after which a command is killed, and the pause after them."""
PATIENCE_SECONDS = 120

Start = Callable[[Path], subprocess.Popen[bytes]]


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A WORK folder in which both commands ran undisturbed."""
    folder = tmp_path_factory.mktemp("kill")
    for number in range(VIDEOS):
        frames = moving_square(40, (10 * number, 90, 200), seed=number)
        write_video(folder / "videos" / ("even", "odd")[number % 2] / f"{number:02d}.avi", frames)
    for start in (extract, masks):
        assert start(folder / "work").wait(PATIENCE_SECONDS) == 0
    return folder / "work"


def extract(work: Path) -> subprocess.Popen[bytes]:
    return command("extract", work.parent / "videos", "-o", work)


def masks(work: Path) -> subprocess.Popen[bytes]:
    return command("masks", work, "--clip-frames", 4, "--hop-frames", 4)


def command(*arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "fame_cli", *map(str, arguments), "-j", "2"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


def contents(work: Path) -> dict[str, object]:
    """Every file of a WORK folder by its path: bytes, or of a receipt what does not tell the time."""
    files = [path for path in sorted(work.rglob("[!.]*")) if path.is_file()]
    found: dict[str, object] = {path.relative_to(work).as_posix(): path.read_bytes() for path in files}
    for name in found:
        if name.endswith(".json") and Path(name).stem.isdigit():
            found[name] = {**json.loads((work / name).read_text()), "modified_ns": 0, "seal": ""}
    return found


def state(work: Path) -> dict[Path, int]:
    """When each file was last written, hidden ones too."""
    found = {}
    for folder, _, names in os.walk(work):
        for path in (Path(folder, name) for name in names):
            try:
                found[path] = path.stat().st_mtime_ns
            except FileNotFoundError:  # it has got its name, or was removed
                found[path] = 0
    return found


def wait_for_changes(process: subprocess.Popen[bytes], work: Path, changes: int) -> None:
    """Until a command has written, renamed or removed files so many times, or has ended."""
    ending = time.monotonic() + PATIENCE_SECONDS
    before = state(work)
    while changes and process.poll() is None:
        assert time.monotonic() < ending, "it does not go on"
        time.sleep(POLL_SECONDS)
        if (now := state(work)) != before:
            before, changes = now, changes - 1


def assert_shards_are_whole(work: Path, straight: Path) -> None:
    """A shard that has its name has all of its bytes, whatever was killed and whoever lives on."""
    for shard in work.rglob("[!.]*.h5"):
        assert shard.read_bytes() == (straight / shard.relative_to(work)).read_bytes()


@pytest.mark.parametrize(("start", "kills", "makes"), [(extract, 12, ""), (masks, 8, "statistics")])
def test_command_killed_at_random_moments_ends_as_a_straight_run(
    straight: Path, start: Start, kills: int, makes: str
) -> None:
    expected = contents(straight)
    if start is extract:
        expected = {name: held for name, held in expected.items() if not name.startswith("statistics/")}
    generator = np.random.default_rng(kills)
    folders = (straight.parent / f"{start.__name__}-{number}" for number in itertools.count())

    def fresh() -> Path:
        """A folder as before the command; a new one, since who outlived a kill may write to the last."""
        work = next(folders)
        if makes:
            shutil.copytree(straight, work, ignore=shutil.ignore_patterns(makes, ".*"))
        return work

    work = fresh()
    while kills:
        process = start(work)
        # By time alone, most moments would fall to its imports, when nothing can be lost yet.
        wait_for_changes(process, work, int(generator.integers(1, MOST_CHANGES)))
        time.sleep(generator.uniform(0, MOST_SECONDS))
        process.kill()
        code = process.wait()
        assert_shards_are_whole(work, straight)
        if code == -signal.SIGKILL:
            kills -= 1
        else:
            assert code == 0
            assert contents(work) == expected
            work = fresh()
    assert start(work).wait(PATIENCE_SECONDS) == 0
    assert contents(work) == expected
