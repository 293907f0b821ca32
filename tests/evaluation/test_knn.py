"""The vote among neighbours, against a slow loop and scikit-learn; and the whole protocol."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from colour_videos import CLIPS, Recorded, make_evaluation, make_work
from sklearn.neighbors import KNeighborsClassifier

from fame_cli.config import KnnConfig
from fame_cli.data.frames import FrameStore
from fame_cli.errors import ConfigurationError
from fame_cli.evaluation.features import compute_features
from fame_cli.evaluation.knn import knn, vote
from fame_cli.evaluation.retrieval import nearest

pytestmark = pytest.mark.libraries

config = KnnConfig(**CLIPS, neighbours=3)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    return make_work(tmp_path_factory.mktemp("knn"), train=4, test=2)


def random_features(count: int, seed: int) -> torch.Tensor:
    return torch.randn(count, 6, generator=torch.Generator().manual_seed(seed))


def test_votes_equal_a_slow_loop() -> None:
    similarities = torch.tensor([[0.9, 0.5, 0.4], [0.2, 0.1, -0.3]])
    classes = torch.tensor([[1, 0, 0], [2, 2, 1]])
    expected = []
    for row in range(2):
        votes = [0.0] * 4
        for near, name in zip(similarities[row].tolist(), classes[row].tolist(), strict=True):
            votes[name] += math.exp(near / 0.5)
        expected.append([share / sum(votes) for share in votes])
    np.testing.assert_allclose(vote(similarities, classes, 4, 0.5).numpy(), expected, rtol=1e-5)


def test_vote_is_finite_at_a_tiny_temperature_and_goes_to_the_nearest() -> None:
    shares = vote(torch.tensor([[0.9, 0.8, 0.8]]), torch.tensor([[1, 0, 0]]), 2, 1e-4)
    assert shares.tolist() == [[0.0, 1.0]]


def test_predictions_equal_those_of_scikit_learn_with_the_same_weights() -> None:
    train, test = random_features(60, 0), random_features(25, 1)
    classes = torch.randint(0, 4, (60,), generator=torch.Generator().manual_seed(2))
    similarities, order = nearest(train, test, 9)
    ours = vote(similarities, classes[order], 4, 0.2).argmax(dim=1)

    def weights(distances: np.ndarray) -> np.ndarray:
        # Of unit vectors the squared distance is 2 − 2·cosine.
        return np.exp((1 - distances**2 / 2) / 0.2)

    units = [torch.nn.functional.normalize(part, dim=1).numpy() for part in (train, test)]
    theirs = KNeighborsClassifier(9, weights=weights).fit(units[0], classes.numpy()).predict(units[1])
    assert ours.tolist() == theirs.tolist()


def test_videos_are_classified_by_their_colour_and_a_second_call_does_nothing(
    store: FrameStore, tmp_path: Path
) -> None:
    result = knn(make_evaluation(tmp_path, store), config)
    assert result.figures["top1"].percent == 100
    assert result.figures["top1"].chance == pytest.approx(100 / 3)
    assert all(one.right and one.predicted == one.label for one in result.predictions)
    assert len(result.predictions) == result.figures["top1"].videos == 6
    progress = Recorded()
    assert knn(make_evaluation(tmp_path, store, progress=progress), config) == result
    assert not progress.told


def test_similarities_are_cosines_of_mean_features_as_they_are(
    store: FrameStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[torch.Tensor] = []

    def recorded(train: torch.Tensor, test: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        similarities, order = nearest(train, test, count)
        found.append(similarities)
        return similarities, order

    monkeypatch.setattr("fame_cli.evaluation.knn.nearest", recorded)
    evaluation = make_evaluation(tmp_path, store)
    knn(evaluation, config)
    train, test = evaluation.videos.train, evaluation.videos.test
    kept = compute_features(evaluation, config, (*train, *test))
    # Wu et al. subtract no mean, unlike retrieval.
    means = {n: kept.read(n).mean(dim=0) for n in (*train, *test)}
    for query, similarities in zip(test, found[0], strict=True):
        cosines = [torch.cosine_similarity(means[query], means[n], dim=0) for n in train]
        expected = torch.stack(cosines).sort(descending=True).values[:3]
        torch.testing.assert_close(similarities, expected, atol=1e-5, rtol=0)


def test_more_neighbours_than_training_videos_is_told(store: FrameStore, tmp_path: Path) -> None:
    result = knn(make_evaluation(tmp_path, store), KnnConfig(**CLIPS, neighbours=50))
    assert "only 12 training videos" in " ".join(result.notes)


@pytest.mark.parametrize("options", [{"neighbours": 0}, {"temperature": 0.0}])
def test_impossible_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        KnnConfig(**options)  # type: ignore[arg-type]


def test_class_that_no_neighbour_is_of_is_no_answer(
    store: FrameStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def always_the_first(_train: torch.Tensor, test: torch.Tensor, _count: int) -> tuple[torch.Tensor, ...]:
        return torch.ones(len(test), 1), torch.zeros(len(test), 1, dtype=torch.long)

    monkeypatch.setattr("fame_cli.evaluation.knn.nearest", always_the_first)
    figures = knn(make_evaluation(tmp_path, store), KnnConfig(**CLIPS, neighbours=1)).figures
    assert figures["top5"].percent == figures["top1"].percent < 100
