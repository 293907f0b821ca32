"""Momentum contrast (MoCo v2: He et al. 2020, Chen et al. 2020) with a loss symmetric in query and key."""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from fame_cli.learning.backbones import Backbone
from fame_cli.learning.losses import info_nce


class Encoder(nn.Module):
    """A backbone and its projection head: clips (B, 3, T, H, W) to unit vectors (B, D) in float32."""

    def __init__(self, backbone: Backbone, embedding_dim: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = projection_head(backbone.feature_dim, embedding_dim)

    def forward(self, clips: Tensor) -> Tensor:
        embeddings: Tensor = self.head(self.backbone(clips))
        return functional.normalize(embeddings.float(), dim=1)


class MoCo(nn.Module):
    """Query encoder, key encoder and a queue of negatives.

    The loop trains ``encoder_q.parameters()`` and calls ``update_keys`` once after each optimiser step. The
    head's first weights come from torch's global generator, as the backbone's did (seed it before both); the
    queue's come from ``seed`` alone. ``state_dict`` holds all there is: encoders, queue and its pointer.
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
    ) -> None:
        super().__init__()
        self.momentum = momentum
        self.temperature = temperature
        self.encoder_q = Encoder(backbone, embedding_dim)
        self.encoder_k = copy.deepcopy(self.encoder_q).requires_grad_(False)
        self.register_buffer("queue", random_queue(embedding_dim, queue_length, seed))
        self.register_buffer("queue_pointer", torch.zeros((), dtype=torch.long))
        self.accuracy = torch.zeros(())
        """Top-1 accuracy of the last ``forward``, mean of both directions, without gradient."""

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Mean InfoNCE of first → second and second → first, views (B, 3, T, H, W) of the same videos.

        The keys join the queue after both losses: a query never meets its own clip among its negatives.
        """
        queries_first, queries_second = self.encoder_q(first), self.encoder_q(second)
        with torch.no_grad():
            keys_first, keys_second = self.encoder_k(first), self.encoder_k(second)
        # The backward pass needs the queue as it was here, and enqueue overwrites it in place.
        queue = self.queue.clone()
        loss_first, accuracy_first = info_nce(queries_first, keys_second, queue, self.temperature)
        loss_second, accuracy_second = info_nce(queries_second, keys_first, queue, self.temperature)
        self.enqueue(torch.cat([keys_first, keys_second]))
        self.accuracy = (accuracy_first + accuracy_second) / 2
        return (loss_first + loss_second) / 2

    @torch.no_grad()
    def update_keys(self) -> None:
        """θ_k ← m θ_k + (1 − m) θ_q (He et al. 2020, Eq. 2), for parameters.

        Running means and variances are left alone: the key encoder gathers its own in training mode.
        """
        keys: list[Tensor] = [*self.encoder_k.parameters()]
        queries: list[Tensor] = [*self.encoder_q.parameters()]
        torch._foreach_lerp_(keys, queries, 1 - self.momentum)

    @torch.no_grad()
    def enqueue(self, keys: Tensor) -> None:
        """Overwrite the oldest columns of the queue with keys (N, D); of more than K the last K stay."""
        K = self.queue.shape[1]
        newest = gather_keys(keys)[-K:]
        # The positions stay a tensor: reading the pointer would make the host wait for the device.
        positions = (self.queue_pointer + torch.arange(len(newest), device=keys.device)) % K
        self.queue.index_copy_(1, positions, newest.T.to(self.queue.dtype))
        self.queue_pointer.add_(len(newest)).remainder_(K)


def projection_head(feature_dim: int, embedding_dim: int) -> nn.Sequential:
    """The two-layer head of MoCo v2 (Chen et al. 2020): Linear D → D, ReLU, Linear D → embedding_dim."""
    return nn.Sequential(
        nn.Linear(feature_dim, feature_dim),
        nn.ReLU(inplace=True),
        nn.Linear(feature_dim, embedding_dim),
    )


def random_queue(embedding_dim: int, queue_length: int, seed: int) -> Tensor:
    """(D, K) of directions drawn evenly from the sphere: normalised Gaussian columns."""
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(embedding_dim, queue_length, generator=generator), dim=0)


def gather_keys(keys: Tensor) -> Tensor:
    """The keys of all processes in the order of their ranks; with one process, its own."""
    return keys
