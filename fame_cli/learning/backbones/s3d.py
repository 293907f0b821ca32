"""S3D (Xie et al. 2018): torchvision's own module under torchvision's own names, without its classifier."""

from torch import Tensor
from torchvision.models import video

from fame_cli.learning.backbones import Backbone, initialise_convolutions


class S3D(Backbone):
    """Separable Inception; 16 frames of 224² give a map of (1024, 2, 7, 7)."""

    feature_dim = 1024

    def __init__(self) -> None:
        super().__init__()
        self.features = video.s3d(weights=None, num_classes=1).features
        initialise_convolutions(self)

    def feature_map(self, clips: Tensor) -> Tensor:
        features: Tensor = self.features(clips)
        return features
