"""A stage of small slow shards, and a program that runs it and kills it at random moments."""

import os
import random
import signal
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from fame_cli import stage
from fame_cli.shard import Shard

SHARDS = 60
LIVES = 20


def write_slowly(path: Path, task: int) -> dict[str, Any]:
    with path.open("wb") as file:
        for part in range(4):
            file.write(bytes([task, part]) * 500)
            file.flush()
            time.sleep(0.002)
    return {"task": task}


def shards(count: int = SHARDS) -> list[Shard]:
    return [Shard(f"{number:05d}", f"in-{number}", 1, number) for number in range(count)]


def run(folder: Path, workers: stage.Workers, **options: Any) -> stage.Report:
    # By its name as a module: as a program this file is another one, which child processes do not know.
    from killed_stage import write_slowly

    return stage.run(folder, "slow", {}, shards(), write_slowly, workers=workers, **options)


def live_and_die(folder: Path, seconds: float) -> None:
    """Run the stage in a process and kill that ``seconds`` after it finished its first shard."""
    told, tell = os.pipe()
    process = os.fork()
    if process == 0:
        run(folder, stage.Workers(2), progress=lambda *_: os.write(tell, b"."))
        os._exit(0)
    os.close(tell)
    os.read(told, 1)
    os.read(told, 1)
    time.sleep(seconds)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    os.close(told)


if __name__ == "__main__":
    import_module("joblib")  # once, and not in each life
    moments = random.Random(int(sys.argv[2]))
    for _ in range(LIVES):
        live_and_die(Path(sys.argv[1]), moments.uniform(0, 0.02))
