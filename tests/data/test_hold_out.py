"""Splits that ``--hold-out`` makes: by address, whole groups, and where there are none yet."""

from dataclasses import replace
from pathlib import Path

import pytest

from fame_cli.data.manifest import Video
from fame_cli.data.sources.check import Check, Indexed
from fame_cli.data.sources.hold_out import describe_hold_out, hold_out
from fame_cli.errors import ConfigurationError, InputError


def indexed(*videos: Video) -> Indexed:
    return Indexed(Path("/data"), {"source": "folder"}, videos, Check("n videos."))


def many(count: int, per_group: int = 1) -> list[Video]:
    return [
        Video(name := f"a/{number:03d}.avi", name, label="a", group=f"film {number // per_group}")
        for number in range(count)
    ]


def sides(found: Indexed) -> dict[str, str]:
    return {video.id: video.split for video in found.videos}


def test_about_the_share_is_held_out_and_the_same_videos_each_time() -> None:
    found = hold_out(indexed(*many(400)), 0.2)
    held_out = sum(split == "test" for split in sides(found).values())
    assert 60 <= held_out <= 100  # 80 expected, with a standard deviation of 8
    assert sides(hold_out(indexed(*many(400)), 0.2)) == sides(found)
    assert found.source == {"source": "folder", "hold_out": 0.2}
    assert found.check.summary.endswith(f"{400 - held_out} train and {held_out} test videos.")


def test_videos_that_are_added_or_gone_move_no_other() -> None:
    few, more = sides(hold_out(indexed(*many(60)), 0.3)), sides(hold_out(indexed(*many(90)[5:]), 0.3))
    assert all(more[name] == side for name, side in few.items() if name in more)


def test_larger_share_keeps_what_a_smaller_one_held_out() -> None:
    small, large = (sides(hold_out(indexed(*many(100)), share)) for share in (0.2, 0.5))
    assert {name for name, side in small.items() if side == "test"} < {
        name for name, side in large.items() if side == "test"
    }


def test_groups_are_on_one_side() -> None:
    videos = many(120, per_group=6)
    # By the names of UCF101 too, where no column says it.
    videos += [Video(name := f"v_Run_g{n // 4:02d}_c{n % 4}.avi", name) for n in range(80)]
    found = hold_out(indexed(*videos), 0.4)
    by_group: dict[str, set[str]] = {}
    for video in found.videos:
        by_group.setdefault(video.group or video.id.split("_c")[0], set()).add(video.split)
    assert len(by_group) == 40
    assert all(len(on) == 1 for on in by_group.values())


def test_splits_that_are_there_are_not_replaced() -> None:
    videos = [replace(video, split="val") for video in many(3)]
    with pytest.raises(ConfigurationError, match="does not go with videos that have splits: val"):
        hold_out(indexed(*videos), 0.2)


def test_side_that_stays_empty_is_told() -> None:
    with pytest.raises(InputError, match=r"leaves one side empty: 9 (train|test) videos of 1 groups"):
        hold_out(indexed(*many(9, per_group=9)), 0.2)


def test_only_splits_of_our_own_are_described() -> None:
    assert "--hold-out 0.25 drew about 25%" in describe_hold_out({"source": "folder", "hold_out": 0.25})
    assert describe_hold_out({"source": "ucf101", "split": 1}) == ""
