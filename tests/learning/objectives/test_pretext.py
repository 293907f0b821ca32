"""What pretext tasks share: BE's consistency against a slow oracle, and the views of both branches."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import default_collate

from fame_cli.config import PretrainConfig
from fame_cli.errors import ConfigurationError
from fame_cli.learning.inputs import count_short, warnings_of
from fame_cli.learning.objectives import pretext
from fame_cli.learning.objectives.build import build_objective, network_input
from fame_cli.learning.objectives.objective import View, Views
from fame_cli.learning.objectives.pretext import DISTRACTED, find_distances, mean_of
from fame_cli.method import Psi

TASKS = ("rotation", "puzzle", "order")
PSIS: tuple[Psi, ...] = ("max", "mean", "global")


def make_task(name: str, **options: Any) -> Any:
    small = {"backbone": "small", "clip_frames": 8, "frame_stride": 2, "crop_px": 32, "batch_size": 4}
    return build_objective(PretrainConfig.from_options(objective=name, **small, **options))


def make_views(task: Any, count: int = 3) -> Views:
    """Clips of noise for each role, with what it draws."""
    noise, generator = torch.Generator().manual_seed(0), np.random.default_rng(0)
    views = {}
    for role in task.roles:
        drawn = default_collate([role.draw(generator) for _ in range(count)]) if role.draw else {}
        drawn = {name: one.float() if one.is_floating_point() else one for name, one in drawn.items()}
        apart = torch.ones(count, dtype=torch.bool) if role.frames == "after" else None
        views[role.name] = View(torch.rand(count, 3, 8, 32, 32, generator=noise), drawn=drawn, apart=apart)
    return views


def slow_distance(plain: Tensor, distracted: Tensor, psi: Psi) -> float:
    """L_be of two maps (D, t, h, w), number by number."""
    D, T, H, W = plain.shape

    def summary(values: list[float]) -> float:
        return max(values) if psi == "max" else sum(values) / len(values)

    def vector(features: Tensor) -> list[float]:
        frames = [
            [[features[d, t, y, x].item() for y in range(H) for x in range(W)] for t in range(T)]
            for d in range(D)
        ]
        if psi == "global":
            return [summary([value for frame in channel for value in frame]) for channel in frames]
        return [summary(frame) for channel in frames for frame in channel]

    squares = [(a - b) ** 2 for a, b in zip(vector(plain), vector(distracted), strict=True)]
    return sum(squares) / len(squares)


@pytest.mark.parametrize("psi", PSIS)
def test_consistency_is_that_of_a_slow_oracle_with_gradient_on_both_sides(psi: Psi) -> None:
    generator = torch.Generator().manual_seed(0)
    maps = [torch.randn(3, 5, 2, 3, 4, generator=generator, requires_grad=True) for _ in range(2)]
    found = find_distances(*maps, psi)
    expected = [slow_distance(plain, distracted, psi) for plain, distracted in zip(*maps, strict=True)]
    assert found.tolist() == pytest.approx(expected, rel=1e-5)
    found.sum().backward()
    assert all(one.grad is not None and one.grad.abs().sum() > 0 for one in maps)


def test_what_lies_elsewhere_in_another_crop_is_consistent_by_its_maximum_and_at_another_time_is_not() -> (
    None
):
    plain = torch.zeros(1, 1, 2, 4, 4)
    moved, later = plain.clone(), plain.clone()
    plain[0, 0, 0, 0, 0] = moved[0, 0, 0, 3, 2] = later[0, 0, 1, 0, 0] = 1
    assert [find_distances(plain, moved, psi).item() for psi in PSIS] == [0, 0, 0]
    assert find_distances(plain, later, "max").item() == 1
    assert find_distances(plain, later, "global").item() == 0


@pytest.mark.parametrize("name", TASKS)
def test_loss_is_the_mean_of_both_answers_and_the_weighted_consistency(name: str) -> None:
    task = make_task(name, consistency=0.5, psi="mean")
    views = make_views(task)
    loss, figures = task(views)
    wanted = [role.name for role in task.wanted]
    plain = {role: views[role] for role in wanted}
    distracted = {role: View(views[DISTRACTED + role].clips, drawn=views[role].drawn) for role in wanted}
    alone = make_task(name)
    alone.load_state_dict(task.state_dict())
    expected = [alone(one)[0] for one in (plain, distracted)]
    drawn = views[wanted[0]].drawn
    maps = [
        task.encoder.feature_map(task.show([one[role] for role in wanted], drawn))
        for one in (plain, distracted)
    ]
    apart = (maps[0].mean(dim=(3, 4)) - maps[1].mean(dim=(3, 4))).square().mean()
    torch.testing.assert_close(figures["task_loss"], torch.stack(expected).mean())
    torch.testing.assert_close(figures["consistency"], apart)
    torch.testing.assert_close(loss, torch.stack(expected).mean() + 0.5 * apart)
    assert not any(value.requires_grad for value in figures.values())
    loss.backward()
    assert all(parameter.grad is not None for parameter in task.trainable_parameters())


@pytest.mark.parametrize("name", TASKS)
def test_task_without_consistency_has_its_own_views_distracted(name: str) -> None:
    task = make_task(name)
    assert all(role.distracted and not role.name.startswith(DISTRACTED) for role in task.roles)
    _, figures = task(make_views(task))
    assert "consistency" not in figures


@pytest.mark.parametrize(("branch", "both"), [("single", False), ("both", True)])
def test_consistency_adds_the_same_frames_again_distracted(branch: str, both: bool) -> None:
    for name in TASKS:
        roles = make_task(name, consistency=1, branch=branch).roles
        plain, again = roles[: len(roles) // 2], roles[len(roles) // 2 :]
        assert [role.distracted for role in plain] == [both] * len(plain)
        assert all(role.distracted and role.draw is None for role in again)
        assert [role.name for role in again] == [DISTRACTED + role.name for role in plain]
        assert [role.gap_frames for role in again] == [role.gap_frames for role in plain]
        assert again[0].frames == "same"
        assert all(role.augmentations == plain[0].augmentations for role in roles)
        assert all(role.square == plain[0].square for role in roles)


def test_chance_is_the_logarithm_of_the_number_of_answers() -> None:
    assert [round(math.exp(make_task(name).chance)) for name in TASKS] == [4, 24, 6]


def test_mean_over_ranks_is_that_of_all_videos_that_are_long_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    values = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0])  # two clips of each of four videos
    whole = torch.tensor([True, False, True, True])
    alone = mean_of(values, 1, whole)
    assert alone.item() == pytest.approx((1 + 2 + 5 + 6 + 7 + 8) / 6)
    monkeypatch.setattr(pretext, "gather", lambda _: whole.float())
    monkeypatch.setattr(pretext, "rank_count", lambda: 2)
    shares = [mean_of(values[:4], 1, whole[:2]), mean_of(values[4:], 1, whole[2:])]
    assert torch.stack(shares).mean().item() == pytest.approx(alone.item())
    monkeypatch.undo()
    twice = torch.cat([values[:4], 10 * values[:4]])  # of both branches
    assert mean_of(twice, 2, whole[:2]).item() == pytest.approx((1.5 + 15) / 2)


def test_short_videos_are_counted_and_told() -> None:
    config = PretrainConfig.from_options(objective="order", clip_frames=16, frame_stride=2, steps=200)
    # Three clips of 31 frames and two gaps of 8.
    assert count_short(config, [108, 109, 200]) == (1, 109)
    (told,) = warnings_of(config, [108, 109, 200])
    assert "1 of 3 videos have fewer than the 109 frames that three clips in order take" in told
    for name in ("rotation", "puzzle"):
        assert not warnings_of(PretrainConfig.from_options(objective=name, steps=200), [3, 109])


def test_network_sees_the_pieces_of_a_puzzle_and_the_clips_of_the_others() -> None:
    def seen(name: str) -> tuple[int, int]:
        return network_input(PretrainConfig.from_options(objective=name, clip_frames=48, crop_px=112))

    assert [seen(name) for name in (*TASKS, "moco")] == [(48, 112), (8, 48), (48, 112), (48, 112)]


def test_clip_with_too_few_frames_for_a_puzzle_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="--clip-frames is 7; expected at least 8, since a puzzle"):
        PretrainConfig.from_options(objective="puzzle", clip_frames=7)
