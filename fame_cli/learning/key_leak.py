"""Does a contrastive network find its key by what the key shows, or by whom it was normalised with?

A query and its key are clips of one batch, the negatives of the queue are of earlier ones. Batch
normalisation leaves the statistics of its batch in every feature, so a network can learn to call "the same"
what was normalised together (He et al. 2020, section 3.3). Keys that are computed anew among clips of other
videos do not carry those statistics: what the accuracy loses by that was never told by the clip.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fame_cli.disk import write_json
from fame_cli.errors import ArtefactError
from fame_cli.learning.objectives.losses import info_nce
from fame_cli.learning.objectives.moco import MoCo
from fame_cli.learning.objectives.objective import Views, encode_in_groups
from fame_cli.learning.run import COPY_BACK
from fame_cli.record import require_as_written

LEAST_BATCHES = 8
"""Looked at; a mixed group has clips of all of them."""
QUERIES_OF_A_BATCH = 32
"""At most: more would keep too many clips in memory at once."""
QUERIES = LEAST_BATCHES * QUERIES_OF_A_BATCH
"""Asked where the videos allow it, however small a batch is: of few, several points are chance."""
WARNING_POINTS = 5.0
"""Difference in percent from which on a run is warned of it: "a few points" are noise of few queries."""


@dataclass(frozen=True)
class KeyLeak:
    """How often queries name their key among it and the queue, in percent."""

    own: float
    """With keys computed as the training does."""
    mixed: float
    """With keys computed among clips of other videos."""
    queries: int

    @property
    def points(self) -> float:
        return self.own - self.mixed

    @property
    def is_large(self) -> bool:
        return self.points > WARNING_POINTS

    def __str__(self) -> str:
        return (
            f"keys told by batch statistics: {self.points:+.1f} points (own {self.own:.1f} %, mixed "
            f"{self.mixed:.1f} % of {self.queries} queries)"
        )

    def write(self, path: Path) -> None:
        write_json(path, asdict(self))


def batches_to_measure(batch_size: int) -> int:
    """How many batches of so many videos are looked at, where an epoch has as many."""
    return max(LEAST_BATCHES, -(-QUERIES // batch_size))


def read_key_leak(path: Path) -> KeyLeak | None:
    """What ``write`` left; None where nothing was measured. Raises ArtefactError where it was changed."""
    if not path.exists():
        return None
    require_as_written(path, COPY_BACK)
    try:
        return KeyLeak(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ArtefactError(f"{path} cannot be read ({error}).", COPY_BACK) from error


@torch.no_grad()
def measure_key_leak(model: MoCo, batches: Iterable[Views]) -> KeyLeak:
    """Accuracy of a trained MoCo's queries with their own and with mixed keys.

    Encoders normalise by batch statistics, as in training; their running statistics and the queue are left as
    they were.

    Args:
        model: on one process.
        batches: two or more, of B videos each, none of which is in two of them; one at a time is in memory.
    """
    queries, own, clips, videos = [], [], [], []
    with keep_running_statistics(model):
        for views in batches:
            B = len(views["query"].clips)
            some = slice(min(B, QUERIES_OF_A_BATCH))
            queries.append(model.encode_queries(views["query"].clips)[some])
            own.append(model.encode_keys(views["key"])[some])
            clips.append(views["key"].clips[some])
            videos.append(views["query"].videos)
        # Neighbours in this order are of different batches, so a group has few clips of each.
        in_turn = torch.stack(clips, dim=1).flatten(0, 1)
        size = min(model.batch_norm_clips or B, len(in_turn))
        keys = encode_in_groups(model.encoder_k, in_turn, size)
        mixed = keys.view(-1, len(clips), keys.shape[1]).unbind(dim=1)
    asked = list(zip(queries, videos, strict=True))
    return KeyLeak(accuracy_of(model, asked, own), accuracy_of(model, asked, mixed), len(in_turn))


def accuracy_of(model: MoCo, asked: Sequence[tuple[Tensor, Tensor | None]], keys: Sequence[Tensor]) -> float:
    """Share, in percent, of the queries of each batch nearer to their key than to all negatives in the queue.

    ``asked``: queries (n, D) of each batch and the numbers of its videos (B,); ``keys`` (n, D) of each.
    """
    shares, D = [], model.embedding_dim  # what a method adds to an embedding stands behind it
    for (queries, videos), positives in zip(asked, keys, strict=True):
        count = len(queries)
        own_video = model.of_own_video(None if videos is None else videos[:count], count)
        _, accuracy = info_nce(
            queries[:, :D], positives[:, :D], model.queue[:D], model.temperature, excluded=own_video
        )
        shares.append(accuracy)
    return 100 * float(torch.stack(shares).mean())


@contextmanager
def keep_running_statistics(model: torch.nn.Module) -> Iterator[None]:
    """Put buffers back at the end: batch normalisation in training mode changes its own."""
    before: dict[str, Any] = {name: values.clone() for name, values in model.named_buffers()}
    try:
        yield
    finally:
        for name, values in model.named_buffers():
            values.copy_(before[name])
