"""From the options of a training to its objective: the one place that reads them."""

from typing import Any

import torch

from fame_cli.config import PretrainConfig
from fame_cli.data.clips import clip_span
from fame_cli.data.role import Role, require_roles
from fame_cli.distraction.build import build_distraction
from fame_cli.errors import ConfigurationError
from fame_cli.extension import build_own
from fame_cli.learning.backbones import Backbone, build_backbone
from fame_cli.learning.objectives.byol import BYOL
from fame_cli.learning.objectives.decomposition import require_decomposition
from fame_cli.learning.objectives.moco import MoCo, draw_place
from fame_cli.learning.objectives.objective import Objective, two_views
from fame_cli.learning.objectives.order import ClipOrder
from fame_cli.learning.objectives.pretext import Consistency, Pretext
from fame_cli.learning.objectives.puzzle import Puzzle, cube_size
from fame_cli.learning.objectives.rotation import Rotation
from fame_cli.learning.objectives.simclr import SimCLR
from fame_cli.learning.objectives.wide_micro import WideMicro
from fame_cli.method import (
    ByolConfig,
    MocoConfig,
    MocoMethod,
    OrderConfig,
    OwnObjective,
    PuzzleConfig,
    RotationConfig,
    SimclrConfig,
    WideMicroConfig,
)


def build_objective(config: PretrainConfig, initial: Backbone | None = None) -> Objective:
    """The objective with a fresh backbone; ``config.seed`` decides every first weight.

    With ``initial``, a network of the same kind, the backbone begins with its weights.

    One of the user's own, ``package.module:name``, is called with the backbone and the configuration.
    """
    torch.manual_seed(config.seed)
    backbone = build_backbone(config.backbone)
    if initial is not None:
        backbone.load_state_dict(initial.state_dict())
    match config.objective:
        case WideMicroConfig() as method:
            return WideMicro(
                backbone,
                batch_size=config.batch_size,
                alpha=method.alpha,
                semi_negative=method.semi_negative,
                wide_weight=method.wide_weight,
                micro_weight=method.micro_weight,
                static_weight=method.static_weight,
                saliency_layer=method.saliency_layer,
                saliency_temperature=method.saliency_temperature,
                **moco_arguments(config, method),
            )
        case MocoConfig() as moco:
            return MoCo(backbone, **moco_arguments(config, moco))
        case SimclrConfig() as simclr:
            return SimCLR(
                backbone,
                embedding_dim=simclr.embedding_dim,
                temperature=simclr.temperature,
                batch_size=config.batch_size,
                roles=two_views(config.branch),
            )
        case ByolConfig() as byol:
            return BYOL(
                backbone,
                embedding_dim=byol.embedding_dim,
                momentum=byol.momentum,
                roles=two_views(config.branch),
            )
        case RotationConfig() | PuzzleConfig() | OrderConfig() as task:
            return build_pretext(config, task, backbone)
        case OwnObjective(name=name):
            return build_own_objective(name, config, backbone)


def build_pretext(
    config: PretrainConfig, task: RotationConfig | PuzzleConfig | OrderConfig, backbone: Backbone
) -> Pretext:
    """A pretext task on the backbone; its head's first weights follow the backbone's."""
    consistency = Consistency(task.consistency, task.psi, config.branch)
    match task:
        case RotationConfig():
            return Rotation(backbone, consistency=consistency)
        case PuzzleConfig():
            return Puzzle(
                backbone,
                clip_frames=config.clip_frames,
                crop_px=config.crop_px,
                channel_replication=task.channel_replication,
                consistency=consistency,
            )
        case OrderConfig():
            return ClipOrder(backbone, distance_frames=order_distance(config, task), consistency=consistency)


def order_distance(config: PretrainConfig, order: OrderConfig) -> int:
    """Frames of the video from the start of one of three clips to that of the next."""
    return clip_span(config.clip_frames, config.frame_stride) + order.order_gap_frames


def network_input(config: PretrainConfig) -> tuple[int, int]:
    """Frames, and pixels of a side, of what the network sees at a time: a clip, or a piece of a puzzle."""
    if isinstance(config.objective, PuzzleConfig):
        return cube_size(config.clip_frames, config.crop_px)[:2]
    return config.clip_frames, config.crop_px


def moco_arguments(config: PretrainConfig, moco: MocoMethod) -> dict[str, Any]:
    """Of MoCo, and of what is built on it, by name."""
    names = (
        "embedding_dim",
        "queue_length",
        "momentum",
        "temperature",
        "symmetric",
        "head",
        "batch_norm_clips",
    )
    arguments = {name: getattr(moco, name) for name in names}
    return {**arguments, "seed": config.seed, "roles": moco_roles(config, moco)}


def require_parts(config: PretrainConfig) -> None:
    """Raise ConfigurationError where an objective needs what this network or this distraction has not."""
    method = config.objective
    if not isinstance(method, WideMicroConfig):
        return
    if method.decomposes:
        require_decomposition(config.backbone, method.saliency_layer, config.clip_frames, config.crop_px)
    distraction = build_distraction(config)
    if method.needs_donors and not (distraction and distraction.reads.partner):
        wanted = "--static-weight 0" if method.static_weight else "--alpha 0 or --semi-negative still"
        raise ConfigurationError(
            f"--objective {method.name} compares clips with those whose background they have, but this "
            "distraction takes nothing of another clip.",
            f"Give --distraction fame --background still (or inter), or {wanted}.",
        )


def moco_roles(config: PretrainConfig, moco: MocoMethod) -> tuple[Role, ...]:
    """The views that MoCo wants with these switches; what asks and what answers draw a place for their keys.

    The extra negative is never distracted: it goes to the query encoder as it is (BE, section 3.1).
    """
    same = moco.positive == "same-frames"
    query = Role("query", distracted=True, draw=draw_place)
    key = Role(
        "key",
        frames="same" if same else "random",
        distracted=config.branch == "both",
        draw=draw_place,
    )
    if moco.extra_negative == "none":
        return query, key
    span = clip_span(config.clip_frames, config.frame_stride)
    gap = moco.negative_gap_frames or max(1, span // 2)
    return query, key, Role("negative", frames="apart", gap_frames=gap)


def build_own_objective(name: str, config: PretrainConfig, backbone: Backbone) -> Objective:
    own = build_own("--objective", name, Objective, backbone, config, needs=["roles", "chance"])
    require_roles(own.roles)
    return own
