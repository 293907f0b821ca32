"""BYOL (Grill et al. 2020): predict what a slowly following copy makes of the other view; no negatives."""

import copy
from collections.abc import Iterator
from itertools import chain

import torch
from torch import Tensor, nn

from fame_cli.data.role import Role
from fame_cli.learning.backbones import Backbone
from fame_cli.learning.distributed import gather, own_rows
from fame_cli.learning.objectives.losses import hit_rate, prediction_loss
from fame_cli.learning.objectives.objective import TWO_VIEWS, Encoder, Figures, Objective, Views, ema_update
from fame_cli.learning.schedule import rising_cosine

HIDDEN = 4096
"""Width of the hidden layer of projector and predictor (section 3.3)."""


class BYOL(Objective):
    """Online network with projector and predictor, and a target that follows it (Grill et al. 2020).

    ``chance`` is 4, the loss of predictions that have nothing to do with their targets (mean cosine 0). A
    collapsed encoder has loss 0, so the loss tells nothing of collapse; ``accuracy`` does: the share of
    predictions nearer to their own target than to those of all other videos of the global batch.

        model = BYOL(build_backbone("small"), embedding_dim=256, momentum=0.996)
        loss, figures = model({"query": View(first), "key": View(second)})

    Args:
        backbone: of both networks.
        embedding_dim: D, the length of predictions and targets (256 in the paper).
        momentum: of the target in the first step (0.996 in the paper); it rises to 1.
        roles: "query" and "key", which are treated alike.
    """

    chance = 4.0

    def __init__(
        self,
        backbone: Backbone,
        *,
        embedding_dim: int,
        momentum: float,
        roles: tuple[Role, ...] = TWO_VIEWS,
    ) -> None:
        super().__init__()
        self.roles = roles
        self.momentum = momentum
        projector = two_layers(backbone.feature_dim, embedding_dim)
        predictor = two_layers(embedding_dim, embedding_dim)
        self.online = Encoder(backbone, nn.Sequential(projector, predictor))
        self.target = copy.deepcopy(Encoder(backbone, projector)).requires_grad_(False)

    @property
    def backbone(self) -> Backbone:
        """The online network without its heads, which a finished run exports."""
        return self.online.backbone

    def trainable_parameters(self) -> Iterator[nn.Parameter]:
        """The parameters of the online network; the target only follows."""
        return self.online.parameters()

    def forward(self, views: Views) -> tuple[Tensor, Figures]:
        """L + L̃ (section 3.1, Eq. 2): each view (B, 3, T, H, W) predicts the target of the other."""
        first, second = views["query"].clips, views["key"].clips
        predicted_second, predicted_first = self.online(first), self.online(second)
        with torch.no_grad():
            first, second = self.target(first), self.target(second)
        accuracy = (nearest(predicted_first, first) + nearest(predicted_second, second)) / 2
        loss = prediction_loss(predicted_first, first) + prediction_loss(predicted_second, second)
        return loss, {"accuracy": accuracy}

    def after_step(self, step: int, total_steps: int) -> None:
        """ξ ← τ ξ + (1 − τ) θ (Eq. 1) with τ = 1 − (1 − τ_base)(cos(πk/K) + 1)/2 (section 3.3).

        Running means and variances are left alone: the target gathers its own in training mode.
        """
        projector = self.online.head.get_submodule("0")
        online = chain(self.online.backbone.parameters(), projector.parameters())
        ema_update(self.target.parameters(), online, rising_cosine(step, total_steps, self.momentum))


def two_layers(in_dim: int, out_dim: int) -> nn.Sequential:
    """Linear in_dim → 4096, batch normalisation, ReLU, Linear 4096 → out_dim (section 3.3)."""
    return nn.Sequential(
        nn.Linear(in_dim, HIDDEN),
        nn.BatchNorm1d(HIDDEN),
        nn.ReLU(inplace=True),
        nn.Linear(HIDDEN, out_dim),
    )


@torch.no_grad()
def nearest(predictions: Tensor, targets: Tensor) -> Tensor:
    """Share of predictions (B, D) nearer to their own target than to all others of the global batch."""
    everyone = gather(targets)
    rows = own_rows(len(targets))
    own = torch.arange(rows.start, rows.stop, device=targets.device)
    with torch.autocast(targets.device.type, enabled=False):
        return hit_rate(predictions @ everyone.T, own)
