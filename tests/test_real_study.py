"""The study on real clips (`benchmarks/real`): who answers for whom, and how differences are paired."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.real.probe import nearest_person_left_out, ridge_person_left_out
from benchmarks.real.table import Answers, of_wall

ACTIONS, PEOPLE = 4, 5


def features(of_action: float, of_person: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A video of each action by each person, whose features tell the one or the other."""
    labels, people = np.repeat(np.arange(ACTIONS), PEOPLE), np.tile(np.arange(PEOPLE), ACTIONS)
    noise = np.random.default_rng(0).normal(0, 0.05, (len(labels), ACTIONS + PEOPLE))
    told = np.hstack([of_action * np.eye(ACTIONS)[labels], of_person * np.eye(PEOPLE)[people]])
    return noise + told, labels.astype(str), people.astype(str)


@pytest.mark.parametrize("probe", [ridge_person_left_out, nearest_person_left_out])
def test_each_person_is_answered_for_by_the_others(probe) -> None:
    assert probe(*features(of_action=1.0, of_person=0.0)).all()
    # Were a person's own videos among those learned from, the actions would still not be found.
    assert probe(*features(of_action=0.0, of_person=1.0)).mean() < 0.5


def test_nearest_video_is_never_of_the_same_person() -> None:
    values, labels, people = features(of_action=1.0, of_person=2.0)
    assert nearest_person_left_out(values, labels, people).all()


def test_people_of_weizmann_are_told_by_the_names_of_its_files(tmp_path: Path) -> None:
    labels = np.repeat([f"action{number}" for number in range(ACTIONS)], PEOPLE)
    names = [f"{label}/person{n % PEOPLE}_{label}.avi" for n, label in enumerate(labels)]
    seen = []

    def probe(values: np.ndarray, labels: np.ndarray, people: np.ndarray) -> np.ndarray:
        seen.append((len(values), people.tolist()))
        return labels == "action0"

    np.savez(tmp_path / "weizmann.npz", features=np.zeros((len(names), 2)), label=labels, id=names)
    answers = of_wall([tmp_path], probe)
    people = [f"person{n % PEOPLE}" for n in range(len(names))]
    assert seen == [(len(names), people)]
    assert answers.groups == tuple(people)
    assert (answers.percent, answers.chance) == (25, 25)
    assert of_wall([tmp_path], probe).percent == 25
    assert len(seen) == 1  # kept


def test_differences_are_paired_by_video_and_drawn_by_group() -> None:
    names, groups = tuple(f"v{n}" for n in range(8)), tuple("aabbccdd")
    first = Answers(names, groups, np.array([1, 1, 1, 1, 0, 0, 1, 1.0]), 10.0)
    second = Answers(names, groups, np.array([1, 1, 0, 0, 0, 0, 1, 1.0]), 10.0)
    mean, low, high = first.over(second)
    assert mean == 25
    assert low <= 0 < 25 < high
    with pytest.raises(AssertionError):
        first.over(Answers(names[::-1], groups, second.hits, 10.0))
