"""What every encoder is: clips to a feature map and, by its mean, to one vector a clip."""

from collections.abc import Iterator

from torch import Tensor, nn


class Backbone(nn.Module):
    """An encoder without projection head or classifier: normalised clips to feature vectors.

    backbone = build_backbone("r2plus1d_18")
    vectors = backbone(normalise(clips))  # (B, 3, 16, 112, 112) to (B, backbone.feature_dim)
    """

    feature_dim: int
    """Length of the feature vector, D."""

    def stages(self, clips: Tensor) -> Iterator[Tensor]:
        """Maps (B, D, t, h, w) of normalised clips (B, 3, T, H, W) at the end of each stage, first to last.

        The last is ``feature_map``. A network of one's own may define that alone: then it has no stages, and
        what looks at an early map (``WideMicro``) refuses it.
        """
        raise NotImplementedError

    def feature_map(self, clips: Tensor) -> Tensor:
        """Features (B, D, t, h, w) of normalised clips (B, 3, T, H, W), before any pooling."""
        last = clips
        for features in self.stages(clips):
            last = features  # the map before it is given up
        return last

    @property
    def has_stages(self) -> bool:
        """Whether it gives the maps of its stages."""
        return type(self).stages is not Backbone.stages

    def forward(self, clips: Tensor) -> Tensor:
        """Feature vectors (B, D) of normalised clips (B, 3, T, H, W): the mean of the feature map."""
        return self.feature_map(clips).mean(dim=(2, 3, 4))


def initialise_convolutions(network: nn.Module) -> None:
    """He et al. 2015 over the outputs (fan-out), as torchvision's video networks are initialised."""
    for module in network.modules():
        if isinstance(module, nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
