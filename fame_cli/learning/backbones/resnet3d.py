"""R(2+1)D-18 and R3D-18 (Tran et al. 2018): torchvision's own modules under torchvision's own names.

A state dict of torchvision's network without its two ``fc`` entries loads here strictly, and the other way
round.
"""

from typing import Literal

from torch import Tensor
from torchvision.models import video

from fame_cli.learning.backbones import Backbone


class ResNet3D18(Backbone):
    """Stem and four stages; 16 frames of 112² give a map of (512, 2, 7, 7)."""

    feature_dim = 512

    def __init__(self, name: Literal["r2plus1d_18", "r3d_18"]) -> None:
        super().__init__()
        build = {"r2plus1d_18": video.r2plus1d_18, "r3d_18": video.r3d_18}[name]
        whole = build(weights=None, num_classes=1)
        self.stem = whole.stem
        self.layer1 = whole.layer1
        self.layer2 = whole.layer2
        self.layer3 = whole.layer3
        self.layer4 = whole.layer4

    def feature_map(self, clips: Tensor) -> Tensor:
        features: Tensor = self.stem(clips)
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            features = layer(features)
        return features
