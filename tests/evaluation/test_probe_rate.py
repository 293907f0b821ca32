"""The linear probe's default learning rate is safe for few classes and for many."""

import dataclasses
from pathlib import Path

import pytest
from colour_videos import linear_config, make_evaluation, make_work

from benchmarks.probe_rates import made_features, top1
from fame_cli.config import FinetuneConfig, LinearConfig
from fame_cli.errors import ConfigurationError
from fame_cli.evaluation.classify import default_learning_rate, linear
from fame_cli.recipe import read_recipe, shipped_recipes


@pytest.mark.parametrize(("classes", "rate"), [(2, 1.68), (16, 8.0), (101, 31.9), (400, 89.4)])
def test_default_rate_grows_a_little_less_than_the_number_of_classes(classes: int, rate: float) -> None:
    assert default_learning_rate(classes) == pytest.approx(rate, abs=0.05)


@pytest.mark.parametrize("classes", [2, 4, 8])
def test_default_rate_is_within_a_point_of_the_best(classes: int) -> None:
    train, test = made_features(classes, 20, seed=0, spread=0.3)
    shares = [top1(train, test, classes, rate, seed=0) for rate in (1.0, 3.0, 10.0, 30.0)]
    assert top1(train, test, classes, default_learning_rate(classes), seed=0) > max(shares) - 1


def test_probe_without_a_rate_takes_that_of_its_classes_and_the_result_tells(tmp_path: Path) -> None:
    store = make_work(tmp_path / "store", train=2, test=1)
    features = dataclasses.replace(linear_config, train_on="features")
    default = linear(make_evaluation(tmp_path / "default", store), features)
    assert default.training == {"learning_rate": default_learning_rate(3)}
    given = dataclasses.replace(features, learning_rate=3**0.75)
    stated = linear(make_evaluation(tmp_path / "stated", store), given)
    assert default.training_loss == stated.training_loss
    clips = dataclasses.replace(linear_config, epochs=1, milestones=())
    assert linear(make_evaluation(tmp_path / "clips", store), clips).training == default.training


def test_no_rate_is_for_the_linear_probe_alone() -> None:
    with pytest.raises(ConfigurationError, match="--learning-rate"):
        FinetuneConfig(learning_rate=0.0)
    with pytest.raises(ConfigurationError, match="--learning-rate"):
        LinearConfig(learning_rate=-1.0)


@pytest.mark.parametrize("name", shipped_recipes())
def test_recipes_state_the_rate_of_the_paper(name: str) -> None:
    options = read_recipe(name).options("linear")
    assert options.get("learning_rate", 30.0) == 30.0
    assert not options or "learning_rate" in options
