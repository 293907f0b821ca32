"""Retrieval as a whole: features, neighbours, figures, and the file that keeps them."""

import dataclasses
from pathlib import Path

import pytest
import torch
from colour_videos import KilledAt, KilledError, Recorded, make_evaluation, make_work, retrieval_config

from fame_cli.data.frames import FrameStore
from fame_cli.evaluation.features import compute_features
from fame_cli.evaluation.retrieval import retrieval


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    return make_work(tmp_path_factory.mktemp("retrieval"), train=4, test=2)


def test_nearest_videos_are_of_the_same_colour(store: FrameStore, tmp_path: Path) -> None:
    result = retrieval(make_evaluation(tmp_path, store), retrieval_config)
    assert result.figures["R@1"].percent == 100
    assert result.figures["R@1"].videos == len(result.queries) == 6
    assert result.figures["R@1"].chance == pytest.approx(100 * 4 / 12)
    assert result.figures["R@50"].k == 12
    for query in result.queries:
        assert query.right
        assert len(query.neighbours) == 10
        assert {one.label for one in query.neighbours[:4]} == {query.label}
        similarities = [one.similarity for one in query.neighbours]
        assert similarities == sorted(similarities, reverse=True)
        assert all(one.id.startswith(f"train/{one.label}/") for one in query.neighbours)


def test_similarities_are_cosines_of_mean_features_less_the_training_mean(
    store: FrameStore, tmp_path: Path
) -> None:
    evaluation = make_evaluation(tmp_path, store)
    result = retrieval(evaluation, retrieval_config)
    train, test = evaluation.videos.train, evaluation.videos.test
    kept = compute_features(evaluation, retrieval_config, (*train, *test))
    means = {n: sum(kept.read(n)) / 3 for n in (*train, *test)}
    centre = sum(means[n] for n in train) / len(train)
    place = {video.id: n for n, video in enumerate(store.videos)}
    for query in result.queries:
        for neighbour in query.neighbours:
            pair = means[place[query.id]] - centre, means[place[neighbour.id]] - centre
            cosine = torch.dot(*pair) / pair[0].norm() / pair[1].norm()
            assert neighbour.similarity == pytest.approx(float(cosine), abs=1e-5)


def test_killed_and_run_again_equals_a_straight_run_and_a_third_run_does_nothing(
    store: FrameStore, tmp_path: Path
) -> None:
    expected = retrieval(make_evaluation(tmp_path / "straight", store), retrieval_config)
    killed = make_evaluation(tmp_path / "killed", store, progress=KilledAt("features", 8))
    with pytest.raises(KilledError):
        retrieval(killed, retrieval_config)
    progress = Recorded()
    resumed = make_evaluation(tmp_path / "killed", store, progress=progress)
    got = retrieval(resumed, retrieval_config)
    assert progress.told["features"][0] == 8
    assert dataclasses.replace(got, seconds=0) == dataclasses.replace(expected, seconds=0)
    progress.told.clear()
    assert retrieval(resumed, retrieval_config) == got
    assert not progress.told
