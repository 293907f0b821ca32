"""Momentum contrast (MoCo v2: He et al. 2020, Chen et al. 2020) with a loss symmetric in query and key."""

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from fame_cli.data.role import Role
from fame_cli.learning.backbones import Backbone
from fame_cli.learning.distributed import gather
from fame_cli.learning.objectives.losses import chance_level, info_nce
from fame_cli.learning.objectives.objective import (
    TWO_VIEWS,
    Encoder,
    Figures,
    Objective,
    Views,
    ema_update,
    projection_head,
)


class MoCo(Objective):
    """Query encoder, key encoder and a queue of negatives (MoCo v2: He et al. 2020, Chen et al. 2020).

    The head's first weights come from torch's global generator, as the backbone's did (seed it before both);
    the queue's come from ``seed`` alone. A query is compared with its key and the queue, so chance is
    log(K + 1). Every rank holds the same queue, of the keys of all ranks.

    Args:
        backbone: of both encoders.
        embedding_dim: D, the length of queries and keys.
        queue_length: K, any number from 1.
        momentum: m of the key encoder.
        temperature: τ of the loss.
        seed: of the first queue.
        roles: "query" and "key"; each is query and key in turn.
    """

    queue: Tensor
    queue_pointer: Tensor

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
    ) -> None:
        super().__init__()
        self.roles = roles
        self.momentum = momentum
        self.temperature = temperature
        self.chance = chance_level(queue_length)
        self.encoder_q = Encoder(backbone, projection_head(backbone.feature_dim, embedding_dim))
        self.encoder_k = copy.deepcopy(self.encoder_q).requires_grad_(False)
        self.register_buffer("queue", random_queue(embedding_dim, queue_length, seed))
        self.register_buffer("queue_pointer", torch.zeros((), dtype=torch.long))

    @property
    def backbone(self) -> Backbone:
        """The query encoder's network without its head, which a finished run exports."""
        return self.encoder_q.backbone

    def trainable_parameters(self) -> Iterator[nn.Parameter]:
        """The parameters of the query encoder; the key encoder only follows."""
        return self.encoder_q.parameters()

    def forward(self, views: Views) -> tuple[Tensor, Figures]:
        """Mean InfoNCE of query → key and key → query, clips (B, 3, T, H, W) of the same videos.

        The keys join the queue after both losses: a query never meets its own clip among its negatives.
        """
        first, second = views["query"].clips, views["key"].clips
        queries_first, queries_second = self.encoder_q(first), self.encoder_q(second)
        with torch.no_grad():
            keys_first, keys_second = self.encoder_k(first), self.encoder_k(second)
        # The backward pass needs the queue as it was here, and enqueue overwrites it in place.
        queue = self.queue.clone()
        loss_first, accuracy_first = info_nce(queries_first, keys_second, queue, self.temperature)
        loss_second, accuracy_second = info_nce(queries_second, keys_first, queue, self.temperature)
        # The order of one process with the global batch: all keys of the first views, then of the second.
        self.enqueue(gather(torch.stack([keys_first, keys_second], dim=1)).transpose(0, 1).flatten(0, 1))
        return (loss_first + loss_second) / 2, {"accuracy": (accuracy_first + accuracy_second) / 2}

    def after_step(self, step: int, total_steps: int) -> None:  # noqa: ARG002, the momentum is constant
        """``update_keys``, in every step alike."""
        self.update_keys()

    def update_keys(self) -> None:
        """θ_k ← m θ_k + (1 − m) θ_q (He et al. 2020, Eq. 2), for parameters.

        Running means and variances are left alone: the key encoder gathers its own in training mode.
        """
        ema_update(self.encoder_k.parameters(), self.encoder_q.parameters(), self.momentum)

    @torch.no_grad()
    def enqueue(self, keys: Tensor) -> None:
        """Overwrite the oldest columns of the queue with keys (N, D); of more than K the last K stay."""
        K = self.queue.shape[1]
        newest = keys[-K:]
        # The positions stay a tensor: reading the pointer would make the host wait for the device.
        positions = (self.queue_pointer + torch.arange(len(newest), device=keys.device)) % K
        self.queue.index_copy_(1, positions, newest.T.to(self.queue.dtype))
        self.queue_pointer.add_(len(newest)).remainder_(K)


def random_queue(embedding_dim: int, queue_length: int, seed: int) -> Tensor:
    """(D, K) of directions drawn evenly from the sphere: normalised Gaussian columns."""
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(embedding_dim, queue_length, generator=generator), dim=0)
