"""The classifier that an evaluation leaves is read back, or refused."""

from pathlib import Path

import pytest
import safetensors.torch
import torch

from fame_cli.errors import ArtefactError
from fame_cli.evaluation.classifier import Classifier, build_head, load_classifier, save_classifier
from fame_cli.evaluation.evaluation import random_weights
from fame_cli.learning.checkpoint import write_safetensors

CLASSES = ("blue", "grün")


def saved(tmp_path: Path, *, freeze: bool) -> tuple[Path, Classifier]:
    head = build_head(128, 2, dropout=0.5, seed=0)
    classifier = Classifier(random_weights("small", 0).backbone, head, freeze=freeze, precision="fp32")
    path = tmp_path / "classifier.safetensors"
    save_classifier(path, classifier, "small", CLASSES)
    return path, classifier


@pytest.mark.parametrize("freeze", [True, False])
def test_classifier_is_read_back_as_it_was_saved(tmp_path: Path, freeze: bool) -> None:
    path, classifier = saved(tmp_path, freeze=freeze)
    found = load_classifier(path)
    assert (found.class_names, found.backbone_name) == (CLASSES, "small")
    assert torch.equal(found.weight, classifier.head[-1].weight)
    assert torch.equal(found.bias, classifier.head[-1].bias)
    if freeze:
        assert found.backbone is None
    else:
        assert found.backbone is not None
        assert not found.backbone.training
        clips = torch.rand(1, 3, 4, 16, 16, generator=torch.Generator().manual_seed(0))
        assert torch.equal(found.backbone(clips), classifier.backbone.eval()(clips))


def test_file_without_a_last_layer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    write_safetensors(path, {"a": torch.zeros(1)}, {})
    with pytest.raises(ArtefactError, match="holds no classifier"):
        load_classifier(path)


def test_class_names_that_do_not_fit_the_layer_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    tensors = {"weight": torch.zeros(3, 128), "bias": torch.zeros(3)}
    write_safetensors(path, tensors, {"class_names": '["a"]', "backbone": "small"})
    with pytest.raises(ArtefactError, match="differ in number"):
        load_classifier(path)


def test_finetuned_backbone_with_a_key_missing_is_refused(tmp_path: Path) -> None:
    path, _ = saved(tmp_path, freeze=False)
    tensors = safetensors.torch.load_file(path)
    del tensors["backbone.layers.0.weight"]
    metadata = {"class_names": '["a", "b"]', "backbone": "small"}
    write_safetensors(path, tensors, metadata)
    with pytest.raises(ArtefactError, match="1 missing"):
        load_classifier(path)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"nothing\.safetensors"):
        load_classifier(tmp_path / "nothing.safetensors")
