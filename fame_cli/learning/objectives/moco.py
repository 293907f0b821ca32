"""Momentum contrast (MoCo v2: He et al. 2020, Chen et al. 2020), with the switches that FAME and BE need."""

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fame_cli.data.role import Role
from fame_cli.learning.backbones import Backbone
from fame_cli.learning.distributed import gather, own_rows
from fame_cli.learning.objectives.losses import chance_level, info_nce
from fame_cli.learning.objectives.objective import (
    TWO_VIEWS,
    Encoder,
    Figures,
    Objective,
    View,
    Views,
    ema_update,
    encode_in_groups,
    mean_figures,
    projection_head,
)

Head = Literal["mlp", "linear"]

NO_VIDEO = -1
"""In place of a video's number for the random directions that the queue begins with."""


@dataclass(frozen=True)
class Direction:
    """One loss of a step: the queries of one view against keys that are known already."""

    query: View
    """Asks: its clips become queries."""
    key: View
    """Answers: its keys are the positives."""
    all_keys: Tensor
    """(N, D) of the global batch, in its order."""
    queue: Tensor
    """(D, K), as it was before the keys of this step joined it."""
    own_video: Tensor
    """(B, K) bool: which keys of the queue are of a query's own video."""
    negatives: View | None
    """Clips of another time of each video, which the query encoder sees as well."""
    weight: float
    """Share of the step's loss."""

    @property
    def clips(self) -> Tensor:
        """(B, 3, T, H, W) of the queries."""
        return self.query.clips

    @property
    def keys(self) -> Tensor:
        """(B, D), the positives row by row."""
        return self.all_keys[own_rows(len(self.clips))]


class MoCo(Objective):
    """Query encoder, key encoder and a queue of negatives (MoCo v2: He et al. 2020, Chen et al. 2020).

    The head's first weights come from torch's global generator, as the backbone's did (seed it before both);
    the queue's come from ``seed`` alone. A query is compared with its key and the queue, so chance is
    log(K + 1), or log(K + 2) with a negative of its own, which the clips of "query" alone have. Keys of a
    query's own video in the queue are left out. Every rank holds the same queue, of the keys of all ranks.

        for part in model.split(views):
            loss, figures = model(part)
            loss.backward()
        optimizer.step()
        model.after_step(step, total_steps)

    Args:
        backbone: of both encoders.
        embedding_dim: D, the length of queries and keys.
        queue_length: K, any number from 1.
        momentum: m of the key encoder.
        temperature: τ of the loss.
        seed: of the first queue.
        roles: "query" and "key", and "negative" for a negative of each query's own video (BE).
        symmetric: each view is query and key in turn, as in FAME; otherwise "query" alone asks, as in BE.
        head: two layers (MoCo v2), or one (BE's published code).
        batch_norm_clips: clips that are normalised together in both encoders, G. The keys' groups are of the
            global batch in an order of their own (MoCo, section 3.3), so that the statistics of a group tell
            no query which key is its own. 0 normalises the whole global batch together, in the queries'
            order.
    """

    queue: Tensor
    queue_pointer: Tensor
    queue_videos: Tensor

    def __init__(
        self,
        backbone: Backbone,
        *,
        embedding_dim: int,
        queue_length: int,
        momentum: float,
        temperature: float,
        seed: int,
        roles: tuple[Role, ...] = TWO_VIEWS,
        symmetric: bool = True,
        head: Head = "mlp",
        batch_norm_clips: int = 0,
    ) -> None:
        super().__init__()
        self.roles = roles
        self.embedding_dim = embedding_dim
        self.momentum = momentum
        self.temperature = temperature
        self.symmetric = symmetric
        self.batch_norm_clips = batch_norm_clips
        self.chance = self.chance_with(queue_length)
        self.encoder_q = Encoder(backbone, build_head(head, backbone.feature_dim, embedding_dim))
        self.encoder_k = copy.deepcopy(self.encoder_q).requires_grad_(False)
        self.register_buffer("queue", random_queue(embedding_dim, queue_length, seed))
        self.register_buffer("queue_pointer", torch.zeros((), dtype=torch.long))
        self.register_buffer("queue_videos", torch.full((queue_length,), NO_VIDEO))

    def chance_with(self, queue_length: int, extra: float = 0) -> float:
        """Chance of the directions of a step, each with ``extra`` negatives more."""
        negatives = int(any(role.name == "negative" for role in self.roles))
        levels = [chance_level(queue_length, extra=negatives + extra)]
        levels += [chance_level(queue_length, extra=extra)] * self.symmetric
        return sum(levels) / len(levels)

    @property
    def backbone(self) -> Backbone:
        """The query encoder's network without its head, which a finished run exports."""
        return self.encoder_q.backbone

    def trainable_parameters(self) -> Iterator[nn.Parameter]:
        """The parameters of the query encoder; the key encoder only follows."""
        return self.encoder_q.parameters()

    @torch.no_grad()
    def split(self, views: Views) -> Sequence[Direction]:
        """The losses of a step, query → key and, if symmetric, key → query, with the keys of both computed.

        The keys join the queue here; the losses meet the queue as it was, so a query never meets its own clip
        among its negatives.
        """
        query, key = views["query"], views["key"]
        pairs = [(query, key), (key, query)] if self.symmetric else [(query, key)]
        keys = [self.encode_keys(positive) for _, positive in pairs]
        queue, own_video = self.queue.clone(), self.of_own_video(query.videos, len(query.clips))
        directions = [
            Direction(
                asking,
                answering,
                found,
                queue,
                own_video,
                # The gap is kept from the clips of "query"; those of "key" may show the same frames.
                views.get("negative") if asking is query else None,
                1 / len(pairs),
            )
            for (asking, answering), found in zip(pairs, keys, strict=True)
        ]
        # The order of the views: the keys of "query" first, where it has some.
        self.enqueue(torch.cat(keys[::-1]), query.videos)
        return directions

    def forward(self, part: Views | Direction) -> tuple[Tensor, Figures]:
        """InfoNCE of one direction, times its share of the step; of views, the sum over their directions.

        Clips are (B, 3, T, H, W). The loss is a scalar.
        """
        if isinstance(part, Mapping):
            parts = [self(direction) for direction in self.split(part)]
            loss = torch.stack([loss for loss, _ in parts]).sum()
            return loss, mean_figures([measured for _, measured in parts])
        loss, figures = self.contrast(self.encode_queries(part.clips), part)
        return part.weight * loss, figures

    def contrast(self, queries: Tensor, part: Direction) -> tuple[Tensor, Figures]:
        """InfoNCE of queries (B, D) against the keys of a direction, not yet weighted, and its figures."""
        own = self.own_negatives(queries, part)
        loss, accuracy = info_nce(
            queries,
            part.keys,
            part.queue,
            self.temperature,
            extra=torch.cat([cosines for cosines, _ in own], dim=1) if own else None,
            extra_weights=[weight for _, weight in own],
            excluded=part.own_video,
        )
        figures = {"accuracy": accuracy}
        if part.negatives is not None and part.negatives.apart is not None:
            figures["negatives"] = part.negatives.apart.float().mean()
        return loss, figures

    def own_negatives(self, queries: Tensor, part: Direction) -> list[tuple[Tensor, float]]:
        """Negatives of each query's own: its cosine (B, 1) with each, and the weight of that exponential."""
        if part.negatives is None:
            return []
        return [(self.cosines_of_negatives(queries, part.negatives), 1.0)]

    def encode_queries(self, clips: Tensor) -> Tensor:
        """Queries (B, D) of clips (B, 3, T, H, W), group by group."""
        return encode_in_groups(self.encoder_q, clips, self.batch_norm_clips)

    def cosines_of_negatives(self, queries: Tensor, negatives: View) -> Tensor:
        """Cosine (B, 1) of each query with another time of its video; −inf where there is no such time.

        The negatives go through the query encoder with gradient (BE: Wang et al. 2021, section 3.1).
        """
        others = self.encode_queries(negatives.clips)[:, : queries.shape[1]]
        cosines = (queries.float() * others.float()).sum(dim=1, keepdim=True)
        if negatives.apart is None:
            return cosines
        return cosines.masked_fill(~negatives.apart[:, None], -math.inf)

    def encode_keys(self, view: View) -> Tensor:
        """The keys (N, D) of a view, N clips of all ranks, in the order of the global batch.

        In groups, they are computed in the order of what the role drew for each clip (``draw_place``).
        """
        if not self.batch_norm_clips or "place" not in view.drawn:
            return gather(encode_in_groups(self.encoder_k, view.clips, self.batch_norm_clips))
        order = gather(view.drawn["place"]).argsort(stable=True)
        clips = gather(view.clips)[order[own_rows(len(view.clips))]]
        keys = gather(encode_in_groups(self.encoder_k, clips, self.batch_norm_clips))
        return torch.empty_like(keys).index_copy_(0, order, keys)

    def of_own_video(self, videos: Tensor | None, count: int) -> Tensor:
        """(B, K) bool: which keys of the queue are of the video of each of ``count`` queries."""
        if videos is None:
            return torch.zeros(count, len(self.queue_videos), dtype=torch.bool, device=self.queue.device)
        return videos[:, None] == self.queue_videos

    def after_step(self, step: int, total_steps: int) -> None:  # noqa: ARG002, the momentum is constant
        """``update_keys``, in every step alike."""
        self.update_keys()

    def update_keys(self) -> None:
        """θ_k ← m θ_k + (1 − m) θ_q (He et al. 2020, Eq. 2), for parameters.

        Running means and variances are left alone: the key encoder gathers its own in training mode.
        """
        ema_update(self.encoder_k.parameters(), self.encoder_q.parameters(), self.momentum)

    @torch.no_grad()
    def enqueue(self, keys: Tensor, videos: Tensor | None = None) -> None:
        """Overwrite the oldest columns of the queue with keys (N, D); of more than K the last K stay.

        ``videos`` (B,) are the numbers of this rank's videos, for one or both views of which there are keys.
        """
        K = self.queue.shape[1]
        newest = keys[-K:]
        # The positions stay a tensor: reading the pointer would make the host wait for the device.
        positions = (self.queue_pointer + torch.arange(len(newest), device=keys.device)) % K
        self.queue.index_copy_(1, positions, newest.T.to(self.queue.dtype))
        if videos is not None:
            everyone = gather(videos)
            numbers = everyone.repeat(len(keys) // len(everyone))[-K:]
            self.queue_videos.index_copy_(0, positions, numbers)
        self.queue_pointer.add_(len(newest)).remainder_(K)


def build_head(head: Head, feature_dim: int, embedding_dim: int) -> nn.Module:
    return (
        projection_head(feature_dim, embedding_dim)
        if head == "mlp"
        else nn.Linear(feature_dim, embedding_dim)
    )


def draw_place(generator: np.random.Generator) -> Mapping[str, Any]:
    """A clip's place in the order in which the keys of a batch are computed: a role's ``draw``."""
    return {"place": generator.random()}


def random_queue(embedding_dim: int, queue_length: int, seed: int) -> Tensor:
    """(D, K) of directions drawn evenly from the sphere: normalised Gaussian columns."""
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(embedding_dim, queue_length, generator=generator), dim=0)
