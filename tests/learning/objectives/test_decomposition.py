"""Where motion is, told by an early map: weights by hand, on made clips, and where nothing moves."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fame_cli.data.made_plan import MadeVideo
from fame_cli.data.synthetic import make_video
from fame_cli.data.views import normalise
from fame_cli.errors import ConfigurationError
from fame_cli.learning.backbones import Backbone, build_backbone, stage_lengths
from fame_cli.learning.objectives.decomposition import (
    DecomposingEncoder,
    clip_weights,
    decompose,
    early_and_last_map,
    motion_saliency,
    motion_weights,
    require_decomposition,
    resize_weights,
    weigh,
)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def slow_saliency(maps: Tensor) -> Tensor:
    """The definition in loops, without the first and the last time of four or more."""
    B, D, t, h, w = maps.shape
    times = range(t) if t < 4 else range(1, t - 1)
    found = torch.zeros(B, h, w)
    for b, y, x in np.ndindex(B, h, w):
        for before in list(times)[:-1]:
            steps = [abs(maps[b, d, before + 1, y, x] - maps[b, d, before, y, x]) for d in range(D)]
            found[b, y, x] += sum(steps) / D
    return found


@pytest.mark.parametrize("t", [2, 3, 4, 6])
def test_saliency_is_the_sum_of_mean_absolute_differences_of_neighbouring_maps(t: int) -> None:
    maps = random(2, 3, t, 2, 4)
    torch.testing.assert_close(motion_saliency(maps), slow_saliency(maps))


def test_weights_are_a_softmax_of_the_standardised_saliency_both_ways() -> None:
    saliency = torch.tensor([[[0.0, 1.0], [2.0, 5.0]]])
    mean, spread = 2.0, math.sqrt((4 + 1 + 0 + 9) / 4) + 1e-3
    up = [math.exp((value - mean) / spread / 0.5) for value in (0, 1, 2, 5)]
    down = [1 / value for value in up]
    found = motion_weights(saliency, temperature=0.5)
    torch.testing.assert_close(found.motion.flatten(), torch.tensor(up) / sum(up))
    torch.testing.assert_close(found.static.flatten(), torch.tensor(down) / sum(down))
    assert found.moves.tolist() == [True]


def test_lower_temperature_keeps_to_the_strongest_change() -> None:
    saliency = random(1, 5, 5).abs()
    strongest = [motion_weights(saliency, temperature).motion.max() for temperature in (2.0, 0.5, 0.1)]
    assert strongest == sorted(strongest)


@pytest.mark.parametrize("size", [(4, 6), (2, 3), (1, 1), (3, 4)])
def test_resized_weights_add_up_to_one_and_lie_where_they_lay(size: tuple[int, int]) -> None:
    weights = motion_weights(random(2, 4, 6).abs(), 0.5).motion
    found = resize_weights(weights, *size)
    torch.testing.assert_close(found.sum(dim=(1, 2)), torch.ones(2))
    if size == (2, 3):
        blocks = weights.view(2, 2, 2, 3, 2).sum(dim=(2, 4))
        torch.testing.assert_close(found, blocks)


def test_weighed_map_is_the_mean_over_time_of_the_weighted_sum() -> None:
    maps, weights = random(2, 3, 2, 2, 2), motion_weights(random(2, 2, 2, seed=1).abs(), 0.5).motion
    expected = torch.zeros(2, 3)
    for b, d, t, y, x in np.ndindex(*maps.shape):
        expected[b, d] += maps[b, d, t, y, x] * weights[b, y, x] / 2
    torch.testing.assert_close(weigh(maps, weights), expected)


def test_even_weights_give_the_mean_of_the_map() -> None:
    maps = random(2, 3, 2, 4, 4)
    torch.testing.assert_close(weigh(maps, torch.full((2, 8, 8), 1 / 64)), maps.mean(dim=(2, 3, 4)))


def made_clips(count: int = 8) -> tuple[Tensor, Tensor]:
    """Clips (B, 3, 8, 48, 48) of the made set, and what the sprite covers at any time (B, 48, 48)."""
    clips, covered = [], []
    for number in range(count):
        motion = ("move_left", "circle_clockwise", "swing_vertical", "move_down")[number % 4]
        frames, mask = make_video(MadeVideo(f"clip/{number}", motion, place=f"place/{number}"), seed=3)
        clips.append(torch.from_numpy(frames[::2]).permute(3, 0, 1, 2).float() / 255)
        covered.append(torch.from_numpy(mask[::2].any(axis=0)))
    return normalise(torch.stack(clips)), torch.stack(covered)


@pytest.mark.parametrize("layer", [1, 2])
def test_untrained_network_lays_twice_as_much_weight_on_what_moves_as_its_area(layer: int) -> None:
    torch.manual_seed(0)
    backbone = build_backbone("small")
    clips, covered = made_clips()
    with torch.no_grad():
        early, _ = early_and_last_map(backbone, clips, layer)
        found = clip_weights(clips, early, temperature=0.5)
    area = nn.functional.adaptive_avg_pool2d(covered[:, None].float(), early.shape[3:])[:, 0]
    mass = (found.motion * area).sum(dim=(1, 2))
    assert mass.mean() > 2 * area.mean()
    assert (found.static * area).sum(dim=(1, 2)).mean() < area.mean()


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_static_clip_gives_even_weights_and_twice_the_same_vector(layer: int) -> None:
    torch.manual_seed(0)
    backbone = build_backbone("small")
    clips = random(2, 3, 1, 32, 32).repeat(1, 1, 8, 1, 1)
    clips[1] = random(3, 8, 32, 32)
    early, last = early_and_last_map(backbone, clips, layer)
    found = clip_weights(clips, early, temperature=0.5)
    assert found.moves.tolist() == [False, True]
    assert torch.equal(found.motion[0], torch.full_like(found.motion[0], 1 / found.motion[0].numel()))
    motion, static = decompose(last, found)
    assert torch.equal(motion[0], static[0])
    assert not torch.allclose(motion[1], static[1], atol=1e-3)


def test_ends_of_a_clip_do_not_count_as_motion() -> None:
    # Zeros pad time: the first and the last map of a still clip differ from those between.
    torch.manual_seed(0)
    clips = random(1, 3, 1, 32, 32).repeat(1, 1, 8, 1, 1)
    with torch.no_grad():
        maps = next(build_backbone("small").stages(clips))
    assert (maps[:, :, 0] - maps[:, :, 1]).abs().max() > 0.1
    assert motion_saliency(maps).max() < 1e-4


class Probed(Backbone):
    """Two layers, of which the early map gets no gradient but through the last."""

    feature_dim = 4

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv3d(3, 4, 1), nn.Conv3d(4, 4, 1)

    def stages(self, clips: Tensor):  # type: ignore[no-untyped-def]
        early = self.first(clips)
        yield early
        yield self.second(early)


def test_no_gradient_reaches_the_network_through_the_weights() -> None:
    torch.manual_seed(0)
    clips = random(2, 3, 4, 6, 6)
    encoder = DecomposingEncoder(Probed(), nn.Identity(), nn.Identity(), layer=1, temperature=0.5)
    backbone = encoder.backbone
    encoder(clips)[:, 4:8].sum().backward()
    found = [parameter.grad.clone() for parameter in backbone.parameters()]
    backbone.zero_grad()
    early, last = early_and_last_map(backbone, clips, 1)
    constant = resize_weights(clip_weights(clips, early.detach(), 0.5).motion, 6, 6)
    nn.functional.normalize((last.mean(dim=2) * constant[:, None]).sum(dim=(2, 3)), dim=1).sum().backward()
    for gradient, parameter in zip(found, backbone.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad)


def test_encoder_gives_three_unit_vectors_and_whether_the_clip_moves_also_under_autocast() -> None:
    torch.manual_seed(0)
    backbone = build_backbone("small")
    encoder = DecomposingEncoder(backbone, nn.Linear(128, 5), nn.Linear(128, 5), 1, 0.5)
    clips = random(3, 3, 8, 32, 32)
    clips[0] = clips[0, :, :1]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rows = encoder(clips)
    assert rows.shape == (3, 16)
    assert rows.dtype == torch.float32
    torch.testing.assert_close(rows[:, :15].view(3, 3, 5).norm(dim=2), torch.ones(3, 3))
    assert rows[:, 15].tolist() == [0, 1, 1]
    plain = nn.functional.normalize(encoder.head(backbone(clips)), dim=1)
    torch.testing.assert_close(rows[:, :5], plain, atol=0.05, rtol=0.05)


class Bare(Backbone):
    feature_dim = 3

    def feature_map(self, clips: Tensor) -> Tensor:
        return clips


def test_network_without_stages_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="network Bare has no stages") as told:
        DecomposingEncoder(Bare(), nn.Identity(), nn.Identity(), 1, 0.5)
    assert "--micro-weight 0" in told.value.hint
    with pytest.raises(ConfigurationError, match="test_decomposition:Bare has no stages"):
        require_decomposition("test_decomposition:Bare", 1, 8, 32)


def test_stage_that_is_too_late_or_too_short_in_time_is_refused_with_one_that_fits() -> None:
    assert stage_lengths("c3d", 16, 112) == [16, 8, 4, 2, 2]
    assert stage_lengths("i3d", 16, 112) == [8, 8, 8, 4, 2]
    require_decomposition("c3d", 3, 8, 64)
    with pytest.raises(ConfigurationError, match="is 4, but the network c3d has a single time at st") as told:
        require_decomposition("c3d", 4, 8, 64)
    assert told.value.hint == "Give --saliency-layer 3 or less."
    with pytest.raises(ConfigurationError, match="is 6, but the network c3d has 5 stages"):
        require_decomposition("c3d", 6, 16, 64)
    with pytest.raises(ConfigurationError, match="single time at stage 1 for clips of 2 frames") as told:
        require_decomposition("i3d", 1, 2, 64)
    assert told.value.hint == "Give more --clip-frames."
    with pytest.raises(ConfigurationError, match="stage 5 of Small has no two maps in time"):
        early_and_last_map(build_backbone("small"), random(1, 3, 4, 16, 16), 5)
