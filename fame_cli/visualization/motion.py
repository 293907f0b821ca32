"""Where the decomposition of a trained network finds motion (docs/wide-micro.md)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fame_cli.learning.backbones import Backbone
from fame_cli.learning.objectives.decomposition import clip_weights, early_and_last_map, lacks_stages
from fame_cli.learning.run import RunFolder
from fame_cli.method import WideMicroConfig


@dataclass(frozen=True)
class MotionView:
    """How the weights of motion are made of a network's early map."""

    layer: int = WideMicroConfig.saliency_layer
    temperature: float = WideMicroConfig.saliency_temperature


def motion_view_of(run: Path) -> MotionView:
    """As the run was trained; where its objective does not decompose, as wide-micro does by default."""
    objective = RunFolder(run).read()["pretrain"]["objective"]
    if objective["name"] != WideMicroConfig.name:
        return MotionView()
    return MotionView(objective["saliency_layer"], objective["saliency_temperature"])


def motion_map(backbone: Backbone, clips: Tensor, view: MotionView) -> NDArray[np.float32]:
    """The weights of motion (1, h, w) of one normalised clip (1, 3, T, H, W); they add up to 1.

    Raises ConfigurationError where the network has no stages, or no two maps in time.
    """
    if not backbone.has_stages:
        raise lacks_stages(type(backbone).__name__)
    early, _ = early_and_last_map(backbone, clips, view.layer)
    weights: NDArray[np.float32] = clip_weights(clips, early, view.temperature).motion.numpy()
    return weights
