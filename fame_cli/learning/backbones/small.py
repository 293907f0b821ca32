"""A four-layer 3-D encoder that learns motion on a CPU in minutes; for the demo and for tests."""

from collections.abc import Iterator

from torch import Tensor, nn

from fame_cli.learning.backbones.backbone import Backbone, initialise_convolutions


class Small(Backbone):
    """Four 3×3×3 convolutions; 8 frames of 48² give a map of (128, 2, 6, 6).

    Space is reduced early, where most of the time would go, and time late: two layers compare neighbouring
    frames at full rate, so that the direction of a motion of a few pixels a frame can be read.
    """

    feature_dim = 128

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *convolution(3, 16, stride=(1, 4, 4)),
            *convolution(16, 32, stride=(1, 2, 2)),
            *convolution(32, 64, stride=(2, 1, 1)),
            *convolution(64, 128, stride=(2, 1, 1)),
        )
        initialise_convolutions(self)

    def stages(self, clips: Tensor) -> Iterator[Tensor]:
        for layer in self.layers:
            clips = layer(clips)
            if isinstance(layer, nn.ReLU):
                yield clips


def convolution(in_channels: int, out_channels: int, stride: tuple[int, int, int]) -> list[nn.Module]:
    return [
        nn.Conv3d(in_channels, out_channels, kernel_size=3, stride=stride, padding=1, bias=False),
        nn.BatchNorm3d(out_channels),
        nn.ReLU(inplace=True),
    ]
