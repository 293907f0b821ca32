"""From the name of an objective to the objective."""

from typing import get_args

import torch

from fame_cli.config import ObjectiveName, PretrainConfig
from fame_cli.data.role import require_roles
from fame_cli.errors import ConfigurationError
from fame_cli.extension import build_own, is_own
from fame_cli.learning.backbones import Backbone, build_backbone
from fame_cli.learning.objectives.byol import BYOL
from fame_cli.learning.objectives.moco import MoCo
from fame_cli.learning.objectives.objective import Objective, two_views
from fame_cli.learning.objectives.simclr import SimCLR


def build_objective(config: PretrainConfig) -> Objective:
    """The objective with a fresh backbone; ``config.seed`` decides every first weight.

    One of the user's own, ``package.module:name``, is called with the backbone and the configuration.
    """
    torch.manual_seed(config.seed)
    backbone = build_backbone(config.backbone)
    roles = two_views(config.branch)
    if is_own(config.objective):
        return build_own_objective(config, backbone)
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
        case _:
            raise ConfigurationError(
                f"there is no objective {config.objective!r}.",
                f"There are {', '.join(get_args(ObjectiveName))}, and yours as package.module:name.",
            )


def build_own_objective(config: PretrainConfig, backbone: Backbone) -> Objective:
    own = build_own("--objective", config.objective, Objective, backbone, config, needs=["roles", "chance"])
    require_roles(own.roles)
    return own
