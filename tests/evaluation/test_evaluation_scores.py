"""Top-k, the mean over clips, R@k and their chance levels, against slow loops and scikit-learn."""

import itertools
import math

import numpy as np
import pytest
import torch
from sklearn.metrics import top_k_accuracy_score
from sklearn.neighbors import NearestNeighbors

from fame_cli.evaluation.results import Prediction
from fame_cli.evaluation.retrieval import nearest
from fame_cli.evaluation.scores import (
    capped_notes,
    class_figures,
    classification_figures,
    recall_chance,
    recall_figures,
    top_k_hits,
    video_probabilities,
)


def test_video_probability_is_the_mean_of_its_clips_softmax() -> None:
    logits = torch.randn(4, 10, 7, generator=torch.Generator().manual_seed(0))
    expected = np.zeros((4, 7))
    for video, clip in itertools.product(range(4), range(10)):
        powers = [math.exp(value) for value in logits[video, clip].tolist()]
        expected[video] += np.array(powers) / sum(powers) / 10
    np.testing.assert_allclose(video_probabilities(logits).numpy(), expected, rtol=1e-5)


def test_mean_of_probabilities_differs_from_the_mean_of_logits() -> None:
    # One sure clip outweighs two doubtful ones in logits, not in probabilities.
    logits = torch.tensor([[[0.0, 20.0], [2.0, 0.0], [2.0, 0.0]]])
    assert logits.mean(dim=1).argmax() == 1
    assert video_probabilities(logits).argmax() == 0


@pytest.mark.parametrize("k", [1, 2, 5])
def test_top_k_hits_equals_scikit_learn(k: int) -> None:
    generator = torch.Generator().manual_seed(k)
    scores = torch.rand(50, 8, generator=generator)
    classes = torch.randint(0, 8, (50,), generator=generator)
    expected = top_k_accuracy_score(classes.numpy(), scores.numpy(), k=k, labels=range(8))
    assert float(top_k_hits(scores, classes, k).double().mean()) == pytest.approx(expected)


def test_first_class_leads_among_equal_scores() -> None:
    assert top_k_hits(torch.zeros(2, 3), torch.tensor([0, 1]), 1).tolist() == [True, False]


def test_figures_count_videos_and_clips_and_name_the_chance_level() -> None:
    first, second, third = [9.0, 0, 0], [0.0, 9, 0], [0.0, 0, 9]
    logits = torch.tensor([[first, second, first], [third, first, first]])
    figures = classification_figures(logits, torch.tensor([0, 2]))
    assert figures["top1"].percent == 50
    assert figures["clip_top1"].percent == pytest.approx(100 * 3 / 6)
    assert figures["top1"].chance == pytest.approx(100 / 3)
    assert {figure.videos for figure in figures.values()} == {2}


def test_class_never_learned_is_wrong_and_lowers_the_chance_level() -> None:
    logits = torch.tensor([[[9.0, 0, 0, 0, 0, 0]], [[0, 0, 0, 0, 0, 9.0]]])
    figures = classification_figures(logits, torch.tensor([0, -1]))
    assert figures["top1"].percent == figures["top5"].percent == 50
    assert figures["top1"].chance == pytest.approx(100 / 6 / 2)


def test_top_5_of_three_classes_is_capped_and_said() -> None:
    figures = classification_figures(torch.zeros(2, 1, 3), torch.tensor([0, 2]))
    assert figures["top5"].k == 3
    assert figures["top5"].percent == figures["top5"].chance == 100
    assert capped_notes(figures, "classes") == ["top5: k is 3, as there are only so many classes."]
    assert not capped_notes(classification_figures(torch.zeros(2, 1, 5), torch.tensor([0, 2])), "classes")


def slow_recall(train: np.ndarray, test: np.ndarray, labels: np.ndarray, wanted: np.ndarray, k: int) -> float:
    """R@k by a loop over the queries, from the definition."""
    centre = train.mean(axis=0)
    hits = 0
    for query, label in zip(test - centre, wanted, strict=True):
        cosines = [float(query @ key) / (math.hypot(*query) * math.hypot(*key)) for key in train - centre]
        first = sorted(range(len(train)), key=lambda place: -cosines[place])[:k]
        hits += any(labels[place] == label for place in first)
    return 100 * hits / len(test)


def test_recall_equals_a_slow_loop() -> None:
    generator = np.random.default_rng(0)
    train, test = generator.normal(3, 1, (60, 5)), generator.normal(4, 1, (31, 5))
    labels, wanted = generator.integers(0, 12, 60), generator.integers(0, 12, 31)
    centre = train.mean(axis=0)
    _, order = nearest(torch.from_numpy(train - centre), torch.from_numpy(test - centre), 50)
    hits = torch.from_numpy(labels)[order] == torch.from_numpy(wanted)[:, None]
    figures = recall_figures(hits, torch.ones(31), 60)
    for k in (1, 5, 10, 20, 50):
        assert figures[f"R@{k}"].percent == pytest.approx(slow_recall(train, test, labels, wanted, k))
        assert figures[f"R@{k}"].k == k


def test_neighbours_equal_those_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fame_cli.evaluation.retrieval.QUERIES_TOGETHER", 4)
    generator = np.random.default_rng(1)
    train, test = generator.normal(2, 1, (40, 6)), generator.normal(0, 1, (9, 6))
    distances, places = NearestNeighbors(n_neighbors=7, metric="cosine").fit(train).kneighbors(test)
    similarities, order = nearest(torch.from_numpy(train), torch.from_numpy(test), 7)
    np.testing.assert_array_equal(order.numpy(), places)
    np.testing.assert_allclose(similarities.numpy(), 1 - distances, atol=1e-9)


def test_neighbours_of_a_query_do_not_depend_on_the_other_queries() -> None:
    generator = torch.Generator().manual_seed(0)
    train, test = torch.randn(20, 4, generator=generator), torch.randn(6, 4, generator=generator) + 5
    assert torch.equal(nearest(train, test, 20)[1][:1], nearest(train, test[:1], 20)[1])


def test_recall_is_capped_at_the_number_of_training_videos() -> None:
    hits = torch.tensor([[False, True, False], [False, False, False]])
    figures = recall_figures(hits, torch.tensor([1, 0]), 3)
    assert [figure.percent for figure in figures.values()] == [0, 50, 50, 50, 50]
    assert [figure.k for figure in figures.values()] == [1, 3, 3, 3, 3]
    assert capped_notes(figures, "training videos") == [
        "R@5, R@10, R@20, R@50: k is 3, as there are only so many training videos."
    ]


@pytest.mark.parametrize("k", [1, 2, 5, 6])
def test_chance_of_a_hit_equals_counting_all_draws(k: int) -> None:
    relevant, train_videos = [0, 1, 2, 6], 6
    expected = []
    for r in relevant:
        draws = list(itertools.combinations(range(train_videos), k))
        expected.append(sum(min(draw) < r for draw in draws) / len(draws))
    assert recall_chance(torch.tensor(relevant), train_videos, k) == pytest.approx(np.mean(expected))


def test_interval_of_figures_is_over_the_groups_of_their_videos() -> None:
    logits = torch.zeros(12, 2, 3)
    logits[:6, :, 1] = 1
    groups = [f"film {n // 3}" for n in range(12)]
    classes = torch.ones(12, dtype=torch.long)
    alone, grouped = classification_figures(logits, classes), classification_figures(logits, classes, groups)
    for name in ("top1", "clip_top1"):
        widths = [figures[name].interval[1] - figures[name].interval[0] for figures in (alone, grouped)]
        assert widths[1] > 1.3 * widths[0]
        assert grouped[name].percent == alone[name].percent == 50
    hits = torch.arange(12)[:, None] < 6
    recall = recall_figures(hits, torch.ones(12), 1, groups)
    assert recall["R@1"].interval == grouped["top1"].interval


def test_accuracy_of_a_class_has_an_interval_over_its_groups() -> None:
    def predicted(number: int, group: str) -> Prediction:
        right = number % 4 < 2
        return Prediction(f"{number}.avi", "run", "run" if right else "jump", 0.9, right, group)

    together = class_figures([predicted(n, f"film {n // 2}") for n in range(16)], ["jump", "run"])
    alone = class_figures([predicted(n, "") for n in range(16)], ["jump", "run"])
    assert together["run"].percent == alone["run"].percent == 50
    assert together["run"].interval[0] < alone["run"].interval[0]
    assert "jump" not in together


def test_interval_of_clips_counts_the_videos_behind_them() -> None:
    logits = torch.zeros(8, 10, 2)
    logits[:6, :, 1] = 1
    figures = classification_figures(logits, torch.ones(8, dtype=torch.long))
    assert figures["clip_top1"].interval == figures["top1"].interval
    assert figures["top1"].percent == 75


def test_class_that_was_not_named_at_all_is_a_miss() -> None:
    scores = torch.tensor([[-math.inf, 1.0, -math.inf]])
    assert top_k_hits(scores, torch.tensor([1]), 3).item()
    assert not top_k_hits(scores, torch.tensor([0]), 3).item()
