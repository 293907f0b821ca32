"""Where figures and pictures of a training go besides metrics.jsonl: TensorBoard, and W&B or MLflow if asked.

Weights & Biases and MLflow write below RUN, and send nothing anywhere, unless their own environment variables
say otherwise. A run that goes on continues what it was tracked as.
"""

import importlib.util
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch.utils.tensorboard import SummaryWriter

from fame_cli.config import TrackerName
from fame_cli.disk import write_json
from fame_cli.errors import ArtefactError, ConfigurationError, FameError
from fame_cli.learning.run import RunFolder

Picture = np.ndarray[Any, np.dtype[np.uint8]]
"""(H, W, 3) RGB."""

IDS_FILE = "trackers.json"
"""In RUN: what a tracker calls the run, by the tracker's name."""

SECONDS_TOGETHER, MOST_TOGETHER = 5, 1000
"""Figures go to MLflow so many seconds' at once, as each call takes long, and at most so many."""

PROJECT = "fame"
"""Under which a tracker lists runs, unless its environment variable names another."""


class Tracker(Protocol):
    """What figures and pictures are handed to."""

    def add_figures(self, step: int, figures: Mapping[str, float]) -> None: ...

    def add_picture(self, step: int, name: str, picture: Picture) -> None: ...

    def close(self, finished: bool) -> None: ...


class TensorBoard:
    """``RUN/tensorboard``; from ``first_step`` on it forgets what was logged before."""

    def __init__(self, folder: RunFolder, first_step: int | None = None) -> None:
        # What was logged after the checkpoint is done again.
        self.writer = SummaryWriter(str(folder.tensorboard), purge_step=first_step)

    def add_figures(self, step: int, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            self.writer.add_scalar(name, value, step)

    def add_picture(self, step: int, name: str, picture: Picture) -> None:
        self.writer.add_image(name, picture, step, dataformats="HWC")

    def close(self, finished: bool) -> None:  # noqa: ARG002
        self.writer.close()


class Wandb:
    """Weights & Biases: ``RUN/wandb`` in offline mode, or as WANDB_MODE says."""

    def __init__(self, folder: RunFolder, options: Mapping[str, Any]) -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb

        self.image = wandb.Image
        name = folder.folder.resolve().name
        self.run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=name,
            id=tracked_id(folder, "wandb", lambda: os.urandom(4).hex()),
            dir=str(folder.folder),
            config=dict(options),
            mode=os.environ.get("WANDB_MODE", "offline"),
            resume="allow",
            settings=wandb.Settings(silent=True, console="off"),
        )
        # Its own count of steps never goes back, as a run does that goes on from a checkpoint.
        self.run.define_metric("*", step_metric="step")

    def add_figures(self, step: int, figures: Mapping[str, float]) -> None:
        self.run.log({"step": step, **figures})

    def add_picture(self, step: int, name: str, picture: Picture) -> None:
        self.run.log({"step": step, name: self.image(picture)})

    def close(self, finished: bool) -> None:
        self.run.finish(exit_code=0 if finished else 1)


class Mlflow:
    """MLflow: ``RUN/mlflow``, or where MLFLOW_TRACKING_URI says."""

    def __init__(self, folder: RunFolder, options: Mapping[str, Any]) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow.entities import Metric, Param
        from mlflow.tracking import MlflowClient

        # It tells of each table that it creates; its import sets a level of its own.
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        self.metric = Metric
        self.waiting: list[Any] = []
        self.sent_at = time.monotonic()
        place = (folder.folder / "mlflow").absolute()
        elsewhere = os.environ.get("MLFLOW_TRACKING_URI")
        if not elsewhere:
            place.mkdir(exist_ok=True)
        self.client = MlflowClient(tracking_uri=elsewhere or f"sqlite:///{place}/mlflow.db")

        def create() -> str:
            project = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
            known = self.client.get_experiment_by_name(project)
            artefacts = None if elsewhere else (place / "artifacts").as_uri()
            experiment = known.experiment_id if known else self.client.create_experiment(project, artefacts)
            run = self.client.create_run(experiment, run_name=folder.folder.resolve().name)
            params = [Param(key, str(value)) for key, value in options.items()]
            self.client.log_batch(run.info.run_id, params=params)
            return str(run.info.run_id)

        self.id = tracked_id(folder, "mlflow", create)
        self.client.update_run(self.id, status="RUNNING")

    def add_figures(self, step: int, figures: Mapping[str, float]) -> None:
        now = int(time.time() * 1000)
        self.waiting += [self.metric(name, value, now, step) for name, value in figures.items()]
        if time.monotonic() - self.sent_at > SECONDS_TOGETHER or len(self.waiting) > MOST_TOGETHER // 2:
            self.send()

    def send(self) -> None:
        self.sent_at = time.monotonic()
        while self.waiting:
            self.client.log_batch(self.id, metrics=self.waiting[:MOST_TOGETHER])
            self.waiting = self.waiting[MOST_TOGETHER:]

    def add_picture(self, step: int, name: str, picture: Picture) -> None:
        self.client.log_image(self.id, picture, key=name, step=step)

    def close(self, finished: bool) -> None:
        self.send()
        self.client.set_terminated(self.id, "FINISHED" if finished else "KILLED")


TRACKERS: dict[str, Callable[[RunFolder, Mapping[str, Any]], Tracker]] = {
    "wandb": Wandb,
    "mlflow": Mlflow,
}


def require_tracker(name: TrackerName) -> None:
    """Raise ConfigurationError where the package of a tracker is not installed."""
    if name in TRACKERS and importlib.util.find_spec(name) is None:
        raise ConfigurationError(
            f"--track {name} needs the package {name}, which is not installed.",
            f"pip install 'fame-cli[{name}]'",
        )


def open_tracker(name: str, folder: RunFolder, options: Mapping[str, Any]) -> Tracker:
    """A tracker of a run, of the same tracked run where there is one.

    Raises FameError where it cannot be opened.
    """
    try:
        return TRACKERS[name](folder, options)
    except FameError:
        raise
    except Exception as error:  # whatever another program's package raises
        raise FameError(
            f"--track {name}: {type(error).__name__}: {error}",
            f"Check its environment variables ({name.upper()}_…), or go on without --track.",
        ) from error


def tracked_id(folder: RunFolder, name: str, create: Callable[[], str]) -> str:
    """What a tracker calls this run: as recorded in RUN, or else as ``create`` makes it."""
    known = read_ids(folder.folder)
    if name not in known:
        known[name] = create()
        write_json(folder.folder / IDS_FILE, known)
    return known[name]


def read_ids(run: Path) -> dict[str, str]:
    """By the name of each tracker, what it calls the run; none where it was never tracked."""
    path = run / IDS_FILE
    try:
        return {str(name): str(value) for name, value in json.loads(path.read_text("utf-8")).items()}
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError) as error:
        raise ArtefactError(
            f"{path}: cannot be read ({error}).", "Delete it: the run is then tracked as a new one."
        ) from error


def add_pictures(folder: RunFolder, pictures: Mapping[str, Picture]) -> list[str]:
    """Add pictures to all that a training was logged to, at its last step; returns to what.

    Nothing where it was logged to nothing, or to a tracker that is not installed here.
    """
    step = int(folder.last_metrics()["step"])
    opened: dict[str, Tracker] = {}
    if folder.tensorboard.is_dir():
        opened["TensorBoard"] = TensorBoard(folder)
    for name in TRACKERS:
        if name in read_ids(folder.folder) and importlib.util.find_spec(name):
            opened[name] = open_tracker(name, folder, {})
    for kind, tracker in opened.items():
        try:
            for name, picture in pictures.items():
                tracker.add_picture(step, name, picture)
            tracker.close(finished=True)
        except Exception as error:  # whatever another program's package raises
            raise FameError(f"{kind} took no picture: {type(error).__name__}: {error}") from error
    return list(opened)
