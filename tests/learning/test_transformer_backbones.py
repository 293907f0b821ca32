"""Video Swin-T and MViT-v2-S: torchvision's weights fit, and give what torchvision's own networks give."""

import pytest
import torch
from torchvision.models import video

from fame_cli.learning.backbones import build_backbone


@pytest.fixture(name="clips")
def random_clips() -> torch.Tensor:
    return torch.rand(1, 3, 8, 32, 32, generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize("name", ["swin3d_t", "mvit_v2_s"])
def test_map_is_that_of_torchvision_with_its_weights(name: str, clips: torch.Tensor) -> None:
    torch.manual_seed(1)
    theirs = getattr(video, name)(weights=None).eval()
    ours = build_backbone(name).eval()
    entries = {key: value for key, value in theirs.state_dict().items() if not key.startswith("head.")}
    ours.load_state_dict(entries, strict=True)
    normed: list[torch.Tensor] = []
    theirs.norm.register_forward_hook(lambda *found: normed.append(found[2]))
    if name == "mvit_v2_s":  # torchvision's takes one size, which it keeps here; its layers take any
        theirs.pos_encoding.temporal_size, theirs.pos_encoding.spatial_size = 4, (8, 8)
    with torch.no_grad():
        theirs(clips)
        found = ours.feature_map(clips).flatten(2).transpose(1, 2)
    expected = normed[0][:, 1:] if name == "mvit_v2_s" else normed[0].flatten(1, 3)
    torch.testing.assert_close(found, expected)


def test_training_draws_nothing_at_random(clips: torch.Tensor) -> None:
    torch.manual_seed(0)
    backbone = build_backbone("swin3d_t").train()
    with torch.no_grad():
        assert torch.equal(backbone(clips), backbone(clips))
