"""The contrastive loss."""

import math

import torch
from torch import Tensor
from torch.nn import functional


def info_nce(queries: Tensor, keys: Tensor, queue: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """InfoNCE with a queue of negatives (He et al. 2020, Eq. 1; FAME, Eq. 1), and its top-1 accuracy.

    -log( exp(q·k⁺/τ) / (exp(q·k⁺/τ) + Σ_j exp(q·k_j/τ)) ), the mean over the batch, in float32 even under
    autocast. ``queries`` and ``keys`` (B, D) hold positives row by row, ``queue`` (D, K) the negatives; all
    vectors are expected at unit length, so that products are cosines. The accuracy, without gradient, is the
    share of queries nearer to their key than to every negative; a tie is a miss, so that collapse shows as 0.
    """
    with torch.autocast(queries.device.type, enabled=False):
        queries, keys, queue = queries.float(), keys.float(), queue.float()
        positives = (queries * keys).sum(dim=1, keepdim=True)
        negatives = queries @ queue
        logits = torch.cat([positives, negatives], dim=1) / temperature
        loss = functional.cross_entropy(logits, logits.new_zeros(len(logits), dtype=torch.long))
    hits = positives.detach() > negatives.detach().amax(dim=1, keepdim=True)
    return loss, hits.float().mean()


def chance_level(queue_length: int) -> float:
    """log(K+1): the loss of an encoder that tells no clip from another."""
    return math.log(queue_length + 1)
