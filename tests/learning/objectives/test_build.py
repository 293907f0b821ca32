"""From options to an objective: which views each switch of MoCo asks for, and what chance is then."""

import math
from typing import Any

import pytest
from torch import nn

from fame_cli.config import PretrainConfig
from fame_cli.data.role import Role
from fame_cli.learning.inputs import warnings_of
from fame_cli.learning.objectives.build import build_objective
from fame_cli.learning.objectives.byol import BYOL
from fame_cli.learning.objectives.moco import MoCo


def built(**options: Any) -> Any:
    small = {"backbone": "small", "clip_frames": 4, "frame_stride": 2, "crop_px": 16, "batch_size": 16}
    return build_objective(PretrainConfig.from_options(**small, **options))


def asked(role: Role) -> tuple[str, str, bool, int]:
    return role.name, role.frames, role.distracted, role.gap_frames


@pytest.mark.parametrize(
    ("options", "roles"),
    [
        ({}, [("query", "random", True, 0), ("key", "random", False, 0)]),
        ({"distraction": "none"}, [("query", "random", True, 0), ("key", "random", False, 0)]),
        ({"branch": "both"}, [("query", "random", True, 0), ("key", "random", True, 0)]),
        ({"positive": "same-frames"}, [("query", "random", True, 0), ("key", "same", False, 0)]),
        (
            {"extra_negative": "intra-video", "branch": "both"},
            [("query", "random", True, 0), ("key", "random", True, 0), ("negative", "apart", False, 3)],
        ),
        (
            {"extra_negative": "intra-video", "negative_gap_frames": 9, "positive": "same-frames"},
            [("query", "random", True, 0), ("key", "same", False, 0), ("negative", "apart", False, 9)],
        ),
    ],
)
def test_switches_of_moco_decide_which_views_it_wants(options: dict[str, Any], roles: list[Any]) -> None:
    moco = built(**options)
    assert [asked(role) for role in moco.roles] == roles
    assert [role.draw is not None for role in moco.roles] == [role.name != "negative" for role in moco.roles]


def test_extra_negative_raises_chance_by_one_negative() -> None:
    assert built(queue_length=16).chance == pytest.approx(math.log(17))
    one_way = {"queue_length": 16, "extra_negative": "intra-video", "symmetric": False}
    assert built(**one_way).chance == pytest.approx(math.log(18))


def test_switches_reach_the_objective() -> None:
    moco = built(symmetric=False, head="linear", batch_norm_clips=4, momentum=0.5, temperature=0.2)
    assert isinstance(moco, MoCo)
    assert isinstance(moco.encoder_q.head, nn.Linear)
    assert (moco.symmetric, moco.batch_norm_clips, moco.momentum, moco.temperature) == (False, 4, 0.5, 0.2)
    byol = built(objective="byol")
    assert isinstance(byol, BYOL)
    assert byol.momentum == 0.996
    assert byol.online.head[1][-1].out_features == 256
    assert [asked(role) for role in built(objective="simclr", branch="both").roles] == [
        ("query", "random", True, 0),
        ("key", "random", True, 0),
    ]


def test_one_group_of_a_batch_is_warned_of_where_keys_can_be_told_by_it() -> None:
    def warnings(**options: Any) -> list[str]:
        return warnings_of(PretrainConfig.from_options(batch_size=16, **options), [100] * 5000)

    assert not warnings()
    assert not warnings(objective="byol")
    for clips in (16, 17, 0):
        (told,) = warnings(batch_norm_clips=clips)
        assert "all 16 videos of a batch are normalised in one group" in told


def test_queue_longer_than_the_videos_is_told_with_how_many_keys_are_of_a_querys_own_video() -> None:
    config = PretrainConfig.from_options(batch_size=16, queue_length=2048)
    (told,) = warnings_of(config, [100] * 133)
    assert "queue of 2048 keys is longer than the 133 videos: about 15 of them" in told
    assert not warnings_of(config, [100] * 2048)


def test_training_of_few_steps_is_told() -> None:
    config = PretrainConfig.from_options(batch_size=64, queue_length=64, epochs=8)
    (told,) = warnings_of(config, [100] * 140)
    assert told.startswith("8 epochs of 140 videos in batches of 64 make 16 steps")
    assert not warnings_of(config, [100] * 64 * 13)  # 104 steps
    as_asked = PretrainConfig.from_options(batch_size=64, queue_length=64, epochs=8, steps=2)
    assert not warnings_of(as_asked, [100] * 140)


def test_videos_too_short_for_a_negative_of_their_own_are_counted() -> None:
    config = PretrainConfig.from_options(
        batch_size=16, queue_length=16, clip_frames=16, frame_stride=2, extra_negative="intra-video"
    )
    # A clip covers 31 frames and the gap is 15, so a video needs 46 frames.
    (told,) = warnings_of(config, [30, 45, 46, 100] * 5)
    assert "10 of 20 videos are too short for any clip 15 frames apart" in told
