"""The nearest of many features, without sorting all of them."""

import torch
from torch import Tensor
from torch.nn import functional

SIMILARITIES_TOGETHER = 1 << 24
"""Similarities (64 MB) that are in memory at once, whatever the numbers of videos are."""


def nearest(train: Tensor, test: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The training videos nearest to each test video by cosine; of equal ones the first leads.

    Args:
        train: features (N, D), the mean over the clips of each video; test: (M, D).
        count: how many neighbours, at most N.

    Returns:
        Similarities (M, count) and places in ``train`` (M, count), nearest first.
    """
    keys = functional.normalize(train, dim=1).T
    similarities, places = [], []
    together = max(1, SIMILARITIES_TOGETHER // len(train))
    for queries in torch.split(functional.normalize(test, dim=1), together):
        best, where = greatest(queries @ keys, count)
        similarities.append(best)
        places.append(where)
    return torch.cat(similarities), torch.cat(places)


def greatest(rows: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The ``count`` greatest values of each row (M, N) and their places, both (M, count), greatest first.

    Of equal values the first leads, as in a stable sort of whole rows.
    """
    N = rows.shape[1]
    if count >= N:
        ranked = rows.sort(dim=1, descending=True, stable=True)
        return ranked.values, ranked.indices
    values, places = rows.topk(count + 1, dim=1)
    # topk leaves the order of equal values open: by place first, then stably by value.
    in_place = places[:, :count].sort(dim=1)
    best = values[:, :count].gather(1, in_place.indices).sort(dim=1, descending=True, stable=True)
    found = in_place.values.gather(1, best.indices)
    # Where the last value taken equals the first one left, which of their places it took is open as well.
    tied = (values[:, -2] == values[:, -1]).nonzero().flatten()
    for row in tied.tolist():
        found[row] = rows[row].sort(descending=True, stable=True).indices[:count]
    return best.values, found
