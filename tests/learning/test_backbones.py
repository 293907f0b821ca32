"""The encoders: their shapes, their names, and that torchvision's weights are interchangeable with ours."""

from itertools import pairwise
from typing import Literal, get_args

import pytest
import torch
from torch.nn import functional
from torchvision.models import video

from fame_cli.config import BackboneName
from fame_cli.learning.backbones import Backbone, build_backbone
from fame_cli.learning.backbones.i3d import I3D, MIXED_WIDTHS, InceptionBlock, MaxPoolSame, Unit3D

NAMES = get_args(BackboneName)
ResNetName = Literal["r2plus1d_18", "r3d_18"]
RESNETS = get_args(ResNetName)


def random_clips(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(7))


def parameter_count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_features_are_the_mean_of_the_feature_map_over_time_and_space(name: BackboneName) -> None:
    torch.manual_seed(0)
    backbone = build_backbone(name).eval()
    clips = random_clips(2, 3, 8, 32, 32)
    with torch.no_grad():
        feature_map, features = backbone.feature_map(clips), backbone(clips)
    assert features.shape == (2, backbone.feature_dim)
    assert feature_map.shape[:2] == (2, backbone.feature_dim)
    oracle = torch.stack([torch.stack([channel.mean() for channel in sample]) for sample in feature_map])
    torch.testing.assert_close(features, oracle)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_weights(name: BackboneName) -> None:
    torch.manual_seed(3)
    first = build_backbone(name).state_dict()
    torch.manual_seed(3)
    second = build_backbone(name).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", ["i3d", "small"])
def test_gradients_reach_every_parameter(name: BackboneName) -> None:
    torch.manual_seed(0)
    backbone = build_backbone(name)
    backbone(random_clips(2, 3, 8, 32, 32)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in backbone.parameters())


@pytest.mark.parametrize("name", RESNETS)
def test_torchvision_weights_load_both_ways_and_give_the_same_output(name: ResNetName) -> None:
    torch.manual_seed(1)
    theirs = getattr(video, name)(weights=None).eval()
    theirs.fc = torch.nn.Identity()
    torch.manual_seed(2)
    ours = build_backbone(name).eval()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    clips = random_clips(1, 3, 4, 32, 32)
    with torch.no_grad():
        assert not torch.allclose(ours(clips), theirs(clips))
        ours.load_state_dict(theirs.state_dict(), strict=True)
        torch.testing.assert_close(ours(clips), theirs(clips))
    theirs.load_state_dict(ours.state_dict(), strict=True)


@pytest.mark.parametrize(("name", "published"), [("r2plus1d_18", 31_505_325), ("r3d_18", 33_371_472)])
def test_resnets_have_the_published_parameter_count_less_the_classifier(
    name: ResNetName, published: int
) -> None:
    assert parameter_count(build_backbone(name)) == published - (512 * 400 + 400)


def test_r3d_34_has_the_63_5_million_parameters_that_are_published() -> None:
    assert round(parameter_count(build_backbone("r3d_34")) / 1e6, 1) == 63.5


def test_s3d_has_torchvisions_parameter_count_less_the_classifier_and_takes_its_weights() -> None:
    torch.manual_seed(1)
    theirs, ours = video.s3d(weights=None).eval(), build_backbone("s3d").eval()
    assert parameter_count(ours) == 8_320_048 - (1024 * 400 + 400)
    state = {name: value for name, value in theirs.state_dict().items() if name.startswith("features.")}
    ours.load_state_dict(state, strict=True)
    clips = random_clips(1, 3, 16, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours.feature_map(clips), theirs.features(clips))


def test_c3d_has_the_parameters_of_its_eight_convolutions() -> None:
    widths = [3, 64, 128, 256, 256, 512, 512, 512, 512]
    convolutions = sum(27 * before * after + after for before, after in pairwise(widths))
    assert parameter_count(build_backbone("c3d")) == convolutions + 2 * sum(widths[1:])
    assert round(convolutions / 1e6, 1) == 27.7


@pytest.mark.parametrize(
    ("name", "side_px", "shape"),
    [
        ("r2plus1d_18", 112, (1, 512, 2, 7, 7)),
        ("r3d_18", 112, (1, 512, 2, 7, 7)),
        ("r3d_34", 112, (1, 512, 2, 7, 7)),
        ("c3d", 112, (1, 512, 2, 7, 7)),
        ("s3d", 224, (1, 1024, 2, 7, 7)),
        ("i3d", 224, (1, 1024, 2, 7, 7)),
    ],
)
def test_sixteen_frames_give_the_published_map(
    name: BackboneName, side_px: int, shape: tuple[int, ...]
) -> None:
    with torch.device("meta"):
        clips = torch.empty(1, 3, 16, side_px, side_px)
        assert build_backbone(name).feature_map(clips).shape == shape


def test_i3d_has_the_parameters_that_its_table_of_widths_makes() -> None:
    # Convolutions without bias; two parameters a channel for each batch normalisation. With Kinetics' 400
    # classes (1024 · 400 + 400) this is the 12,697,264 of the PyTorch weights in circulation.
    def unit(width_in: int, width: int, kernel: int = 1) -> int:
        return width_in * width * kernel**3 + 2 * width

    expected, channels = unit(3, 64, 7) + unit(64, 64) + unit(64, 192, 3), 192
    for b0, b1a, b1b, b2a, b2b, b3b in MIXED_WIDTHS.values():
        expected += unit(channels, b0) + unit(channels, b1a) + unit(b1a, b1b, 3)
        expected += unit(channels, b2a) + unit(b2a, b2b, 3) + unit(channels, b3b)
        channels = b0 + b1b + b2b + b3b
    assert parameter_count(I3D()) == expected == 12_697_264 - (1024 * 400 + 400)


def test_i3d_names_its_layers_as_the_circulating_weights_do() -> None:
    names = I3D().state_dict().keys()
    layers = list(dict.fromkeys(name.split(".")[0] for name in names))
    assert layers == ["Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3", *MIXED_WIDTHS]
    fields = ["conv3d.weight", *(f"bn.{name}" for name in ("weight", "bias", "running_mean", "running_var"))]
    for unit in ("Conv3d_1a_7x7", *(f"Mixed_3b.{b}" for b in ("b0", "b1a", "b1b", "b2a", "b2b", "b3b"))):
        assert {f"{unit}.{field}" for field in fields} <= names
    assert len(names) == 57 * 6  # 3 + 9 · 6 convolutions, each with batch normalisation and its counter


def test_i3d_takes_sizes_that_its_strides_do_not_divide() -> None:
    # Each stride of 2 rounds up: 9 → 5 → 3 → 2 in time, 50 → 25 → 13 → 7 → 4 → 2 in space.
    with torch.device("meta"):
        assert I3D().feature_map(torch.empty(1, 3, 9, 50, 50)).shape == (1, 1024, 2, 2, 2)


@pytest.mark.parametrize(
    ("line", "expected"),
    [([1.0, 2, 4, 3], [4.0, 4.0]), ([5.0, 2, 1, 4], [5.0, 4.0]), ([1.0, 9, 3, 2, 4], [9.0, 9.0, 4.0])],
)
def test_same_padding_of_a_pool_puts_the_odd_pixel_at_the_end(
    line: list[float], expected: list[float]
) -> None:
    # Windows of three at steps of two: an even length begins at the first pixel, an odd one before it.
    pool = MaxPoolSame((1, 1, 3), (1, 1, 2))
    assert pool(torch.tensor(line).reshape(1, 1, 1, 1, -1)).flatten().tolist() == expected


def test_the_strided_convolution_of_i3d_sees_two_pixels_before_and_three_after() -> None:
    unit = Unit3D(1, 1, kernel=7, stride=2).eval()
    torch.nn.init.constant_(unit.conv3d.weight, 1.0)
    with torch.no_grad():
        sums = unit(torch.ones(1, 1, 8, 8, 8))
    # Per axis the windows hold 5, 7, 6 and 4 of the eight ones; the middle of a cube's edge shows them.
    along = sums[0, 0, :, 1, 1] / 49 * (1 + 1e-3) ** 0.5
    torch.testing.assert_close(along, torch.tensor([5.0, 7.0, 6.0, 4.0]))


def test_an_inception_block_joins_its_four_branches_in_order() -> None:
    torch.manual_seed(0)
    block = InceptionBlock(4, (1, 2, 3, 2, 5, 2)).eval()
    features = random_clips(1, 4, 3, 5, 5)
    with torch.no_grad():
        joined = block(features)
        pooled = functional.max_pool3d(features, 3, stride=1, padding=1)
        branches = (
            block.b0(features),
            block.b1b(block.b1a(features)),
            block.b2b(block.b2a(features)),
            block.b3b(pooled),
        )
    assert joined.shape == (1, 1 + 3 + 5 + 2, 3, 5, 5)
    for part, branch in zip(joined.split((1, 3, 5, 2), dim=1), branches, strict=True):
        assert torch.equal(part, branch)


def test_the_small_encoder_maps_eight_frames_of_48_pixels_to_two_by_six_by_six() -> None:
    small = build_backbone("small")
    assert small.feature_dim == 128
    assert small.feature_map(torch.rand(1, 3, 8, 48, 48)).shape == (1, 128, 2, 6, 6)


def test_the_small_encoder_tells_a_clip_from_the_same_clip_played_backwards() -> None:
    torch.manual_seed(0)
    small = build_backbone("small").eval()
    clips = random_clips(1, 3, 8, 48, 48)
    with torch.no_grad():
        forwards, backwards = small(clips), small(clips.flip(2))
    assert (forwards - backwards).norm() > 0.01 * forwards.norm()


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"swin3d_t", "mvit_v2_s"}))
def test_stages_end_with_the_feature_map_and_shrink_on_the_way(name: BackboneName) -> None:
    torch.manual_seed(0)
    backbone = build_backbone(name).eval()
    assert backbone.has_stages
    clips = random_clips(1, 3, 16, 64, 64)
    with torch.no_grad():
        maps = list(backbone.stages(clips))
        assert torch.equal(maps[-1], backbone.feature_map(clips))
    assert len(maps) in (4, 5)
    assert maps[0].shape[2] >= 8  # an early map still tells neighbouring frames apart
    sizes = [stage.shape[2:].numel() for stage in maps]
    assert sizes == sorted(sizes, reverse=True)


def test_network_of_ones_own_may_have_no_stages() -> None:
    class Own(Backbone):
        def feature_map(self, clips: torch.Tensor) -> torch.Tensor:
            return clips

    assert not Own().has_stages
