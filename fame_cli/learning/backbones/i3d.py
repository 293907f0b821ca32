"""I3D, the inflated Inception-v1 (Carreira & Zisserman 2017, Figure 3), RGB, without its classifier.

Layer names are those of the PyTorch weights in circulation (``Mixed_3b.b1a.conv3d.weight``), so that such a
file, less its ``logits`` entries, fits. The network was designed under TensorFlow's "same" padding, which
puts the odd pixel of padding at the end; PyTorch has no such padding for strides above 1, so it is done here.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from fame_cli.learning.backbones.backbone import Backbone, initialise_convolutions

Triple = tuple[int, int, int]

MIXED_WIDTHS = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}
"""Channels of b0, b1a, b1b, b2a, b2b, b3b of each Inception block (Szegedy et al. 2015, Table 1)."""

STAGE_ENDS = ("Conv3d_1a_7x7", "Conv3d_2c_3x3", "Mixed_3c", "Mixed_4f", "Mixed_5c")
"""The last layers before the maps shrink, and the last of all."""


def pad_same(features: Tensor, kernel: Triple, stride: Triple) -> Tensor:
    """Pad (B, C, T, H, W) with zeros so that each axis of length n gives ceil(n / stride) outputs."""
    padding: list[int] = []
    for length, size, step in zip(features.shape[:1:-1], kernel[::-1], stride[::-1], strict=True):
        total = max((-(-length // step) - 1) * step + size - length, 0)
        padding += [total // 2, total - total // 2]
    return functional.pad(features, padding)


class Unit3D(nn.Module):
    """Convolution without bias, batch normalisation, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.kernel, self.stride = (kernel,) * 3, (stride,) * 3
        padding = kernel // 2 if stride == 1 else 0
        self.conv3d = nn.Conv3d(in_channels, out_channels, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm3d(out_channels, eps=1e-3)

    def forward(self, features: Tensor) -> Tensor:
        if self.stride != (1, 1, 1):
            features = pad_same(features, self.kernel, self.stride)
        return functional.relu(self.bn(self.conv3d(features)), inplace=True)


class MaxPoolSame(nn.Module):
    """Maximum over windows that hang over the edges; zeros outside never win, since ReLU comes before."""

    def __init__(self, kernel: Triple, stride: Triple) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, features: Tensor) -> Tensor:
        return functional.max_pool3d(pad_same(features, self.kernel, self.stride), self.kernel, self.stride)


class InceptionBlock(nn.Module):
    """1×1×1; 1×1×1 then 3×3×3; the same again, narrower; 3×3×3 maximum then 1×1×1: joined over channels."""

    def __init__(self, in_channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        b0, b1a, b1b, b2a, b2b, b3b = widths
        self.b0 = Unit3D(in_channels, b0)
        self.b1a = Unit3D(in_channels, b1a)
        self.b1b = Unit3D(b1a, b1b, kernel=3)
        self.b2a = Unit3D(in_channels, b2a)
        self.b2b = Unit3D(b2a, b2b, kernel=3)
        self.b3a = nn.MaxPool3d(kernel_size=3, stride=1, padding=1)
        self.b3b = Unit3D(in_channels, b3b)
        self.out_channels = b0 + b1b + b2b + b3b

    def forward(self, features: Tensor) -> Tensor:
        branches = (
            self.b0(features),
            self.b1b(self.b1a(features)),
            self.b2b(self.b2a(features)),
            self.b3b(self.b3a(features)),
        )
        return torch.cat(branches, dim=1)


class I3D(Backbone):
    """I3D's trunk; 16 frames of 224² give a map of (1024, 2, 7, 7)."""

    feature_dim = 1024

    def __init__(self) -> None:
        super().__init__()
        self.Conv3d_1a_7x7 = Unit3D(3, 64, kernel=7, stride=2)
        self.MaxPool3d_2a_3x3 = MaxPoolSame((1, 3, 3), (1, 2, 2))
        self.Conv3d_2b_1x1 = Unit3D(64, 64)
        self.Conv3d_2c_3x3 = Unit3D(64, 192, kernel=3)
        self.MaxPool3d_3a_3x3 = MaxPoolSame((1, 3, 3), (1, 2, 2))
        channels = self._add_blocks("Mixed_3", 192)
        self.MaxPool3d_4a_3x3 = MaxPoolSame((3, 3, 3), (2, 2, 2))
        channels = self._add_blocks("Mixed_4", channels)
        self.MaxPool3d_5a_2x2 = MaxPoolSame((2, 2, 2), (2, 2, 2))
        self._add_blocks("Mixed_5", channels)
        initialise_convolutions(self)

    def _add_blocks(self, stage: str, channels: int) -> int:
        for name, widths in MIXED_WIDTHS.items():
            if name.startswith(stage):
                block = InceptionBlock(channels, widths)
                self.add_module(name, block)
                channels = block.out_channels
        return channels

    def stages(self, clips: Tensor) -> Iterator[Tensor]:
        # The children are the layers, registered in the order in which they follow each other.
        for name, layer in self.named_children():
            clips = layer(clips)
            if name in STAGE_ENDS:
                yield clips
