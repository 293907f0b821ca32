"""A backbone with a last layer, and the file that keeps it (``classifier.safetensors``)."""

import copy
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from fame_cli import record
from fame_cli.config import BackboneName, Precision
from fame_cli.data.clips import generator_for
from fame_cli.errors import ArtefactError
from fame_cli.evaluation.features import encode
from fame_cli.learning.backbones import Backbone, build_empty
from fame_cli.learning.checkpoint import match_keys, read_safetensors, require_named, write_safetensors
from fame_cli.learning.foreign import ForeignNetwork, Normalisation
from fame_cli.option import is_object_path

BACKBONE_PREFIX = "backbone."


class Classifier(nn.Module):
    """Prepared clips (B, 3, T, H, W) to class logits (B, K).

    With ``freeze`` nothing of the backbone ever changes, its BatchNorm statistics included, and the last
    layer sees L2-normalised features, in training and in testing.
    """

    def __init__(
        self, backbone: Backbone, head: nn.Sequential, *, freeze: bool, precision: Precision
    ) -> None:
        super().__init__()
        self.backbone = copy.deepcopy(backbone).requires_grad_(not freeze)
        self.head = head
        self.freeze = freeze
        self.precision = precision
        self.train()

    @property
    def trained(self) -> nn.Module:
        """The part that training changes."""
        return self.head if self.freeze else self

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        if self.freeze:
            self.backbone.eval()
        return self

    def forward(self, clips: Tensor) -> Tensor:
        features = encode(self.backbone, clips, self.precision)
        logits: Tensor = self.head(unit_length(features) if self.freeze else features)
        return logits


def unit_length(features: Tensor) -> Tensor:
    """L2-normalised features (…, D)."""
    return functional.normalize(features, dim=-1)


def build_head(feature_dim: int, classes: int, dropout: float, seed: int) -> nn.Sequential:
    """Dropout and the last layer: weights from N(0, 0.01²), bias 0."""
    last = nn.Linear(feature_dim, classes)
    generator = torch.Generator().manual_seed(int(generator_for(seed, "last layer").integers(2**63)))
    nn.init.normal_(last.weight, std=0.01, generator=generator)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Dropout(dropout), last)


@dataclass(frozen=True)
class SavedClassifier:
    """What ``save_classifier`` kept, on the CPU."""

    weight: Tensor
    """(K, D) of the last layer: row c is the w of class c in a class activation map."""
    bias: Tensor
    """(K,)"""
    class_names: tuple[str, ...]
    backbone_name: str
    backbone: Backbone | None
    """The finetuned backbone; None where it was frozen, and is that of the pretraining."""


def save_classifier(path: Path, classifier: Classifier, name: str, class_names: Sequence[str]) -> None:
    """Write the last layer and, where it was trained, the backbone, as safetensors."""
    last = classifier.head[-1]
    assert isinstance(last, nn.Linear)
    tensors = {"weight": last.weight, "bias": last.bias}
    if not classifier.freeze:
        backbone = classifier.backbone.state_dict()
        tensors |= {BACKBONE_PREFIX + key: value for key, value in backbone.items()}
    metadata = {"backbone": name, "class_names": json.dumps(list(class_names))}
    if isinstance(classifier.backbone, ForeignNetwork) and classifier.backbone.normalisation:
        metadata["normalisation"] = json.dumps(asdict(classifier.backbone.normalisation))
    write_safetensors(path, tensors, metadata)


def load_classifier(path: Path, name: str | None = None) -> SavedClassifier:
    """The classifier of an evaluation; raises ArtefactError where it is missing or not whole.

    ``name`` is that of its backbone, needed only where that is one of the user's own that was finetuned.
    """
    record.require_as_written(path, "Copy it back, or evaluate again in a new RUN.")
    tensors, metadata = read_safetensors(path)
    try:
        weight, bias = tensors.pop("weight"), tensors.pop("bias")
        class_names, declared = tuple(json.loads(metadata["class_names"])), metadata["backbone"]
        if not (weight.ndim == 2 and len(weight) == len(bias) == len(class_names)):
            raise ValueError("its last layer and its class names differ in number")
        if not (declared in get_args(BackboneName) or is_object_path(declared)):
            raise ValueError(f"it names an unknown backbone, {declared!r}")
    except (KeyError, ValueError) as error:
        raise ArtefactError(
            f"{path}: holds no classifier ({error}).", "Evaluate again in a new RUN."
        ) from error
    trained = {key.removeprefix(BACKBONE_PREFIX): value for key, value in tensors.items()}
    if not trained:
        return SavedClassifier(weight, bias, class_names, declared, None)
    backbone = build_empty(require_named(path, declared, name) if is_object_path(declared) else declared)
    if "normalisation" in metadata and not isinstance(backbone, ForeignNetwork):
        stated = json.loads(metadata["normalisation"])
        normalisation = Normalisation(tuple(stated["mean"]), tuple(stated["std"]))
        backbone = ForeignNetwork(backbone, backbone.feature_dim, normalisation)
    match_keys(path, backbone.state_dict(), trained)
    backbone.load_state_dict(trained, strict=True, assign=True)
    return SavedClassifier(weight, bias, class_names, declared, backbone.eval())
