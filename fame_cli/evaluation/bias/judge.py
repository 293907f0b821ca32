"""The classifier that meets all clips of a bias report: trained once, or a finetuned one."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fame_cli import stage
from fame_cli.config import BiasConfig, LinearConfig
from fame_cli.disk import remove_abandoned
from fame_cli.errors import ArtefactError, ConfigurationError
from fame_cli.evaluation import classify
from fame_cli.evaluation.classifier import build_head, load_classifier, unit_length
from fame_cli.evaluation.evaluation import CLIP_OPTIONS, Evaluation, Weights
from fame_cli.evaluation.fit import fit
from fame_cli.evaluation.results import RESULTS, Result, read_result
from fame_cli.evaluation.scores import video_probabilities
from fame_cli.learning.checkpoint import weights_fingerprint


@dataclass(frozen=True)
class Judge:
    """A last layer, and whether features have to have unit length for it."""

    weight: Tensor
    """(K, D)"""
    bias: Tensor
    """(K,)"""
    unit: bool
    title: str

    @torch.no_grad()
    def answers(self, features: Tensor) -> Tensor:
        """Class numbers (N,) of videos, from features (N, clips, D) of their clips."""
        return self.probabilities(features).argmax(dim=1)

    @torch.no_grad()
    def probabilities(self, features: Tensor) -> Tensor:
        """Class probabilities (N, K) of videos: the mean over their clips."""
        seen = unit_length(features) if self.unit else features
        return video_probabilities(seen @ self.weight.T + self.bias)


def linear_config(config: BiasConfig) -> LinearConfig:
    """The linear probe of a bias report: the one of ``fame eval linear`` with the same options."""
    names = {field.name for field in fields(LinearConfig)}
    return LinearConfig.from_dict({name: value for name, value in config.to_dict().items() if name in names})


def train_judge(evaluation: Evaluation, config: BiasConfig) -> Judge:
    """The linear probe, trained as far as it is not there."""
    chosen = linear_config(config)
    classify.linear(evaluation, chosen)
    saved = load_classifier(evaluation.evaluation_folder("linear", chosen) / classify.CLASSIFIER)
    return Judge(saved.weight, saved.bias, True, "linear probe")


def train_background_judge(
    evaluation: Evaluation, config: BiasConfig, features: Tensor, folder: Path
) -> Judge:
    """A linear probe of features (N, clips, D) of the training videos' backgrounds."""
    videos, device = evaluation.videos, evaluation.device
    rate = config.learning_rate or classify.default_learning_rate(len(videos.class_names))
    chosen = replace(linear_config(config), learning_rate=rate)
    head = build_head(features.shape[-1], len(videos.class_names), config.dropout, config.seed).to(device)
    classes = videos.class_numbers(videos.train).to(device)
    epochs, samples = classify.feature_epochs(unit_length(features).to(device), classes, chosen)
    folder.mkdir(parents=True, exist_ok=True)
    with stage.locked(folder), evaluation.progress("training on backgrounds", "clips") as tell:
        remove_abandoned(folder)
        fit(head, head, epochs, samples, chosen, folder / classify.CHECKPOINT, device, tell)
    last: Any = head[-1]
    return Judge(last.weight.detach().cpu(), last.bias.detach().cpu(), True, "linear probe of backgrounds")


@dataclass(frozen=True)
class Finetuned:
    """A finetuned network and its last layer, from the folder of its evaluation."""

    path: Path
    judge: Judge
    weights: Weights
    class_names: tuple[str, ...]
    result: Result | None
    """Of its evaluation, where that is beside it."""

    def require_same(self, evaluation: Evaluation) -> None:
        """Raise ConfigurationError where it learned other classes, or from other videos."""
        videos = evaluation.videos
        if self.class_names != videos.class_names:
            raise ConfigurationError(
                f"{self.path} knows {len(self.class_names)} classes, and the training videos have "
                f"{len(videos.class_names)}, which are not the same.",
                "Give the WORK and the splits that it was trained with.",
            )
        if self.result is not None and self.result.splits["content"] != videos.content:
            raise ConfigurationError(
                f"{self.path} learned from other videos, or was tested on others.",
                "Give the WORK and the splits that it was trained with: it may have seen these test videos.",
            )


def read_finetuned(path: Path, before: Weights) -> Finetuned:
    """The classifier that ``fame eval finetune`` left, given its folder or its file.

    Args:
        path: RUN/evaluations/finetune-…, or classifier.safetensors in it.
        before: the weights that it began from, for what their pretraining saw.
    """
    file = path / classify.CLASSIFIER if path.is_dir() else path
    saved = load_classifier(file, before.name)
    if saved.backbone is None:
        raise ArtefactError(
            f"{file} is a last layer on a frozen network: it holds no network.",
            "Give that of fame eval finetune, or leave --classifier out: a linear probe is trained then.",
        )
    record = file.parent.parent.parent / RESULTS / f"{file.parent.name}.json"
    result = read_result(record) if record.exists() else None
    options: Mapping[str, int] = before.clip_options
    if result is not None:
        options = {name: result.configuration[name] for name in CLIP_OPTIONS}
    weights = replace(
        before,
        backbone=saved.backbone,
        name=saved.backbone_name,
        source=str(file),
        fingerprint=weights_fingerprint(file),
        clip_options=dict(options),
    )
    judge = Judge(saved.weight, saved.bias, False, f"finetuned, {file.parent.name}")
    return Finetuned(file, judge, weights, saved.class_names, result)
