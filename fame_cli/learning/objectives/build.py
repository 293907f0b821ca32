"""From the name of an objective to the objective."""

import torch

from fame_cli.config import PretrainConfig
from fame_cli.learning.backbones import build_backbone
from fame_cli.learning.objectives.byol import BYOL
from fame_cli.learning.objectives.moco import MoCo
from fame_cli.learning.objectives.objective import Objective, two_views
from fame_cli.learning.objectives.simclr import SimCLR


def build_objective(config: PretrainConfig) -> Objective:
    """The objective with a fresh backbone; ``config.seed`` decides every first weight."""
    torch.manual_seed(config.seed)
    backbone = build_backbone(config.backbone)
    roles = two_views(config.branch)
    match config.objective:
        case "moco":
            return MoCo(
                backbone,
                embedding_dim=config.embedding_dim,
                queue_length=config.queue_length,
                momentum=config.momentum,
                temperature=config.temperature,
                seed=config.seed,
                roles=roles,
            )
        case "simclr":
            return SimCLR(
                backbone,
                embedding_dim=config.embedding_dim,
                temperature=config.temperature,
                batch_size=config.batch_size,
                roles=roles,
            )
        case "byol":
            return BYOL(backbone, embedding_dim=config.embedding_dim, momentum=config.momentum, roles=roles)
