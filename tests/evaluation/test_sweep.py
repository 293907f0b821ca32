"""The learning rate of a linear probe, chosen without a look at the test videos."""

import dataclasses
from pathlib import Path

import pytest
import torch
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
    alone = [str(n) for n in range(14)]
    chosen = held_out(labels, alone, seed=0)
    assert [int(chosen[:10].sum()), int(chosen[10:13].sum()), bool(chosen[13])] == [2, 1, False]
    assert torch.equal(held_out(labels, alone, seed=0), chosen)
    assert not torch.equal(held_out(labels, alone, seed=1), chosen)


@pytest.mark.parametrize("seed", range(5))
def test_whole_groups_are_held_out(seed: int) -> None:
    labels = ["a"] * 20 + ["b"] * 12
    groups = [f"{label} {n // 4}" for n, label in enumerate(labels)]
    chosen = held_out(labels, groups, seed)
    assert [int(chosen[:20].sum()), int(chosen[20:].sum())] == [4, 4]
    out = {group for group, held in zip(groups, chosen.tolist(), strict=True) if held}
    kept = {group for group, held in zip(groups, chosen.tolist(), strict=True) if not held}
    assert not out & kept


def test_group_of_several_classes_is_held_out_of_all_and_every_class_keeps_one() -> None:
    people = [person for person in "ABC" for _ in range(4)]
    chosen = held_out(["run", "jump", "wave", "bend"] * 3, people, seed=0)
    assert len({person for person, held in zip(people, chosen.tolist(), strict=True) if held}) == 1
    assert int(chosen.sum()) == 4


@pytest.mark.parametrize("groups", [["x", "y"], ["x", "x", "y", "y"]])
def test_classes_of_one_group_leave_nothing_to_choose_by(groups: list[str]) -> None:
    labels = [{"x": "a", "y": "b"}[group] for group in groups]
    with pytest.raises(ConfigurationError, match="no class has two"):
        held_out(labels, groups, seed=0)


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
