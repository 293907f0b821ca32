"""The folder of a training run: what it was asked to do, what it measured, and where it stands."""

import contextlib
import json
import platform
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w

from fame_cli import stage
from fame_cli.configuration import flatten
from fame_cli.data.manifest import is_work
from fame_cli.disk import remove_abandoned, write_json, write_text
from fame_cli.errors import ArtefactError, ConfigurationError
from fame_cli.learning.pretraining_set import SET_FILE, PretrainingSet, read_set, write_set

SCHEMA_VERSION = 2


class RunFolder:
    """Paths and records of a run.

    Args:
        folder: where they are.
        writes: whether this process may write; of several that train together only the first does.
    """

    def __init__(self, folder: Path, *, writes: bool = True) -> None:
        self.folder = folder
        self.writes = writes
        self.config = folder / "config.toml"
        self.checkpoint = folder / "checkpoints" / "last.pt"
        self.backbone = folder / "backbone.safetensors"
        self.pretraining_set = folder / SET_FILE
        self.metrics = folder / "metrics.jsonl"
        self.tensorboard = folder / "tensorboard"

    def begin(
        self, pretrain: Mapping[str, Any], data: Mapping[str, str], videos: PretrainingSet, resume: bool
    ) -> None:
        """Write what the run is asked to do, or see that a run which is there was asked the same.

        Raises ConfigurationError where the folder holds a run of other options, or an unfinished one that
        is not to be resumed; ArtefactError where its options are lost, or the data is no longer the same.
        """
        if not self.writes:
            return
        if is_work(self.folder):
            raise ConfigurationError(
                f"{self.folder} is a WORK folder: it holds a manifest.csv.",
                "Give the run a folder of its own with -o.",
            )
        if not self.config.exists():
            if self.checkpoint.exists() or self.backbone.exists():
                raise ArtefactError(
                    f"{self.config} is missing, so that nobody knows what this run was asked to do.",
                    "Copy it back, or choose another folder with -o.",
                )
            self.folder.mkdir(parents=True, exist_ok=True)
            write_json(self.folder / "environment.json", environment())
            write_set(self.pretraining_set, videos)
            record = {"schema_version": SCHEMA_VERSION, "pretrain": dict(pretrain), "data": dict(data)}
            write_text(self.config, tomli_w.dumps(record))
            return
        before = self.read()
        if changes := differences(before["pretrain"], pretrain):
            raise ConfigurationError(
                f"{self.folder} holds a run with other options: {changes}.",
                "Choose another folder with -o, or give the options it was begun with.",
            )
        if changes := differences(before["data"], data):
            raise ArtefactError(
                f"the data of {self.folder} has changed since the run began: {changes}.",
                "Choose another folder with -o: a run on other data is another run.",
            )
        seen = read_set(self.pretraining_set)
        if seen is not None and seen.videos != videos.videos:
            raise ArtefactError(
                f"{self.folder} began with {len(seen.videos)} videos to learn from, which are not the "
                f"{len(videos.videos)} that the manifest names for its split now.",
                "Extract with the split that it was begun with, or choose another folder with -o.",
            )
        if not (resume or self.backbone.exists()):
            raise ConfigurationError(
                f"{self.folder} holds a run that is not finished.",
                "Add --resume to go on with it, or choose another folder with -o.",
            )

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process, if it is the one that writes, cleared of what a kill left."""
        if not self.writes:
            yield
            return
        with stage.locked(self.folder):
            for folder in (self.folder, self.checkpoint.parent):
                remove_abandoned(folder)
            yield

    def read(self) -> dict[str, Any]:
        """The run's ``config.toml``; raises ArtefactError where it cannot be read."""
        try:
            record = tomllib.loads(self.config.read_text(encoding="utf-8"))
            found = record["pretrain"], record["data"], record["schema_version"]
        except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
            raise ArtefactError(
                f"{self.folder} is not the folder of a run: {self.config.name} cannot be read ({error}).",
                "Give the folder that fame pretrain made with -o.",
            ) from error
        if found[-1] != SCHEMA_VERSION:
            raise ArtefactError(
                f"{self.config} has schema version {found[-1]}, this version reads {SCHEMA_VERSION}.",
                "Begin another run with -o; weights of the old one are still read by fame eval --weights.",
            )
        return record

    def note(self, line: str) -> None:
        """Add a line with the time to ``log.txt``."""
        if not self.writes:
            return
        with (self.folder / "log.txt").open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {line}\n")

    def read_metrics(self) -> list[dict[str, float]]:
        """The rows of ``metrics.jsonl``, one a step; a last line that a kill cut short is left out."""
        if not self.metrics.exists():
            return []
        rows = []
        for line in self.metrics.read_text(encoding="utf-8").splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:
                break
        return rows

    def last_metrics(self) -> dict[str, float]:
        """The last of these rows; raises ArtefactError where there is none."""
        if not (rows := self.read_metrics()):
            raise ArtefactError(
                f"{self.metrics} is missing or damaged in its first line.",
                "Copy it again. The run's weights are as they were: fame eval needs them alone.",
            )
        return rows[-1]

    def cut_metrics(self, first_step: int) -> None:
        """Forget what was measured after the checkpoint: those steps are done again."""
        if not self.writes:
            return
        rows = [row for row in self.read_metrics() if row["step"] < first_step]
        write_text(self.metrics, "".join(json.dumps(row) + "\n" for row in rows))

    def add_metrics(self, rows: Sequence[Mapping[str, float]]) -> None:
        if not self.writes:
            return
        with self.metrics.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What two records say differently; of a section with another method, that alone."""
    chosen = [key for key, value in now.items() if isinstance(value, Mapping)]
    for key in chosen:
        if before.get(key, {}).get("name") != now[key]["name"]:
            before, now = ({**record, key: {"name": record[key]["name"]}} for record in (before, now))
    before, now = flatten(before), flatten(now)
    names = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    return ", ".join(f"{name} was {before.get(name)!r}, is {now.get(name)!r}" for name in names)


def environment() -> dict[str, Any]:
    """Versions and machine, for whoever wants to know later what a figure was made with."""
    import torch
    import torchvision

    from fame_cli import __version__

    return {
        "fame": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "platform": platform.platform(),
        "cpu_threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "",
    }
