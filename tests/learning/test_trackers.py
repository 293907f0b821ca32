"""Where a training is logged besides metrics.jsonl, and that a run which goes on stays one run there."""

import importlib.machinery
import json
import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from typer.testing import CliRunner

from fame_cli.cli.app import app
from fame_cli.config import PretrainConfig
from fame_cli.errors import ArtefactError, FameError
from fame_cli.learning.log import Log, StepInfo
from fame_cli.learning.run import RunFolder
from fame_cli.learning.trackers import MOST_TOGETHER, Mlflow, Wandb, open_tracker, read_ids

SMALL = [
    *("--backbone", "small", "--clip-frames", 4, "--crop-px", 32, "--batch-size", 4, "--queue-length", 16),
    *("--device", "cpu", "--statistics", "online", "--checkpoint-seconds", 0),
]
PICTURE = np.full((4, 6, 3), 200, np.uint8)


def fame(code: int, *arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


@pytest.fixture
def work(tmp_path: Path, videos: Path) -> Path:
    fame(0, "extract", videos, "-o", tmp_path / "work", "-j", 1)
    return tmp_path / "work"


@pytest.fixture
def stop_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], None]:
    """Lets trainings be interrupted after so many steps."""

    def stop(step: int | None) -> None:
        def describe(at: StepInfo) -> str:
            if at.step == step:
                raise KeyboardInterrupt("stopped by the test")
            return ""

        monkeypatch.setattr("fame_cli.cli.pretrain.describe", describe)

    return stop


class FakeWandbRun:
    def __init__(self, **options: Any) -> None:
        self.options, self.rows = options, list[dict[str, Any]]()
        self.exit_code: int | None = None

    def define_metric(self, name: str, step_metric: str) -> None:
        assert (name, step_metric) == ("*", "step")

    def log(self, row: dict[str, Any]) -> None:
        assert self.exit_code is None
        self.rows.append(row)

    def finish(self, exit_code: int) -> None:
        self.exit_code = exit_code


def add_module(monkeypatch: pytest.MonkeyPatch, name: str, **content: Any) -> None:
    module = types.ModuleType(name)
    module.__spec__ = importlib.machinery.ModuleSpec(name, None)
    for key, value in content.items():
        setattr(module, key, value)
    monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture
def wandb_runs(monkeypatch: pytest.MonkeyPatch) -> list[FakeWandbRun]:
    """Stands for wandb: the runs that were begun."""
    runs: list[FakeWandbRun] = []

    def init(**options: Any) -> FakeWandbRun:
        runs.append(FakeWandbRun(**options))
        return runs[-1]

    for name in ("WANDB_MODE", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    add_module(monkeypatch, "wandb", init=init, Image=lambda picture: ("image", picture.shape), Settings=dict)
    return runs


class FakeMlflowServer:
    """What stands behind the clients: metrics, pictures and state of runs."""

    def __init__(self) -> None:
        self.uris: list[str] = []
        self.calls: list[int] = []
        self.metrics: dict[str, list[tuple[str, float, int]]] = {}
        self.params: dict[str, str] = {}
        self.pictures: list[tuple[str, str, int]] = []
        self.states: list[str] = []


class FakeMlflowClient:
    server: FakeMlflowServer

    def __init__(self, tracking_uri: str) -> None:
        self.server.uris.append(tracking_uri)

    def get_experiment_by_name(self, name: str) -> None:
        assert name == "fame"

    def create_experiment(self, name: str, artefacts: str) -> str:
        assert artefacts.startswith("file:")
        return name

    def create_run(self, experiment: str, run_name: str) -> Any:
        assert (experiment, run_name) == ("fame", "run")
        self.server.metrics["abc"] = []
        return types.SimpleNamespace(info=types.SimpleNamespace(run_id="abc"))

    def log_batch(self, run: str, metrics: Sequence[Any] = (), params: Sequence[Any] = ()) -> None:
        assert len(metrics) <= 1000
        self.server.calls.append(len(metrics))
        self.server.metrics[run] += [(name, value, step) for name, value, _, step in metrics]
        self.server.params |= dict(params)

    def log_image(self, run: str, picture: Any, key: str, step: int) -> None:
        assert picture.dtype == np.uint8
        self.server.pictures.append((run, key, step))

    def update_run(self, run: str, status: str) -> None:
        self.server.states.append(f"{run} {status}")

    def set_terminated(self, run: str, status: str) -> None:
        self.server.states.append(f"{run} {status}")


@pytest.fixture
def mlflow_server(monkeypatch: pytest.MonkeyPatch) -> FakeMlflowServer:
    """Stands for mlflow."""
    server = FakeMlflowServer()
    client = type("Client", (FakeMlflowClient,), {"server": server})
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    add_module(monkeypatch, "mlflow")
    add_module(monkeypatch, "mlflow.entities", Metric=lambda *values: values, Param=lambda *values: values)
    add_module(monkeypatch, "mlflow.tracking", MlflowClient=client)
    return server


def test_run_that_goes_on_is_one_run_of_wandb_which_writes_below_it_alone(
    tmp_path: Path, work: Path, stop_after: Callable[[int | None], None], wandb_runs: list[FakeWandbRun]
) -> None:
    run = tmp_path / "run"
    stop_after(2)
    fame(130, "pretrain", work, "-o", run, *SMALL, "--epochs", 2, "--track", "wandb")
    stop_after(None)
    fame(0, "pretrain", "--resume", run)
    first, second = wandb_runs
    assert first.options["id"] == second.options["id"] == read_ids(run)["wandb"]
    for options in (first.options, second.options):
        assert (options["mode"], options["dir"], options["resume"]) == ("offline", str(run), "allow")
        assert (options["project"], options["name"]) == ("fame", "run")
    assert first.options["config"]["batch_size"] == 4
    assert (first.exit_code, second.exit_code) == (1, 0)
    steps = [row["step"] for row in second.rows if "loss" in row]
    assert steps[-1] == 3
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert second.rows[-1]["loss"] == metrics[-1]["loss"]
    assert {"step": 0, "views": ("image", first.rows[0]["views"][1])} == first.rows[0]


def test_run_that_was_tracked_goes_on_without(
    tmp_path: Path, work: Path, stop_after: Callable[[int | None], None], wandb_runs: list[FakeWandbRun]
) -> None:
    run = tmp_path / "run"
    stop_after(1)
    fame(130, "pretrain", work, "-o", run, *SMALL, "--epochs", 2, "--track", "wandb")
    stop_after(None)
    fame(0, "pretrain", "--resume", run, "--track", "none")
    assert len(wandb_runs) == 1


def test_package_that_is_missing_is_told_before_anything_is_begun(
    tmp_path: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("wandb", "mlflow"):
        monkeypatch.setitem(sys.modules, name, None)
        said = fame(2, "pretrain", work, "-o", tmp_path / "run", *SMALL, "--track", name)
        assert f"--track {name} needs the package {name}, which is not installed." in said
        assert f"pip install 'fame-cli[{name}]'" in said
        assert not (tmp_path / "run").exists()


def make_log(run: Path, warned: list[str], track: Any = "none") -> Log:
    run.mkdir(exist_ok=True)
    config = PretrainConfig(batch_size=2)
    return Log(RunFolder(run), config, 0, 4, 2, 2.5, None, track, warned.append)


def figures(loss: float) -> dict[str, Any]:
    import torch

    return {"loss": torch.tensor(loss)}


def test_tracker_that_fails_is_given_up_and_the_training_goes_on(
    tmp_path: Path, wandb_runs: list[FakeWandbRun]
) -> None:
    warned: list[str] = []
    log = make_log(tmp_path / "run", warned, "wandb")
    log.add(0, figures(2.0), 0.1)
    wandb_runs[0].exit_code = 1  # whoever logs now fails
    log.add(1, figures(1.0), 0.1)
    log.add(2, figures(0.5), 0.1)
    log.close()
    [told] = warned
    assert told.startswith("Wandb is told no more: AssertionError")
    assert "warning: Wandb is told no more" in (tmp_path / "run" / "log.txt").read_text()
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 3


def test_mlflow_gets_figures_together_and_pictures_of_one_run(
    tmp_path: Path, mlflow_server: FakeMlflowServer
) -> None:
    run = tmp_path / "run"
    log = make_log(run, [], "mlflow")
    log.add_pictures(0, {"views": PICTURE})
    for step in range(400):
        log.add(step, figures(2.0), 0.1)
    log.close()
    losses = [(value, step) for name, value, step in mlflow_server.metrics["abc"] if name == "loss"]
    assert losses == [(2.0, step) for step in range(400)]
    assert len(mlflow_server.calls) < 10
    assert max(mlflow_server.calls) <= MOST_TOGETHER
    assert mlflow_server.params["batch_size"] == "2"
    make_log(run, [], "mlflow").end()
    assert mlflow_server.states == ["abc RUNNING", "abc FINISHED", "abc RUNNING", "abc KILLED"]
    assert mlflow_server.uris == [f"sqlite:///{run}/mlflow/mlflow.db"] * 2
    assert mlflow_server.pictures == [("abc", "views", 0)]
    assert read_ids(run) == {"mlflow": "abc"}


def test_environment_names_where_else_a_run_is_tracked(
    tmp_path: Path,
    wandb_runs: list[FakeWandbRun],
    mlflow_server: FakeMlflowServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_PROJECT", "videos")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example")
    Wandb(RunFolder(tmp_path), {})
    assert (wandb_runs[0].options["mode"], wandb_runs[0].options["project"]) == ("online", "videos")
    mlflow_server.metrics["abc"] = []
    (tmp_path / "trackers.json").write_text('{"mlflow": "abc"}')
    Mlflow(RunFolder(tmp_path), {})
    assert mlflow_server.uris == ["http://tracking.example"]
    assert not (tmp_path / "mlflow").exists()


def test_tracker_that_cannot_be_opened_and_a_damaged_record_are_told(
    tmp_path: Path, wandb_runs: list[FakeWandbRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert wandb_runs == []
    monkeypatch.setattr(sys.modules["wandb"], "init", lambda **_: 1 / 0)
    with pytest.raises(FameError, match="--track wandb: ZeroDivisionError: division by zero") as raised:
        open_tracker("wandb", RunFolder(tmp_path), {})
    assert "WANDB_" in raised.value.hint
    (tmp_path / "trackers.json").write_text("[")
    with pytest.raises(ArtefactError, match=r"trackers\.json: cannot be read"):
        open_tracker("wandb", RunFolder(tmp_path), {})


def images(run: Path) -> dict[str, list[int]]:
    """The steps of each picture in TensorBoard."""
    events = EventAccumulator(str(run / "tensorboard"), {"images": 0})  # type: ignore[no-untyped-call]
    events.Reload()  # type: ignore[no-untyped-call]
    tags: list[str] = events.Tags()["images"]  # type: ignore[no-untyped-call]
    return {tag: [one.step for one in events.Images(tag)] for tag in tags}  # type: ignore[no-untyped-call]


def test_tensorboard_has_views_at_intervals_and_the_gallery_of_a_retrieval(
    tmp_path: Path, work: Path, wandb_runs: list[FakeWandbRun]
) -> None:
    run = tmp_path / "run"
    fame(0, "pretrain", work, "-o", run, *SMALL, "--steps", 20, "--track", "wandb")
    assert images(run) == {"views": list(range(0, 20, 2))}
    for _ in range(2):  # the second has nothing to do
        fame(0, "eval", "retrieval", work, run, "--clips", 1, "--device", "cpu")
    assert images(run) == {"views": list(range(0, 20, 2)), "retrieval": [19]}
    assert [row["step"] for one in wandb_runs for row in one.rows if "retrieval" in row] == [19]
    assert len({one.options["id"] for one in wandb_runs}) == 1
    clips = ["--clip-frames", 4, "--frame-stride", 2, "--crop-px", 32, "--clips", 1, "--device", "cpu"]
    fame(0, "eval", "retrieval", work, run, "--weights", "random", "--backbone", "small", *clips)
    assert images(run)["retrieval"] == [19]


def test_pictures_change_no_loss(tmp_path: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fame(0, "pretrain", work, "-o", tmp_path / "with", *SMALL, "--steps", 4)
    monkeypatch.setattr("fame_cli.visualization.training_pictures.training_pictures", lambda *_: {})
    fame(0, "pretrain", work, "-o", tmp_path / "without", *SMALL, "--steps", 4)
    weights = [(tmp_path / name / "backbone.safetensors").read_bytes() for name in ("with", "without")]
    assert weights[0] == weights[1]
    assert images(tmp_path / "with") == {"views": [0, 1, 2, 3]}


def test_overwritten_run_is_tracked_as_a_new_one(
    tmp_path: Path, work: Path, wandb_runs: list[FakeWandbRun]
) -> None:
    for more in ([], ["--overwrite"]):
        fame(0, "pretrain", work, "-o", tmp_path / "run", *SMALL, "--steps", 1, "--track", "wandb", *more)
    assert wandb_runs[0].options["id"] != wandb_runs[1].options["id"]


def test_true_wandb_keeps_a_run_below_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    run = tmp_path / "run"
    for _ in range(2):
        log = make_log(run, warned := [], "wandb")
        log.add_pictures(0, {"views": PICTURE})
        log.add(0, figures(2.0), 0.1)
        log.close()
        assert warned == []
    own = read_ids(run)["wandb"]
    assert {path.name.rpartition("-")[2] for path in run.glob("wandb/offline-run-*")} == {own}
    assert list(run.glob(f"wandb/offline-run-*-{own}/files/media/images/views_*.png"))


def test_true_mlflow_keeps_a_run_below_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sqlalchemy")
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    run = tmp_path / "run"
    for step in range(2):
        log = make_log(run, warned := [], "mlflow")
        log.add_pictures(step, {"views": PICTURE})
        log.add(step, figures(2.0), 0.1)
        log.close()
        assert warned == []
    client = mlflow.tracking.MlflowClient(tracking_uri=f"sqlite:///{run}/mlflow/mlflow.db")
    own = read_ids(run)["mlflow"]
    assert [one.step for one in client.get_metric_history(own, "loss")] == [0, 1]
    assert client.get_run(own).info.status == "FINISHED"
    assert [one.path for one in client.list_artifacts(own)] == ["images"]
    assert list(run.glob("mlflow/artifacts/*/artifacts/images/views*.png"))
