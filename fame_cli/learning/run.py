"""The folder of a training run: what it was asked to do, what it measured, and where it stands."""

import contextlib
import json
import platform
import time
import tomllib
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w

from fame_cli import record, stage
from fame_cli.advice import command
from fame_cli.configuration import flatten
from fame_cli.data.manifest import is_work
from fame_cli.disk import remove_abandoned, translate_os_errors, write_json, write_text
from fame_cli.errors import ArtefactError, ConfigurationError, FameError
from fame_cli.learning.metrics import read_metrics
from fame_cli.learning.pretraining_set import SET_FILE, PretrainingSet, read_set, write_set

SCHEMA_VERSION = 2
CONFIG_FILE = "config.toml"
BACKBONE_FILE = "backbone.safetensors"
KEY_LEAK_FILE = "key_leak.json"
LENGTH = ("epochs", "steps")
"""Options that a finished run can be continued with."""
INITIAL = ("init_from", "init_weights")
"""What ``config.toml`` says of the weights that a run was begun from."""

COPY_BACK = "Copy it back from where the run was made, or pretrain again into another folder with -o."


def is_run(folder: Path) -> bool:
    """Whether a folder is a RUN folder, whole or damaged, of a pretraining or of evaluations alone."""
    signs = (CONFIG_FILE, BACKBONE_FILE, record.RECORD_FILE, "checkpoints/last.pt", "results")
    return any((folder / sign).exists() for sign in signs)


def resume_command(run: Path, processes: int = 1) -> str:
    """What goes on with a run that was stopped, in one process or in several."""
    going_on = command("pretrain", "--resume", run)
    if processes == 1:
        return going_on
    return f"torchrun --nproc-per-node {processes} -m fame_cli {going_on.removeprefix('fame ')}"


def finish_command(work: Path, run: Path) -> str:
    """What goes on with a run that was stopped, or begins one where there is none yet."""
    if not (run / CONFIG_FILE).exists():
        return command("pretrain", work, "-o", run)
    return resume_command(run)


def signed_files(run: Path) -> list[Path]:
    """The files of a run that are signed once they are whole, as far as they are there."""
    others = [*run.glob("results/*.json"), *run.glob("evaluations/*/classifier.safetensors")]
    return [path for path in (*RunFolder(run).files, *sorted(others)) if path.exists()]


class RunFolder:
    """Paths and records of a run.

    Args:
        folder: where they are.
        writes: whether this process may write; of several that train together only the first does.
    """

    def __init__(self, folder: Path, *, writes: bool = True) -> None:
        self.folder = folder
        self.writes = writes
        self.config = folder / CONFIG_FILE
        self.checkpoint = folder / "checkpoints" / "last.pt"
        self.backbone = folder / BACKBONE_FILE
        self.pretraining_set = folder / SET_FILE
        self.environment = folder / "environment.json"
        self.metrics = folder / "metrics.jsonl"
        self.key_leak = folder / KEY_LEAK_FILE
        self.tensorboard = folder / "tensorboard"

    def begin(
        self,
        pretrain: Mapping[str, Any],
        data: Mapping[str, str],
        videos: PretrainingSet,
        resume: bool,
        machine: Mapping[str, Any] | None = None,
    ) -> bool:
        """Write what the run is asked to do, or see that a run which is there was asked the same.

        Returns whether a finished run is asked to be of another length, and else the same.

        Raises ConfigurationError where the folder holds a run of other options, or an unfinished one that
        is not to be resumed; ArtefactError where its options are lost, or the data is no longer the same.
        """
        if not self.writes:
            return False
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
            with translate_os_errors(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
            write_json(self.environment, environment())
            write_set(self.pretraining_set, videos)
            self.write_config(
                {"pretrain": dict(pretrain), "data": dict(data), "machine": dict(machine or {})}
            )
            return False
        before = self.read()
        longer = self.compare_options(before["pretrain"], pretrain, resume)
        # Where the data lies may change, what it is may not. What a run was begun from is in its checkpoint.
        free = {"work", *(INITIAL if resume else ())}
        if changes := differences(*(without(asked, free) for asked in (before["data"], data))):
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
                "Choose another folder with -o, start over with --overwrite, or resume it: "
                f"{resume_command(self.folder)}",
            )
        return longer

    def compare_options(self, before: Mapping[str, Any], now: Mapping[str, Any], resume: bool) -> bool:
        """Whether a finished run is asked to be of another length; ConfigurationError for other changes."""
        changes = differences(before, now)
        of_length = differences(*(without(asked, LENGTH) for asked in (before, now))) == ""
        longer = bool(changes) and of_length and resume and self.backbone.exists()
        if changes and not longer:
            raise ConfigurationError(
                f"{self.folder} holds a run with other options: {changes}.",
                self.way_out(before, now if of_length else None),
            )
        return longer

    def way_out(self, before: Mapping[str, Any], longer: Mapping[str, Any] | None) -> str:
        """What to do where a run is asked for with other options, or (``longer``) another length alone."""
        if longer is None:
            return (
                "Choose another folder with -o for another run, or leave out what differs to resume "
                f"this one: {resume_command(self.folder)}"
            )
        if self.backbone.exists():
            changed = [name for name in LENGTH if longer[name] != before[name]]
            words = [part for name in changed for part in (f"--{name}", longer[name])]
            again = command("pretrain", "--resume", self.folder, *words)
            return f"Choose another folder with -o, or make this run longer: {again}"
        return f"A run is made longer once it is finished. Finish it first: {resume_command(self.folder)}"

    def write_config(self, asked: Mapping[str, Any]) -> None:
        write_text(self.config, tomli_w.dumps({"schema_version": SCHEMA_VERSION, **asked}))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process, if it is the one that writes, cleared of what a kill left."""
        if not self.writes:
            yield
            return
        with stage.locked(self.folder):
            for folder in (self.folder, self.checkpoint.parent):
                remove_abandoned(folder)
            for path in self.files:
                if path.exists():
                    record.require_as_written(path, COPY_BACK)
            if not self.backbone.exists():
                record.withdraw(self.folder, *self.results_of_training)
            try:
                yield
            except BaseException:
                with contextlib.suppress(FameError):  # what ended the training is to be told
                    record.sign(self.folder, *self.files)
                raise
            record.sign(self.folder, *self.files)

    @property
    def files(self) -> tuple[Path, ...]:
        """What is signed when a process lets go of the run: all that anything is read from later."""
        written = (self.config, self.environment, self.pretraining_set, self.metrics)
        return (*written, self.checkpoint, self.backbone, self.key_leak)

    @property
    def results_of_training(self) -> tuple[Path, ...]:
        """What changes as long as the training goes on."""
        return self.checkpoint, self.metrics, self.backbone, self.key_leak

    def read(self) -> dict[str, Any]:
        """The run's ``config.toml``; raises ArtefactError where it cannot be read."""
        if is_work(self.folder):
            raise ArtefactError(
                f"{self.folder} is a WORK folder: it holds a manifest.csv.",
                "Give the RUN of a pretraining.",
            )
        record.require_as_written(self.config, COPY_BACK)
        try:
            asked = tomllib.loads(self.config.read_text(encoding="utf-8"))
            found = asked["pretrain"], asked["data"], asked["schema_version"]
        except (OSError, KeyError, ValueError, RecursionError) as error:
            raise ArtefactError(
                f"{self.folder} is not the folder of a run: {self.config.name} cannot be read ({error}).",
                "Give the folder that fame pretrain made with -o.",
            ) from error
        if found[-1] != SCHEMA_VERSION:
            raise ArtefactError(
                f"{self.config} has schema version {found[-1]}, this version reads {SCHEMA_VERSION}.",
                "Begin another run with -o; weights of the old one are still read by fame eval --weights.",
            )
        return asked

    def read_environment(self) -> dict[str, Any]:
        """Versions and machine that the run was begun on; raises ArtefactError where the file is damaged."""
        record.require_as_written(self.environment, COPY_BACK)
        try:
            return dict(json.loads(self.environment.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, RecursionError) as error:
            raise ArtefactError(f"{self.environment}: cannot be read ({error}).", COPY_BACK) from error

    def note(self, line: str) -> None:
        """Add a line with the time to ``log.txt``."""
        if not self.writes:
            return
        with (self.folder / "log.txt").open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {line}\n")

    def read_metrics(self) -> list[dict[str, float]]:
        """The rows of ``metrics.jsonl`` that can be read; ``metrics_troubles`` tells of others."""
        return read_metrics(self.metrics).rows

    def metrics_troubles(self) -> list[str]:
        """What is wrong with ``metrics.jsonl``, in words: broken lines, missing steps, bytes that changed."""
        measured = read_metrics(self.metrics)
        ended_within = ["its last line has no end"] if measured.cut_short and self.backbone.exists() else []
        return [*measured.troubles, *ended_within]

    def last_metrics(self) -> dict[str, float]:
        """The last of these rows; raises ArtefactError where there is none."""
        if not (rows := self.read_metrics()):
            raise ArtefactError(
                f"{self.metrics} is missing, or no line of it can be read.",
                "Copy it again. The run's weights are as they were, and can be evaluated without it.",
            )
        return rows[-1]

    def cut_metrics(self, first_step: int) -> None:
        """Forget what was measured after the checkpoint: those steps are done again.

        Raises ArtefactError where a line is broken: it would be forgotten with them.
        """
        if not self.writes:
            return
        measured = read_metrics(self.metrics)
        if measured.broken:
            raise ArtefactError(
                f"{self.metrics}: line {measured.broken[0]} cannot be read.",
                "Copy it back, or delete that line: the run then continues without it.",
            )
        rows = [row for row in measured.rows if row["step"] < first_step]
        write_text(self.metrics, "".join(json.dumps(row) + "\n" for row in rows))
        for trouble in read_metrics(self.metrics).troubles:
            self.note(f"{self.metrics.name}: {trouble}")

    def add_metrics(self, rows: Sequence[Mapping[str, float]]) -> None:
        if not self.writes:
            return
        with self.metrics.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)


def without(asked: Mapping[str, Any], names: Container[str]) -> dict[str, Any]:
    return {name: value for name, value in asked.items() if name not in names}


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
