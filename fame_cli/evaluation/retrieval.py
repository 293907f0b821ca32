"""Retrieval: are the training videos nearest to a test video of its class? (FAME, section 4.2, Table 2)"""

import time

import torch
from torch import Tensor
from torch.nn import functional

from fame_cli.config import RetrievalConfig
from fame_cli.evaluation.evaluation import Evaluation
from fame_cli.evaluation.features import compute_features
from fame_cli.evaluation.results import Neighbour, Query, Result, read_result, write_result
from fame_cli.evaluation.scores import RECALL_KS, capped_notes, recall_figures

NEIGHBOURS_KEPT = 10
QUERIES_TOGETHER = 256
"""Queries compared with all training videos at once, so that memory stays flat."""


def retrieval(evaluation: Evaluation, config: RetrievalConfig) -> Result:
    """The result of a retrieval; where it was there already, it is read and nothing is done."""
    path = evaluation.result_path("retrieval", config)
    if path.exists():
        return read_result(path)
    started = time.monotonic()
    videos = evaluation.videos
    store = compute_features(evaluation, config, (*videos.train, *videos.test))
    train, test = (
        torch.stack([store.read(position).mean(dim=0) for position in positions])
        for positions in (videos.train, videos.test)
    )
    # With the mean of the test videos, as the published code has it, a query would see the other queries.
    centre = train.mean(dim=0)
    similarities, order = nearest(train - centre, test - centre, min(max(RECALL_KS.values()), len(train)))
    train_classes, test_classes = (
        videos.class_numbers(positions) for positions in (videos.train, videos.test)
    )
    hits = train_classes[order] == test_classes[:, None]
    relevant = (train_classes == test_classes[:, None]).sum(dim=1)
    figures = recall_figures(hits, relevant, len(train), videos.groups(videos.test))
    result = Result(
        protocol="retrieval",
        figures=figures,
        queries=describe_queries(evaluation, similarities, order),
        notes=(*videos.notes, *capped_notes(figures, "training videos")),
        seconds=time.monotonic() - started,
        **evaluation.record(config),
    )
    return write_result(path, result)


def nearest(train: Tensor, test: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The training videos nearest to each test video by cosine; of equal ones the first leads.

    Args:
        train: features (N, D), the mean over the clips of each video; test: (M, D).
        count: how many neighbours, at most N.

    Returns:
        Similarities (M, count) and places in ``train`` (M, count), nearest first.
    """
    keys = functional.normalize(train, dim=1)
    similarities, order = [], []
    for part in torch.split(functional.normalize(test, dim=1), QUERIES_TOGETHER):
        ranked = (part @ keys.T).sort(dim=1, descending=True, stable=True)
        similarities.append(ranked.values[:, :count])
        order.append(ranked.indices[:, :count])
    return torch.cat(similarities), torch.cat(order)


def describe_queries(evaluation: Evaluation, similarities: Tensor, order: Tensor) -> tuple[Query, ...]:
    """Each test video with the first of its neighbours."""
    known, train = evaluation.videos.frames.videos, evaluation.videos.train
    queries = []
    for position, group, values, places in zip(
        evaluation.videos.test,
        evaluation.videos.groups(evaluation.videos.test),
        similarities[:, :NEIGHBOURS_KEPT].tolist(),
        order[:, :NEIGHBOURS_KEPT].tolist(),
        strict=True,
    ):
        near = [known[train[place]] for place in places]
        neighbours = tuple(
            Neighbour(video.id, video.label, value) for video, value in zip(near, values, strict=True)
        )
        query = known[position]
        queries.append(Query(query.id, query.label, neighbours, near[0].label == query.label, group))
    return tuple(queries)
