"""Retrieval: are the training videos nearest to a test video of its class? (FAME, section 4.2, Table 2)"""

import time

from torch import Tensor

from fame_cli.config import RetrievalConfig
from fame_cli.evaluation.evaluation import Evaluation
from fame_cli.evaluation.features import compute_features
from fame_cli.evaluation.neighbours import nearest
from fame_cli.evaluation.results import Neighbour, Query, Result, read_result, write_result
from fame_cli.evaluation.scores import RECALL_KS, capped_notes, recall_figures
from fame_cli.learning.resources import name_exhaustion

NEIGHBOURS_KEPT = 10


@name_exhaustion("--precision bf16")
def retrieval(evaluation: Evaluation, config: RetrievalConfig) -> Result:
    """The result of a retrieval; where it was there already, it is read and nothing is done."""
    path = evaluation.result_path("retrieval", config)
    if path.exists():
        return read_result(path)
    started = time.monotonic()
    videos = evaluation.videos
    store = compute_features(evaluation, config, (*videos.train, *videos.test))
    train, test = store.read_means(videos.train), store.read_means(videos.test)
    # With the mean of the test videos, as the published code has it, a query would see the other queries.
    centre = train.mean(dim=0)
    similarities, order = nearest(train - centre, test - centre, min(max(RECALL_KS.values()), len(train)))
    train_classes, test_classes = (
        videos.class_numbers(video_indices) for video_indices in (videos.train, videos.test)
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


def describe_queries(evaluation: Evaluation, similarities: Tensor, order: Tensor) -> tuple[Query, ...]:
    """Each test video with the first of its neighbours."""
    known, train = evaluation.videos.frames.videos, evaluation.videos.train
    queries = []
    for video_index, group, values, places in zip(
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
        query = known[video_index]
        queries.append(Query(query.id, query.label, neighbours, near[0].label == query.label, group))
    return tuple(queries)
