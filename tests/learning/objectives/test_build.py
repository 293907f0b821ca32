"""From options to an objective: which views each switch of MoCo asks for, and what chance is then."""

import math
from typing import Any

import pytest
from torch import nn

from fame_cli.config import PretrainConfig
from fame_cli.data.role import Role
from fame_cli.learning.objectives.build import build_objective
from fame_cli.learning.objectives.byol import BYOL
from fame_cli.learning.objectives.moco import MoCo
from fame_cli.learning.pretrain import one_group_warning


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
    assert built(queue_length=16, extra_negative="intra-video").chance == pytest.approx(math.log(18))


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
    def warning(**options: Any) -> str:
        return one_group_warning(PretrainConfig.from_options(batch_size=16, **options))

    assert not warning()
    assert not warning(objective="byol")
    for clips in (16, 17, 0):
        assert "all 16 videos of a batch are normalised in one group" in warning(batch_norm_clips=clips)
