"""Two networks of other libraries, as encoders to evaluate: one of torchvision, one of transformers.

Each is a function without arguments that gives an ``nn.Module``: clips (B, 3, T, H, W) to features (B, D),
with ``feature_dim`` = D and, where it is not that of Kinetics-400, the ``normalisation`` it was trained with.
From the folder of this file:

    fame eval bias WORK runs/mc3 --backbone any_model:mc3 --weights own --clip-frames 16 --frame-stride 2 \
        --crop-px 112
    fame eval bias WORK runs/videomae --backbone any_model:videomae --weights own --clip-frames 16 \
        --frame-stride 2 --crop-px 112

Both have random weights here, so their figures are those of guessing; the comments say where yours go.
"""

import torch
from torch import Tensor, nn

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation of red, green and blue in [0, 1]."""


def mc3() -> nn.Module:
    """torchvision's MC3-18, which is none of this toolkit's networks."""
    from torchvision.models.video import mc3_18

    torch.manual_seed(0)
    network = mc3_18(weights=None)  # weights=MC3_18_Weights.KINETICS400_V1 for the published ones
    network.feature_dim = network.fc.in_features
    network.fc = nn.Identity()  # the features in place of the classes
    return network  # normalised as Kinetics-400, which need not be stated


class MeanToken(nn.Module):
    """The mean of a transformer's tokens; it wants (B, T, 3, H, W) and gives more than features."""

    normalisation = IMAGENET

    def __init__(self, network: nn.Module, feature_dim: int) -> None:
        super().__init__()
        self.network = network
        self.feature_dim = feature_dim

    def forward(self, clips: Tensor) -> Tensor:
        return self.network(pixel_values=clips.transpose(1, 2)).last_hidden_state.mean(dim=1)


def videomae() -> nn.Module:
    """transformers' VideoMAE, small, for 16 frames of 112² pixels."""
    from transformers import VideoMAEConfig, VideoMAEModel

    torch.manual_seed(0)
    config = VideoMAEConfig(
        image_size=112,
        num_frames=16,
        hidden_size=192,
        num_hidden_layers=4,
        num_attention_heads=3,
        intermediate_size=768,
    )
    network = VideoMAEModel(config)  # VideoMAEModel.from_pretrained(…) for published ones
    return MeanToken(network, config.hidden_size)


if __name__ == "__main__":
    clips = torch.rand(2, 3, 16, 112, 112)
    for build in (mc3, videomae):
        network = build().eval()
        with torch.no_grad():
            features = network(clips)
        print(f"{build.__name__}: clips {tuple(clips.shape)} to features {tuple(features.shape)}")
