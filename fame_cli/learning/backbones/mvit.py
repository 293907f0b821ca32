"""MViT-v2-S (Li et al. 2022): torchvision's modules under torchvision's names, without the classifier."""

import torch
from torch import Tensor
from torchvision.models import video

from fame_cli.learning.backbones.backbone import Backbone


class MViT(Backbone):
    """Attention whose resolution falls from stage to stage; 16 frames of 224² give a map of (768, 8, 7, 7).

    torchvision's own takes 16 frames of 224² alone. Its positions are relative, and torchvision stretches
    their tables to other sizes of a clip, so that here any size will do. The feature is the mean of the map,
    where torchvision classifies by an extra token. No layer is skipped at random in training (see
    ``swin3d.py``).
    """

    feature_dim = 768

    def __init__(self) -> None:
        super().__init__()
        whole = video.mvit_v2_s(weights=None, num_classes=1, stochastic_depth_prob=0.0)
        self.conv_proj, self.pos_encoding = whole.conv_proj, whole.pos_encoding
        self.blocks, self.norm = whole.blocks, whole.norm

    def feature_map(self, clips: Tensor) -> Tensor:
        patches = self.conv_proj(clips)
        size = (patches.shape[2], patches.shape[3], patches.shape[4])
        tokens = patches.flatten(2).transpose(1, 2)
        # Not len(), which a trace takes for a constant (fame export).
        count = tokens.shape[0]
        tokens = torch.cat([self.pos_encoding.class_token.expand(count, 1, -1), tokens], dim=1)
        for block in self.blocks:
            tokens, size = block(tokens, size)
        features: Tensor = self.norm(tokens)[:, 1:].transpose(1, 2)
        return features.reshape(count, self.feature_dim, *size)
