"""SimCLR (Chen et al. 2020): the other views of the batch are the negatives."""

import math
from collections.abc import Iterator

from torch import Tensor, nn

from fame_cli.data.role import Role
from fame_cli.learning.backbones import Backbone
from fame_cli.learning.distributed import gather, own_rows
from fame_cli.learning.objectives.losses import nt_xent
from fame_cli.learning.objectives.objective import (
    TWO_VIEWS,
    Encoder,
    Figures,
    Objective,
    Views,
    projection_head,
)


class SimCLR(Objective):
    """One encoder; each of the 2B views of a batch has to find its partner (Chen et al. 2020).

    It is compared with all 2B − 1 others, so chance is log(2B − 1). B is the global batch: on several ranks
    embeddings are gathered, with gradient.

        model = SimCLR(build_backbone("small"), embedding_dim=128, temperature=0.1, batch_size=64)
        loss, figures = model({"query": View(first), "key": View(second)})

    Args:
        backbone: of the encoder.
        embedding_dim: D, the length of the embeddings.
        temperature: τ of the loss.
        batch_size: B, the global batch; it decides ``chance`` alone.
        roles: "query" and "key", which are treated alike.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        embedding_dim: int,
        temperature: float,
        batch_size: int,
        roles: tuple[Role, ...] = TWO_VIEWS,
    ) -> None:
        super().__init__()
        self.roles = roles
        self.temperature = temperature
        self.chance = math.log(2 * batch_size - 1)
        self.encoder = Encoder(backbone, projection_head(backbone.feature_dim, embedding_dim))

    @property
    def backbone(self) -> Backbone:
        """The encoder's network without its head, which a finished run exports."""
        return self.encoder.backbone

    def trainable_parameters(self) -> Iterator[nn.Parameter]:
        """All parameters."""
        return self.encoder.parameters()

    def forward(self, views: Views) -> tuple[Tensor, Figures]:
        """NT-Xent of two views (B, 3, T, H, W) of the same videos, the mean over all 2B views."""
        first, second = self.encoder(views["query"].clips), self.encoder(views["key"].clips)
        all_first, all_second = gather(first), gather(second)
        start = own_rows(len(first)).start
        loss_first, accuracy_first = nt_xent(first, all_second, all_first, start, self.temperature)
        loss_second, accuracy_second = nt_xent(second, all_first, all_second, start, self.temperature)
        return (loss_first + loss_second) / 2, {"accuracy": (accuracy_first + accuracy_second) / 2}
