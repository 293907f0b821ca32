"""The confusion matrix: its counts, against scikit-learn, and its picture."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.metrics import confusion_matrix as sklearn_confusion

from fame_cli.evaluation.results import Prediction
from fame_cli.evaluation.scores import class_figures, confusion_matrix
from fame_cli.visualization.confusion import draw_confusion

pytestmark = pytest.mark.libraries

CLASSES = ("boxing", "golf", "rowing")


def predictions(*pairs: tuple[str, str]) -> list[Prediction]:
    return [
        Prediction(f"{number}.avi", label, predicted, 0.5, label == predicted)
        for number, (label, predicted) in enumerate(pairs)
    ]


def test_counts_equal_those_of_scikit_learn_without_labels_never_learned() -> None:
    generator = np.random.default_rng(0)
    pairs = [(CLASSES[a], CLASSES[b]) for a, b in generator.integers(0, 3, (50, 2))]
    ours = confusion_matrix(predictions(*pairs, ("never seen", "golf")), CLASSES)
    assert (ours == sklearn_confusion(*zip(*pairs, strict=True), labels=CLASSES)).all()


def test_each_class_has_its_own_accuracy_and_one_without_test_videos_has_none() -> None:
    figures = class_figures(predictions(("golf", "golf"), ("golf", "rowing"), ("rowing", "rowing")), CLASSES)
    assert {name: (figure.percent, figure.videos) for name, figure in figures.items()} == {
        "golf": (50.0, 2),
        "rowing": (100.0, 1),
    }
    assert figures["golf"].chance == pytest.approx(100 / 3)


@pytest.mark.parametrize("count", [2, 101])
def test_picture_is_darker_on_the_diagonal_of_a_good_classifier(tmp_path: Path, count: int) -> None:
    names = [f"class_{number}_$x^2" for number in range(count)]
    for name, counts in (("good", 5 * np.eye(count)), ("bad", np.zeros((count, count)))):
        draw_confusion(counts.astype(np.int64), names, tmp_path / f"{name}.png", "top-1")
    good, bad = (cv2.imread(str(tmp_path / f"{name}.png")) for name in ("good", "bad"))
    assert good is not None
    assert bad is not None
    assert good.shape == bad.shape
    assert good.mean() < bad.mean()
