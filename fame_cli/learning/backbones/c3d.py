"""C3D (Tran et al. 2015, Figure 3): eight 3×3×3 convolutions, without the fully connected layers.

Each convolution is followed by batch normalisation, which the original has not, as in self-supervised work
that trains it from nothing. The mean of the last convolution's map replaces ``pool5`` and the two layers of
4,096, so any size of clip will do.
"""

from collections.abc import Iterator

from torch import Tensor, nn

from fame_cli.learning.backbones.backbone import Backbone, initialise_convolutions

WIDTHS = {
    "conv1": (3, 64),
    "conv2": (64, 128),
    "conv3a": (128, 256),
    "conv3b": (256, 256),
    "conv4a": (256, 512),
    "conv4b": (512, 512),
    "conv5a": (512, 512),
    "conv5b": (512, 512),
}
"""Channels in and out of each convolution."""

POOLED = {"conv1": (1, 2, 2), "conv2": (2, 2, 2), "conv3b": (2, 2, 2), "conv4b": (2, 2, 2)}
"""Windows of the maximum behind a convolution; the first spares time (section 3.3)."""


class C3D(Backbone):
    """C3D's trunk; 16 frames of 112² give a map of (512, 2, 7, 7)."""

    feature_dim = 512

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleDict({name: convolution(*widths) for name, widths in WIDTHS.items()})
        initialise_convolutions(self)

    def stages(self, clips: Tensor) -> Iterator[Tensor]:
        for name, layer in self.layers.items():
            clips = layer(clips)
            if name in POOLED:
                clips = nn.functional.max_pool3d(clips, POOLED[name])
                yield clips
        yield clips


def convolution(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(in_channels, out_channels, kernel_size=3, padding=1),
        nn.BatchNorm3d(out_channels),
        nn.ReLU(inplace=True),
    )
