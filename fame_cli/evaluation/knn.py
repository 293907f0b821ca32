"""Weighted nearest neighbours: a classifier with nothing to train (Wu et al. 2018, section 3.4)."""

import math
import time

import torch
from torch import Tensor
from torch.nn import functional

from fame_cli.config import KnnConfig
from fame_cli.evaluation.evaluation import Evaluation
from fame_cli.evaluation.features import compute_features
from fame_cli.evaluation.neighbours import nearest
from fame_cli.evaluation.results import Prediction, Result, read_result, write_result
from fame_cli.evaluation.scores import capped_notes, class_figures, score_figures
from fame_cli.evaluation.splits import LabelledVideos
from fame_cli.learning.resources import name_exhaustion


@name_exhaustion("--precision bf16")
def knn(evaluation: Evaluation, config: KnnConfig) -> Result:
    """The result of a vote among neighbours; where it was there already, it is read and nothing is done."""
    path = evaluation.result_path("knn", config)
    if path.exists():
        return read_result(path)
    started = time.monotonic()
    videos = evaluation.videos
    store = compute_features(evaluation, config, (*videos.train, *videos.test))
    train, test = store.read_means(videos.train), store.read_means(videos.test)
    count = min(config.neighbours, len(train))
    similarities, order = nearest(train, test, count)
    classes = videos.class_numbers(videos.train)[order]
    shares = vote(similarities, classes, len(videos.class_names), config.temperature)
    # A class that no neighbour is of is no answer.
    named = shares.masked_fill(shares == 0, -math.inf)
    figures = score_figures(named, videos.class_numbers(videos.test), videos.groups(videos.test))
    notes = [*videos.notes, *capped_notes(figures, "classes")]
    if count < config.neighbours:
        notes.append(f"--neighbours {config.neighbours}: only {count} training videos are there.")
    predictions = describe_votes(videos, shares)
    result = Result(
        protocol="knn",
        figures=figures,
        predictions=predictions,
        class_figures=class_figures(predictions, videos.class_names),
        notes=tuple(notes),
        seconds=time.monotonic() - started,
        **evaluation.record(config),
    )
    return write_result(path, result)


def vote(similarities: Tensor, classes: Tensor, class_count: int, temperature: float) -> Tensor:
    """Each class's share of the neighbours' votes; a neighbour votes with exp(similarity / temperature).

    ``similarities`` and ``classes`` (M, k) of the k nearest. Returns (M, class_count), rows that sum to 1.
    """
    # A common factor changes no share; this one keeps the exponentials finite.
    weights = ((similarities - similarities.amax(dim=1, keepdim=True)) / temperature).exp()
    votes = torch.zeros(len(classes), class_count).scatter_add_(1, classes, weights)
    return functional.normalize(votes, p=1, dim=1)


def describe_votes(videos: LabelledVideos, shares: Tensor) -> tuple[Prediction, ...]:
    names, test, groups = videos.class_names, videos.test, videos.groups(videos.test)
    best = shares.max(dim=1)
    predictions = []
    for n, group, probability, number in zip(
        test, groups, best.values.tolist(), best.indices.tolist(), strict=True
    ):
        video = videos.frames.videos[n]
        right = names[number] == video.label
        predictions.append(Prediction(video.id, video.label, names[number], probability, right, group))
    return tuple(predictions)
