"""What a run writes down of each step: whatever its objective measures, under the names it gives."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn

from fame_cli.config import PretrainConfig
from fame_cli.errors import ConfigurationError, FameError
from fame_cli.learning import log, training
from fame_cli.learning.log import Log, StepInfo
from fame_cli.learning.objectives.objective import Figures, Objective, View, Views
from fame_cli.learning.run import RunFolder
from fame_cli.learning.training import Training

CONFIG = PretrainConfig(batch_size=2)


def make_log(run: Path, tell: list[StepInfo]) -> Log:
    run.mkdir()
    return Log(RunFolder(run, writes=True), CONFIG, 0, 4, 2, chance=2.5, tell=tell.append)


def figures(**values: float) -> dict[str, Tensor]:
    return {name: torch.tensor(value) for name, value in values.items()}


def rows(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_every_figure_of_the_objective_is_logged_beside_loss_and_chance(tmp_path: Path) -> None:
    said: list[StepInfo] = []
    made = make_log(tmp_path / "run", said)
    made.add(3, figures(hits=0.5, negatives=7.0, loss=2.0), 0.25)
    made.close()
    (row,) = rows(tmp_path / "run")
    assert [*row][:4] == ["step", "epoch", "loss", "chance"]
    kept = {name: row[name] for name in ("step", "epoch", "loss", "chance", "hits", "negatives")}
    assert kept == {"step": 3, "epoch": 1, "loss": 2.0, "chance": 2.5, "hits": 0.5, "negatives": 7.0}
    assert row["learning_rate"] == 0.25
    assert (said[0].step, said[0].loss, said[0].chance) == (4, 2.0, 2.5)
    assert said[0].figures == {"hits": 0.5, "negatives": 7.0}
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))  # type: ignore[no-untyped-call]
    events.Reload()  # type: ignore[no-untyped-call]
    drawn = {"loss", "hits", "negatives", "learning_rate", "samples_per_second", "data_wait"}
    assert set(events.Tags()["scalars"]) == drawn  # type: ignore[no-untyped-call]


def test_chance_level_that_changes_comes_with_the_figures(tmp_path: Path) -> None:
    said: list[StepInfo] = []
    made = make_log(tmp_path / "run", said)
    made.add(0, figures(loss=2.0, chance=2.25), 0.1)
    made.close()
    assert rows(tmp_path / "run")[0]["chance"] == said[0].chance == 2.25
    assert said[0].figures == {}


@pytest.mark.parametrize("name", ["step", "epoch", "data_wait"])
def test_figure_that_would_hide_a_column_of_the_log_is_refused(tmp_path: Path, name: str) -> None:
    made = make_log(tmp_path / "run", [])
    with pytest.raises(ConfigurationError, match=f"the objective gives a figure the name '{name}'"):
        made.add(0, figures(loss=1.0, **{name: 3.0}), 0.1)


def test_loss_that_is_not_finite_ends_the_log_before_its_step(tmp_path: Path) -> None:
    made = make_log(tmp_path / "run", [])
    made.add(0, figures(loss=1.0, hits=0.5), 0.1)
    with pytest.raises(FameError, match="the loss is inf at step 1"):
        made.add(1, figures(loss=float("inf"), hits=0.5), 0.1)
    assert [row["step"] for row in rows(tmp_path / "run")] == [0]


def test_on_an_accelerator_a_loss_is_known_two_steps_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No accelerator is needed for the order in which figures are fetched.
    monkeypatch.setattr(log, "steps_ahead", lambda _: log.STEPS_AHEAD)
    said: list[StepInfo] = []
    made = make_log(tmp_path / "run", said)
    made.add(0, figures(loss=1.0), 0.1)
    made.add(1, figures(loss=float("nan")), 0.1)
    assert said == []
    made.add(2, figures(loss=2.0), 0.1)
    assert [one.step for one in said] == [1]
    with pytest.raises(FameError, match="the loss is nan at step 1: the training has diverged"):
        made.add(3, figures(loss=2.0), 0.1)
    assert [row["step"] for row in rows(tmp_path / "run")] == [0]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_figures_leave_a_gpu_without_waiting_for_it(tmp_path: Path) -> None:
    made = make_log(tmp_path / "run", [])
    torch.cuda.set_sync_debug_mode("error")
    try:
        for step in range(4):
            made.add(step, {"loss": torch.full((), float(step), device="cuda")}, 0.1)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    made.close()
    assert [row["loss"] for row in rows(tmp_path / "run")] == [0, 1, 2, 3]


def test_a_step_keeps_no_graph_alive_in_its_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    class Careless(Objective):
        """Gives a figure that still hangs on the graph, in float64, and a loss among the figures."""

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 1)

        def trainable_parameters(self) -> Iterator[nn.Parameter]:
            return self.parameters()

        def after_step(self, step: int, total_steps: int) -> None:
            pass

        def forward(self, views: Views) -> tuple[Tensor, Figures]:
            loss = self.layer(views["only"].clips).square().mean()
            return loss, {"doubled": 2 * loss.double(), "loss": loss.new_tensor(99.0)}

    monkeypatch.setattr(training, "build_objective", lambda *_: Careless())
    learner = Training(CONFIG, torch.device("cpu"))
    found = learner.step({"only": View(torch.ones(3, 2))}, 0, 1, 0.1)
    assert not any(value.requires_grad for value in found.values())
    assert found["doubled"].dtype == torch.float32
    assert found["doubled"] == pytest.approx(2 * found["loss"].item())
