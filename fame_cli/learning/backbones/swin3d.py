"""Video Swin-T (Liu et al. 2022): torchvision's modules under torchvision's names, without the classifier."""

from torch import Tensor
from torchvision.models.video.swin_transformer import SwinTransformer3d

from fame_cli.learning.backbones.backbone import Backbone


class Swin3D(Backbone):
    """Attention within shifted windows; 16 frames of 224² give a map of (768, 8, 7, 7).

    No layer is skipped at random in training (stochastic depth, 0.1 there): such draws have no address, and a
    run that goes on would not be the run that went through.
    """

    feature_dim = 768

    def __init__(self) -> None:
        super().__init__()
        whole = SwinTransformer3d(
            patch_size=[2, 4, 4],
            embed_dim=96,
            depths=[2, 2, 6, 2],
            num_heads=[3, 6, 12, 24],
            window_size=[8, 7, 7],
            stochastic_depth_prob=0.0,
            num_classes=1,
        )
        self.patch_embed, self.features, self.norm = whole.patch_embed, whole.features, whole.norm

    def feature_map(self, clips: Tensor) -> Tensor:
        features: Tensor = self.norm(self.features(self.patch_embed(clips)))
        return features.permute(0, 4, 1, 2, 3)
