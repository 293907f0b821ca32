"""Figures of classification and retrieval, with what guessing would give."""

import torch
from torch import Tensor

from fame_cli.evaluation.labelled import UNSEEN
from fame_cli.evaluation.results import Figure

TOP_KS = {"top1": 1, "top5": 5}
RECALL_KS = {"R@1": 1, "R@5": 5, "R@10": 10, "R@20": 20, "R@50": 50}


def video_probabilities(logits: Tensor) -> Tensor:
    """Logits of a video's clips (…, clips, K) to its class probabilities (…, K): the mean of theirs.

    FAME, section 4.2, averages "the predictions" of ten clips; of the published code one network averages
    logits and the other log-probabilities. A mean of probabilities is a probability again.
    """
    return logits.softmax(dim=-1).mean(dim=-2)


def top_k_share(scores: Tensor, classes: Tensor, k: int) -> float:
    """Share of rows (N, K) whose class (N,) is among the k greatest; of equal scores the first leads."""
    best = scores.sort(dim=1, descending=True, stable=True).indices[:, :k]
    return float((best == classes[:, None]).any(dim=1).double().mean())


def classification_figures(logits: Tensor, classes: Tensor) -> dict[str, Figure]:
    """Top-1 and top-5 of videos, top-1 of clips, from logits (N, clips, K) and class numbers (N,)."""
    N, clips, K = logits.shape
    videos = video_probabilities(logits)
    # Guessing never hits a class that was not learned either.
    known = float((classes != UNSEEN).double().mean())
    figures = {}
    for name, k in TOP_KS.items():
        capped = min(k, K)
        share = top_k_share(videos, classes, capped)
        figures[name] = Figure(100 * share, N, 100 * known * capped / K, capped)
    clip_share = top_k_share(logits.flatten(0, 1), classes.repeat_interleave(clips), 1)
    figures["clip_top1"] = Figure(100 * clip_share, N, 100 * known / K)
    return figures


def recall_figures(hits: Tensor, relevant: Tensor, train_videos: int) -> dict[str, Figure]:
    """R@k: the share of queries with a hit among the k nearest.

    Args:
        hits: (N, at least the greatest k or ``train_videos``) whether the n-th nearest is of the class.
        relevant: (N,) training videos of each query's class, for the chance level.
        train_videos: k is at most this.
    """
    figures = {}
    for name, k in RECALL_KS.items():
        capped = min(k, train_videos)
        share = float(hits[:, :capped].any(dim=1).double().mean())
        chance = recall_chance(relevant, train_videos, capped)
        figures[name] = Figure(100 * share, len(hits), 100 * chance, capped)
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
