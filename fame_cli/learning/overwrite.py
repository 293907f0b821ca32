"""What ``--overwrite`` removes: all that a pretraining and its evaluations wrote to a RUN folder."""

import shutil
from pathlib import Path

from fame_cli.data.manifest import is_work
from fame_cli.learning.run import CONFIG_FILE, is_run
from fame_cli.lock import locked
from fame_cli.record import RECORD_FILE

WRITTEN = (
    RECORD_FILE,
    *("backbone*.safetensors", "checkpoints", "metrics.jsonl", "key_leak.json", "pretraining_set.json"),
    *("environment.json", "log.txt", "tensorboard", "features", "evaluations", "results", "pictures"),
    *("trackers.json", "wandb", "mlflow"),
    "report.html",
    # Last: as long as it is there, whoever interrupted this finds a run that is not finished.
    CONFIG_FILE,
)
"""In the order of their removal; other files of the folder are left alone."""


def remove_run(run: Path) -> None:
    """Remove a run and its results, and nothing else of its folder; nothing where there is no run.

    Raises FameError where a process is at work on it.
    """
    if is_work(run) or not is_run(run):
        return
    with locked(run):
        for pattern in WRITTEN:
            for path in sorted(run.glob(pattern)):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
