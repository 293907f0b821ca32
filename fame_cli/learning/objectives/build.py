"""From the name of an objective to the objective."""

from typing import get_args

import torch

from fame_cli.config import ObjectiveName, PretrainConfig
from fame_cli.errors import ConfigurationError
from fame_cli.learning.backbones import build_backbone
from fame_cli.learning.objectives.byol import BYOL
from fame_cli.learning.objectives.moco import MoCo
from fame_cli.learning.objectives.objective import Objective
from fame_cli.learning.objectives.simclr import SimCLR


def build_objective(config: PretrainConfig) -> Objective:
    """The objective with a fresh backbone; ``config.seed`` decides every first weight."""
    torch.manual_seed(config.seed)
    backbone = build_backbone(config.backbone)
    match config.objective:
        case "moco":
            return MoCo(
                backbone,
                embedding_dim=config.embedding_dim,
                queue_length=config.queue_length,
                momentum=config.momentum,
                temperature=config.temperature,
                seed=config.seed,
            )
        case "simclr":
            return SimCLR(
                backbone,
                embedding_dim=config.embedding_dim,
                temperature=config.temperature,
                batch_size=config.batch_size,
            )
        case "byol":
            return BYOL(backbone, embedding_dim=config.embedding_dim, momentum=config.momentum)
        case _:
            raise ConfigurationError(
                f"there is no objective {config.objective}.", f"Known: {', '.join(get_args(ObjectiveName))}."
            )
