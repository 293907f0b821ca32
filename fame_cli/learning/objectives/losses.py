"""The losses of the frameworks, as functions of embeddings alone."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def info_nce(
    queries: Tensor,
    keys: Tensor,
    queue: Tensor,
    temperature: float,
    *,
    extra: Tensor | None = None,
    extra_weights: Sequence[float] = (),
    excluded: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """InfoNCE with a queue of negatives (He et al. 2020, Eq. 1; FAME, Eq. 1), and its top-1 accuracy.

    -log( exp(q·k⁺/τ) / (exp(q·k⁺/τ) + Σ_j exp(q·k_j/τ)) ), the mean over the batch, in float32 even under
    autocast.

    Args:
        queries: (B, D) unit vectors q, so that products are cosines.
        keys: (B, D) unit vectors k⁺, the positives row by row.
        queue: (D, K) unit vectors k_j as columns, the negatives.
        temperature: τ.
        extra: (B, E) cosines of each query with negatives of its own, such as another time of its video;
            −inf leaves one out.
        extra_weights: factor of each of their E exponentials, above 0; all 1 where none are given.
        excluded: (B, K) bool, columns of the queue that are no negatives of a query: keys of its own video.

    Returns:
        The loss, and without gradient the share of queries nearer to their key than to every negative; a tie
        is a miss, so that collapse shows as 0.
    """
    with torch.autocast(queries.device.type, enabled=False):
        queries, keys, queue = queries.float(), keys.float(), queue.float()
        positives = (queries * keys).sum(dim=1, keepdim=True)
        negatives = queries @ queue
        if excluded is not None:
            negatives = negatives.masked_fill(excluded, -math.inf)
        if extra is not None:
            negatives = torch.cat([negatives, extra.float()], dim=1)
        logits = torch.cat([positives, negatives], dim=1) / temperature
        for column, weight in enumerate(reversed(extra_weights), start=1):
            if weight != 1:
                logits[:, -column] += math.log(weight)
        loss = functional.cross_entropy(logits, logits.new_zeros(len(logits), dtype=torch.long))
    hits = positives.detach() > negatives.detach().amax(dim=1, keepdim=True)
    return loss, hits.float().mean()


def chance_level(queue_length: int, extra: float = 0) -> float:
    """log(K + 1): the ``info_nce`` of an encoder that tells no clip from another, K the queue_length.

    With ``extra`` further negatives of each query it is log(K + 1 + extra).
    """
    return math.log(queue_length + 1 + extra)


def nt_xent(
    anchors: Tensor, partners: Tensor, siblings: Tensor, start: int, temperature: float
) -> tuple[Tensor, Tensor]:
    """NT-Xent (Chen et al. 2020, Eq. 1) of one view of each video, and its top-1 accuracy.

    -log( exp(a·p⁺/τ) / Σ exp(a·v/τ) ) over all 2B − 1 views v but the anchor itself, the mean over the
    anchors, in float32 even under autocast. The loss of a batch is the mean of both directions.

    Args:
        anchors: (b, D) unit vectors, rows ``start`` to ``start + b`` of ``siblings``.
        partners: (B, D) unit vectors, the other views of all videos.
        siblings: (B, D) unit vectors, the views of all videos on the anchors' side, themselves among them.
        start: row of the first anchor.
        temperature: τ.

    Returns:
        The loss, and without gradient the share of anchors nearer to their partner than to every other view.
    """
    own = torch.arange(start, start + len(anchors), device=anchors.device)
    with torch.autocast(anchors.device.type, enabled=False):
        views = torch.cat([partners, siblings]).float()
        logits = anchors.float() @ views.T / temperature
        logits = logits.scatter(1, own[:, None] + len(partners), -math.inf)
        loss = functional.cross_entropy(logits, own)
    return loss, hit_rate(logits, own)


def prediction_loss(predictions: Tensor, targets: Tensor) -> Tensor:
    """‖q̄ − z̄′‖² = 2 − 2 q̄·z̄′, the mean over the batch (Grill et al. 2020, Eq. 2), from 0 to 4.

    ``predictions`` q̄ and ``targets`` z̄′ (B, D) are unit vectors, row by row; no gradient reaches the targets.
    """
    return 2 - 2 * (predictions * targets.detach()).sum(dim=1).mean()


@torch.no_grad()
def hit_rate(similarities: Tensor, own: Tensor) -> Tensor:
    """Share of rows of (b, N) whose entry at column ``own`` (b,) is above all others; a tie is a miss."""
    return find_hits(similarities, own).float().mean()


@torch.no_grad()
def find_hits(similarities: Tensor, own: Tensor) -> Tensor:
    """(b,) bool: whether the entry of a row of (b, N) at column ``own`` (b,) is above all others."""
    others = similarities.scatter(1, own[:, None], -math.inf)
    return similarities.gather(1, own[:, None])[:, 0] > others.amax(dim=1)
