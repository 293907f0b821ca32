"""Linear probe and finetune: a last layer is trained on labelled videos, and tested (FAME, section 4.2)."""

import dataclasses
import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from fame_cli import record, stage
from fame_cli.config import ClassifierConfig, FinetuneConfig, LinearConfig
from fame_cli.data.views import augment, to_clips
from fame_cli.disk import remove_abandoned
from fame_cli.errors import ConfigurationError
from fame_cli.evaluation.classifier import Classifier, build_head, save_classifier, unit_length
from fame_cli.evaluation.clip_datasets import EpochBatches, EvenClips, TrainingClips, load
from fame_cli.evaluation.evaluation import Evaluation, ProgressWithNote, require_clips_fit
from fame_cli.evaluation.features import compute_features, in_parts, prepare
from fame_cli.evaluation.fit import Epochs, FitHistory, fit
from fame_cli.evaluation.results import Prediction, Result, read_result, write_result
from fame_cli.evaluation.scores import (
    capped_notes,
    class_figures,
    classification_figures,
    top_k_hits,
    video_probabilities,
)
from fame_cli.evaluation.sweep import choose_learning_rate, held_out
from fame_cli.learning.memory_format import to_channels_last
from fame_cli.learning.resources import name_exhaustion

CLEARLY_MORE = 1.05
"""What has hardly learned yet ends about at the loss of guessing, what diverges well above it."""

CHECKPOINT = "last.pt"
CLASSIFIER = "classifier.safetensors"


def linear(evaluation: Evaluation, config: LinearConfig) -> Result:
    """Train the last layer alone, on L2-normalised features of the frozen encoder, and test it."""
    return evaluate(evaluation, "linear", config, freeze=True)


def finetune(evaluation: Evaluation, config: FinetuneConfig) -> Result:
    """Train the whole network, with dropout before the last layer, and test it."""
    if evaluation.weights.brings_network:
        raise ConfigurationError(
            f"{evaluation.weights.source} brings a network of its own, which cannot be finetuned.",
            "Train a linear probe on it (fame eval linear), or give the network as --backbone "
            "package.module:function.",
        )
    if config.batch_size < 2:
        raise ConfigurationError(
            f"--batch-size is {config.batch_size}; expected at least 2.",
            "BatchNorm takes its statistics over the clips of a batch.",
        )
    return evaluate(evaluation, "finetune", config, freeze=False)


@name_exhaustion()
def evaluate(evaluation: Evaluation, protocol: str, config: ClassifierConfig, *, freeze: bool) -> Result:
    """The result of a training and a test; where it was there already, it is read and nothing is done."""
    path = evaluation.result_path(protocol, config)
    if path.exists():
        return read_result(path)
    require_clips_fit(evaluation.weights, config)
    folder = evaluation.evaluation_folder(protocol, config)
    folder.mkdir(parents=True, exist_ok=True)
    with stage.locked(folder):
        remove_abandoned(folder)
        started = time.monotonic()
        classifier = build_classifier(evaluation, config, freeze)
        training, used, notes = train(evaluation, classifier, config, folder / CHECKPOINT)
        chosen: dict[str, float] = {"learning_rate": used.learning_rate}
        if training.shares:
            note, chosen["epoch"] = kept_epoch(training.shares)
            notes.append(note)
        classifier.eval()
        logits = test_logits(evaluation, classifier, config)
        save_classifier(
            folder / CLASSIFIER, classifier, evaluation.weights.name, evaluation.videos.class_names
        )
        seconds = training.earlier_seconds + time.monotonic() - started
        result = describe(evaluation, protocol, config, used, logits, training.losses, seconds)
        result = dataclasses.replace(result, notes=(*result.notes, *notes), training=chosen)
        record.sign(evaluation.run, folder / CLASSIFIER)
        return write_result(path, result)


def build_classifier(evaluation: Evaluation, config: ClassifierConfig, freeze: bool) -> Classifier:
    backbone, classes = evaluation.weights.backbone, len(evaluation.videos.class_names)
    head = build_head(backbone.feature_dim, classes, config.dropout, config.seed)
    classifier = Classifier(backbone, head, freeze=freeze, precision=config.precision)
    return to_channels_last(classifier, evaluation.device)


def train(
    evaluation: Evaluation, classifier: Classifier, config: ClassifierConfig, checkpoint: Path
) -> tuple[FitHistory, ClassifierConfig, list[str]]:
    """Train the classifier; returns how it went, with which options, and what there is to say of them."""
    device, notes = evaluation.device, list[str]()
    if config.learning_rate == 0:
        config = dataclasses.replace(
            config, learning_rate=default_learning_rate(len(evaluation.videos.class_names))
        )
    if not (isinstance(config, LinearConfig) and config.train_on == "features"):
        epochs = ClipEpochs(evaluation, config)
        with evaluation.progress("training", "clips") as tell:
            training = fit(
                classifier,
                classifier.trained,
                epochs,
                epochs.samples,
                config,
                checkpoint,
                device,
                tell,
                test_share(evaluation, classifier, config),
            )
        return training, config, notes
    features, classes = training_features(evaluation, config)
    if config.sweep:
        videos, K = evaluation.videos, len(evaluation.videos.class_names)
        out = held_out(videos.labels(videos.train), videos.groups(videos.train), config.seed)
        with evaluation.progress("choosing a learning rate", "clips") as tell:
            rate, note = choose_learning_rate(
                features, classes, out, K, config, checkpoint.parent, feature_epochs, tell
            )
        config, notes = dataclasses.replace(config, learning_rate=rate), [note]
    on_features, samples = feature_epochs(features, classes, config)
    head = classifier.head
    with evaluation.progress("training", "clips") as tell:
        return fit(head, head, on_features, samples, config, checkpoint, device, tell), config, notes


def test_share(
    evaluation: Evaluation, classifier: Classifier, config: ClassifierConfig
) -> Callable[[], float] | None:
    """Measures the share of test videos that a finetuned network has right, if the epoch is chosen by it."""
    if not (isinstance(config, FinetuneConfig) and config.keep_epoch == "best-on-test"):
        return None
    classes = evaluation.videos.class_numbers(evaluation.videos.test)

    def measure() -> float:
        scores = video_probabilities(finetuned_logits(evaluation, classifier, config))
        return float(top_k_hits(scores, classes, 1).double().mean())

    return measure


def kept_epoch(shares: Sequence[float]) -> tuple[str, int]:
    """What a reader has to know of an epoch that was chosen by the test videos, and its number from 1."""
    best = max(range(len(shares)), key=shares.__getitem__)
    note = (
        f"Epoch {best + 1} of {len(shares)} was chosen by its top-1 on the test videos themselves, as in "
        f"BE's published code: {100 * shares[best]:.2f} %; the last epoch has {100 * shares[-1]:.2f} %. "
        "Such a figure is too high: no other videos were there to choose by."
    )
    return note, best + 1


def default_learning_rate(classes: int) -> float:
    """Learning rate of a linear probe: classes^(3/4), so 1.7 for two classes, 10 for 21, 32 for 101.

    Features have unit length and much in common. At the start the loss curves by about 1 / classes along what
    they share, so a rate that suits many classes shakes few. With this power it stayed within a point of the
    best on made features of 2 to 400 classes (``benchmarks/probe_rates.py``).
    """
    return float(classes**0.75)


def training_features(evaluation: Evaluation, config: ClassifierConfig) -> tuple[Tensor, Tensor]:
    """Unit-length features (N, clips, D) of the training videos' even clips, and their classes (N,)."""
    videos = evaluation.videos
    features = compute_features(evaluation, config, videos.train).read_all(videos.train)
    return unit_length(features).to(evaluation.device), videos.class_numbers(videos.train).to(
        evaluation.device
    )


def feature_epochs(features: Tensor, classes: Tensor, config: ClassifierConfig) -> tuple[Epochs, int]:
    epochs = FeatureEpochs(features, classes, config)
    return epochs, epochs.samples


class ClipEpochs:
    """Batches of clips augmented anew in each epoch, one of each training video."""

    def __init__(self, evaluation: Evaluation, config: ClassifierConfig) -> None:
        self.evaluation = evaluation
        self.config = config
        self.samples = len(evaluation.videos.train)

    def __call__(self, first_epoch: int) -> Iterator[Iterable[tuple[Tensor, Tensor]]]:
        videos, device = self.evaluation.videos, self.evaluation.device
        batches = plan_batches(self.samples, self.config, first_epoch)
        clips = TrainingClips(videos, videos.class_numbers(videos.train), self.config)
        # One loader for all epochs: its processes start once and read on past the end of an epoch.
        loader = iter(load(clips, self.evaluation.workers, device, batches))
        while True:
            yield map(self.prepare_batch, itertools.islice(loader, batches.steps))

    def prepare_batch(self, batch: tuple[Tensor, dict[str, Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        frames, view, classes = batch
        device = self.evaluation.device
        clips = augment(to_clips(frames, device), view)
        return prepare(clips), classes.to(device, non_blocking=True)


class FeatureEpochs:
    """Batches of unit-length features: every evenly spread clip of each training video in each epoch."""

    def __init__(self, features: Tensor, classes: Tensor, config: ClassifierConfig) -> None:
        """``features`` (N, clips, D) and ``classes`` (N,) of the training videos."""
        self.features = features.flatten(0, 1)
        self.classes = classes.repeat_interleave(features.shape[1])
        self.config = config
        self.samples = len(self.classes)

    def __call__(self, first_epoch: int) -> Iterator[Iterable[tuple[Tensor, Tensor]]]:
        batches = plan_batches(self.samples, self.config, first_epoch)
        places = (torch.tensor([place for _, place in batch]) for batch in batches)
        while True:
            yield (
                (self.features[chosen], self.classes[chosen])
                for chosen in itertools.islice(places, batches.steps)
            )


def plan_batches(samples: int, config: ClassifierConfig, first_epoch: int) -> EpochBatches:
    return EpochBatches(samples, config.batch_size, first_epoch, config.epochs, config.seed)


@torch.no_grad()
def test_logits(evaluation: Evaluation, classifier: Classifier, config: ClassifierConfig) -> Tensor:
    """Logits (N, clips, K) of the test videos' evenly spread clips, on the CPU.

    Features of a frozen encoder are kept on disk; those of a finetuned one serve this test alone.
    """
    test = evaluation.videos.test
    if classifier.freeze:
        features = compute_features(evaluation, config, test).read_all(test)
        logits: Tensor = classifier.head(unit_length(features).to(evaluation.device))
        return logits.cpu()
    with evaluation.progress("testing", "videos") as tell:
        return finetuned_logits(evaluation, classifier, config, tell)


@torch.no_grad()
def finetuned_logits(
    evaluation: Evaluation,
    classifier: Classifier,
    config: ClassifierConfig,
    tell: ProgressWithNote = lambda _done, _total, _note: None,
) -> Tensor:
    """The same of a network whose features are kept nowhere."""
    found, test = [], evaluation.videos.test
    for _, clips in load(
        EvenClips(evaluation.videos.frames, test, config), evaluation.workers, evaluation.device
    ):
        found.append(in_parts(classifier, clips, evaluation.device).cpu())
        tell(len(found), len(test), "")
    return torch.stack(found)


def describe(
    evaluation: Evaluation,
    protocol: str,
    config: ClassifierConfig,
    used: ClassifierConfig,
    logits: Tensor,
    losses: tuple[float, ...],
    seconds: float,
) -> Result:
    """The result of a classification."""
    videos = evaluation.videos
    names = videos.class_names
    groups = videos.groups(videos.test)
    figures = classification_figures(logits, videos.class_numbers(videos.test), groups)
    notes = [*videos.notes, *capped_notes(figures, "classes")]
    if losses[-1] > CLEARLY_MORE * math.log(len(names)):
        notes.append(
            f"The training loss ended at {losses[-1]:.3f}, above {math.log(len(names)):.3f} of guessing: "
            f"--learning-rate {used.learning_rate:g} is likely too large."
        )
    best = video_probabilities(logits).max(dim=1)
    predictions = []
    for video_index, group, probability, number in zip(
        videos.test, groups, best.values.tolist(), best.indices.tolist(), strict=True
    ):
        video = videos.frames.videos[video_index]
        right = names[number] == video.label
        predictions.append(Prediction(video.id, video.label, names[number], probability, right, group))
    return Result(
        protocol=protocol,
        figures=figures,
        predictions=tuple(predictions),
        class_figures=class_figures(predictions, names),
        training_loss=losses,
        notes=tuple(notes),
        seconds=seconds,
        **evaluation.record(config),
    )
