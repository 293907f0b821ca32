"""R(2+1)D-18, R3D-18 (Tran et al. 2018) and R3D-34 (Hara et al. 2018), of torchvision's own modules.

The names are torchvision's: a state dict of its R(2+1)D-18 or R3D-18 without the two ``fc`` entries loads
here strictly, and the other way round. R3D-34 is R3D-18 with 3, 4, 6 and 3 blocks in its stages.
"""

from collections.abc import Iterator
from typing import Literal

from torch import Tensor
from torchvision.models import video
from torchvision.models.video.resnet import BasicBlock, BasicStem, Conv3DSimple, VideoResNet

from fame_cli.learning.backbones.backbone import Backbone

ResNetName = Literal["r2plus1d_18", "r3d_18", "r3d_34"]


class ResNet3D(Backbone):
    """Stem and four stages; 16 frames of 112² give a map of (512, 2, 7, 7)."""

    feature_dim = 512

    def __init__(self, name: ResNetName) -> None:
        super().__init__()
        whole = build_whole(name)
        self.stem = whole.stem
        self.layer1 = whole.layer1
        self.layer2 = whole.layer2
        self.layer3 = whole.layer3
        self.layer4 = whole.layer4

    def stages(self, clips: Tensor) -> Iterator[Tensor]:
        for layer in (self.stem, self.layer1, self.layer2, self.layer3, self.layer4):
            clips = layer(clips)
            yield clips


def build_whole(name: ResNetName) -> VideoResNet:
    match name:
        case "r2plus1d_18":
            return video.r2plus1d_18(weights=None, num_classes=1)
        case "r3d_18":
            return video.r3d_18(weights=None, num_classes=1)
        case "r3d_34":
            return VideoResNet(BasicBlock, [Conv3DSimple] * 4, [3, 4, 6, 3], BasicStem, num_classes=1)
