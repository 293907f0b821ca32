"""Figures of classification and retrieval, with what guessing would give."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fame_cli.evaluation.interval import share_interval
from fame_cli.evaluation.results import Figure, Prediction
from fame_cli.evaluation.splits import UNSEEN

TOP_KS = {"top1": 1, "top5": 5}
RECALL_KS = {"R@1": 1, "R@5": 5, "R@10": 10, "R@20": 20, "R@50": 50}


Groups = Sequence[str] | None
"""The group of each test video, as ``splits.LabelledVideos.groups`` gives them; None: each its own."""


def share_figure(hits: Tensor, chance: float, groups: Groups = None, k: int = 1) -> Figure:
    """A figure in percent from ``hits`` (N,), for each test video 0 or 1, or a share of its clips.

    Clips of a video resemble each other, so it is videos, or groups of them, that the interval counts.
    """
    values = hits.double().numpy()
    low, high = share_interval(values, groups)
    return Figure(100 * float(values.mean()), len(values), 100 * chance, k, (100 * low, 100 * high))


def video_probabilities(logits: Tensor) -> Tensor:
    """Logits of a video's clips (…, clips, K) to its class probabilities (…, K): the mean of theirs.

    FAME, section 4.2, averages "the predictions" of ten clips; of the published code one network averages
    logits and the other log-probabilities. A mean of probabilities is a probability again.
    """
    return logits.softmax(dim=-1).mean(dim=-2)


def top_k_hits(scores: Tensor, classes: Tensor, k: int) -> Tensor:
    """Whether the class (N,) of each row (N, K) is among the k greatest; of equal scores the first leads.

    A class with a score of minus infinity was not named at all and is never among them. Returns (N,) bool.
    """
    best = scores.sort(dim=1, descending=True, stable=True)
    named = best.values[:, :k] > -math.inf
    return (named & (best.indices[:, :k] == classes[:, None])).any(dim=1)


def classification_figures(logits: Tensor, classes: Tensor, groups: Groups = None) -> dict[str, Figure]:
    """Top-1 and top-5 of videos, top-1 of clips, from logits (N, clips, K) and class numbers (N,)."""
    N, clips, _ = logits.shape
    figures = score_figures(video_probabilities(logits), classes, groups)
    clip_hits = top_k_hits(logits.flatten(0, 1), classes.repeat_interleave(clips), 1)
    shares = clip_hits.view(N, clips).double().mean(dim=1)
    figures["clip_top1"] = share_figure(shares, figures["top1"].chance / 100, groups)
    return figures


def score_figures(scores: Tensor, classes: Tensor, groups: Groups = None) -> dict[str, Figure]:
    """Top-1 and top-5 of videos from their scores (N, K) and class numbers (N,)."""
    K = scores.shape[1]
    # Guessing never hits a class that was not learned either.
    known = float((classes != UNSEEN).double().mean())
    figures = {}
    for name, k in TOP_KS.items():
        capped = min(k, K)
        hits = top_k_hits(scores, classes, capped)
        figures[name] = share_figure(hits, known * capped / K, groups, capped)
    return figures


def confusion_matrix(predictions: Sequence[Prediction], classes: Sequence[str]) -> NDArray[np.int64]:
    """How often each class was taken for each: (K, K) counts of videos, truth by row, prediction by column.

    Videos of a class that was not learned stand in no row.
    """
    number = {name: place for place, name in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)), np.int64)
    for prediction in predictions:
        if prediction.label in number:
            counts[number[prediction.label], number[prediction.predicted]] += 1
    return counts


def class_figures(predictions: Sequence[Prediction], classes: Sequence[str]) -> dict[str, Figure]:
    """Top-1 of each class that has test videos; guessing is right once in as many classes as there are."""
    figures = {}
    for name in classes:
        if members := [prediction for prediction in predictions if prediction.label == name]:
            hits = torch.tensor([prediction.right for prediction in members])
            figures[name] = share_figure(hits, 1 / len(classes), [member.source for member in members])
    return figures


def recall_figures(
    hits: Tensor, relevant: Tensor, train_videos: int, groups: Groups = None
) -> dict[str, Figure]:
    """R@k: the share of queries with a hit among the k nearest.

    Args:
        hits: (N, at least the greatest k or ``train_videos``) whether the n-th nearest is of the class.
        relevant: (N,) training videos of each query's class, for the chance level.
        train_videos: k is at most this.
        groups: of the queries.
    """
    figures = {}
    for name, k in RECALL_KS.items():
        capped = min(k, train_videos)
        chance = recall_chance(relevant, train_videos, capped)
        figures[name] = share_figure(hits[:, :capped].any(dim=1), chance, groups, capped)
    return figures


def recall_chance(relevant: Tensor, train_videos: int, k: int) -> float:
    """Mean over queries of 1 - Π_{i<k} (N - r - i)/(N - i): a hit among k drawn from N with r relevant."""
    drawn = torch.arange(k, dtype=torch.float64)
    miss = (train_videos - relevant[:, None].double() - drawn).clamp_min(0) / (train_videos - drawn)
    return float((1 - miss.prod(dim=1)).mean())


def capped_notes(figures: dict[str, Figure], among: str) -> list[str]:
    """A line on figures whose k was more than there is to choose from."""
    asked = TOP_KS | RECALL_KS
    capped = [name for name, figure in figures.items() if figure.k < asked.get(name, 1)]
    if not capped:
        return []
    return [f"{', '.join(capped)}: k is {figures[capped[0]].k}, as there are only so many {among}."]
