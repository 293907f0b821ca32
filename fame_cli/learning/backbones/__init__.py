"""The 3-D encoders: each turns clips into a feature map and, by its mean, into one vector a clip.

Every network draws its first weights from torch's global generator: seed it with ``torch.manual_seed``
before ``build_backbone`` for weights that can be made again.
"""

from fame_cli.learning.backbones.backbone import Backbone, initialise_convolutions
from fame_cli.learning.backbones.build import build_backbone, build_empty, require_fits, stage_lengths

__all__ = [
    "Backbone",
    "build_backbone",
    "build_empty",
    "initialise_convolutions",
    "require_fits",
    "stage_lengths",
]
