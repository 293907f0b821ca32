"""The learning rate of a linear probe, chosen without a look at the test videos."""

import dataclasses
from pathlib import Path

import pytest
from colour_videos import linear_config, make_evaluation, make_work

from fame_cli.config import LinearConfig
from fame_cli.data.frames import FrameStore
from fame_cli.errors import ConfigurationError
from fame_cli.evaluation.classify import linear
from fame_cli.evaluation.sweep import held_out

config = dataclasses.replace(
    linear_config, train_on="features", epochs=10, milestones=(), sweep=(1e-6, 30.0, 1e38)
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    return make_work(tmp_path_factory.mktemp("sweep"), train=4, test=2)


def test_a_fifth_of_each_class_is_held_out_and_one_at_least() -> None:
    labels = ["a"] * 10 + ["b"] * 3 + ["c"]
    chosen = held_out(labels, seed=0)
    assert [sum(chosen[:10]), sum(chosen[10:13]), chosen[13]] == [2, 1, False]
    assert held_out(labels, seed=0) == chosen
    assert held_out(labels, seed=1) != chosen


def test_classes_of_one_video_leave_nothing_to_choose_by() -> None:
    with pytest.raises(ConfigurationError, match="no class has two"):
        held_out(["a", "b"], seed=0)


def test_rate_that_learns_is_chosen_over_one_that_does_not_and_the_result_tells(
    store: FrameStore, tmp_path: Path
) -> None:
    result = linear(make_evaluation(tmp_path / "sweep", store), config)
    assert result.training == {"learning_rate": 30.0}
    note = next(note for note in result.notes if "chosen" in note)
    assert "learning rate 30 chosen by top-1 on 3 held-out training videos" in note
    plain = dataclasses.replace(config, sweep=(), learning_rate=30.0)
    straight = linear(make_evaluation(tmp_path / "plain", store), plain)
    assert result.figures == straight.figures
    assert result.predictions == straight.predictions


def test_sweep_goes_with_features_alone() -> None:
    with pytest.raises(ConfigurationError, match="--train-on features"):
        LinearConfig(sweep=(1.0,))
