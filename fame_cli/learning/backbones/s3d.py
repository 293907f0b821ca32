"""S3D (Xie et al. 2018): torchvision's own module under torchvision's own names, without its classifier."""

from collections.abc import Iterator

from torch import Tensor
from torchvision.models import video

from fame_cli.learning.backbones.backbone import Backbone, initialise_convolutions

STAGE_ENDS = (0, 3, 6, 12, 15)
"""The last layers before the maps shrink, and the last of all."""


class S3D(Backbone):
    """Separable Inception; 16 frames of 224² give a map of (1024, 2, 7, 7)."""

    feature_dim = 1024

    def __init__(self) -> None:
        super().__init__()
        self.features = video.s3d(weights=None, num_classes=1).features
        initialise_convolutions(self)

    def stages(self, clips: Tensor) -> Iterator[Tensor]:
        for number, layer in enumerate(self.features):
            clips = layer(clips)
            if number in STAGE_ENDS:
                yield clips
