"""Kills at random moments of every stage: nothing finished is lost, nothing half-written stays.

    python -m benchmarks.kills VIDEOS --count 200

Every command of the pipeline is run once without a kill, on a copy of a few videos. Then one of them is begun
again from the state before it, killed with SIGKILL (all of its processes at once) at a random moment, and run
again until it ends. Its folders must then hold the same files with the same content as without the kill, and
shards that were signed before the kill must not have been made again.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fame_cli.evaluation.results import read_result
from fame_cli.learning.metrics import read_metrics

CLIPS = ["--clip-frames", "4", "--frame-stride", "2"]
SQUARE = [*CLIPS, "--crop-px", "32"]
TRAINING = [*SQUARE, "--backbone", "small", "--batch-size", "4", "--steps", "12", "--queue-length", "8"]
EVALUATION = [*SQUARE, "--clips", "2", "--device", "cpu"]
STAGES = {
    "extract": ["extract", "videos", "-o", "work", "--short-side-px", "64"],
    "masks": ["masks", "work", *CLIPS, "--map-short-side-px", "32"],
    "pretrain": ["pretrain", "work", "-o", "run", *TRAINING, "--device", "cpu", "--checkpoint-seconds", "0"],
    "linear": ["eval", "linear", "work", "run", *EVALUATION, "--train-on", "features", "--epochs", "5"],
    "finetune": ["eval", "finetune", "work", "run", *EVALUATION, "--epochs", "2", "--batch-size", "4"],
    "retrieval": ["eval", "retrieval", "work", "run", *EVALUATION],
    "knn": ["eval", "knn", "work", "run", *EVALUATION],
    "bias": ["eval", "bias", "work", "run", *EVALUATION, "--epochs", "2"],
    "embed": ["embed", "work", "run", "-o", "run/features.npz", *EVALUATION],
    "export": ["export", "run", "-o", "run/exported", "--to", "hub", "--overwrite"],
    "pictures": ["visualize", "masks", "work", "--count", "2", "-o", "run/pictures"],
    "report": ["report", "run"],
}
DIFFERENT_EACH_TIME = {".json", ".txt", ".toml", ".html", ".csv", ".v2"}
"""Files that tell times: their names are compared, and of results the figures."""


@dataclass(frozen=True)
class State:
    """What the folders hold after a command."""

    content: dict[str, object]
    """By path what has to be equal, however often a command was killed."""
    signed: dict[str, int]
    """Modification time of each signed shard."""


RESUME = ["pretrain", "--resume", "run", "--device", "cpu", "--checkpoint-seconds", "0"]


def fame(place: Path, words: list[str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "fame_cli", *words]
    return subprocess.Popen(
        command,
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(stage: str, place: Path) -> str:
    """Run a command to its end, as its user would after a kill; returns what it said if it failed."""
    resume = stage == "pretrain" and (place / "run" / "config.toml").exists()
    running = fame(place, RESUME if resume else STAGES[stage])
    said, _ = running.communicate()
    return f"exit code {running.returncode}: {said[-500:]}" if running.returncode else ""


def look(place: Path) -> State:
    content: dict[str, object] = {}
    for path in sorted(found for found in place.rglob("*") if found.is_file()):
        below = str(path.relative_to(place))
        if below.startswith("videos") or "tensorboard" in below:
            continue
        content[below] = content_of(path)
    return State(content, find_signed(place))


def content_of(path: Path) -> object:
    if path.parent.name == "results":
        return {name: figure.percent for name, figure in read_result(path).figures.items()}
    if path.name == "metrics.jsonl":
        return [(row["step"], row["loss"]) for row in read_metrics(path).rows]
    if path.suffix in DIFFERENT_EACH_TIME or path.name in (".lock", "last.pt", "index.npz"):
        return "there"
    return path.read_bytes()


def prepare(videos: Path, place: Path) -> tuple[dict[str, State], dict[str, float]]:
    """Run all commands once in ``place/now``; keeps the state before each beside it.

    Returns what the folders held after each command, and the seconds that it took.
    """
    shutil.copytree(videos, place / "now" / "videos")
    states, seconds = {}, {}
    for stage in STAGES:
        shutil.copytree(place / "now", place / f"before {stage}")
        begun = time.monotonic()
        if failure := finish(stage, place / "now"):
            sys.exit(f"{stage} without a kill: {failure}")
        seconds[stage] = time.monotonic() - begun
        states[stage] = look(place / "now")
    return states, seconds


def kill_once(stage: str, place: Path, after: float, whole: State) -> str:
    """What became of a command killed after some seconds: "well", or what is wrong."""
    now = place / "now"  # always here: folders remember where their videos are
    shutil.rmtree(now)
    shutil.copytree(place / f"before {stage}", now)
    running = fame(now, STAGES[stage])
    time.sleep(after)
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()
    killed = find_signed(now)
    if failure := finish(stage, now):
        return f"failed, {failure}"
    return "; ".join(compare(killed, look(now), whole)) or "well"


def find_signed(place: Path) -> dict[str, int]:
    """When each signed shard was written."""
    return {
        str(path.relative_to(place)): path.stat().st_mtime_ns
        for path in place.rglob("*.h5")
        if path.with_suffix(".json").exists()
    }


def compare(killed: dict[str, int], state: State, whole: State) -> Iterator[str]:
    again = [path for path, made in killed.items() if state.signed.get(path) != made]
    if again:
        yield f"lost: {', '.join(again)}"
    if lacking := sorted(whole.content.keys() - state.content.keys()):
        yield f"missing: {', '.join(lacking)}"
    if over := sorted(state.content.keys() - whole.content.keys()):
        yield f"left over: {', '.join(over)}"
    for path in whole.content.keys() & state.content.keys():
        if whole.content[path] != state.content[path]:
            yield f"different: {path}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("videos", type=Path, help="folder with train and test videos in class folders")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stages", nargs="+", choices=list(STAGES), default=list(STAGES))
    given = parser.parse_args()
    chance = random.Random(given.seed)
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        states, seconds = prepare(given.videos, place)
        for number in range(given.count):
            stage = given.stages[number % len(given.stages)]
            after = chance.uniform(0, 1.05 * seconds[stage])
            what = kill_once(stage, place, after, states[stage])
            counts["well" if what == "well" else "not well"] += 1
            if what != "well":
                print(f"{stage} killed after {after:.2f} of {seconds[stage]:.2f} s: {what}", flush=True)
    print(*(f"{count} {what}" for what, count in counts.items()), sep=", ")
    sys.exit(counts["not well"] > 0)


if __name__ == "__main__":
    main()
