"""Roles of an objective: which frames a view is of, how it may be changed, and what is drawn for it."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from torch.utils.data import default_collate

from fame_cli.config import PretrainConfig
from fame_cli.data.clips import random_start_apart
from fame_cli.data.dataset import PretrainClips
from fame_cli.data.manifest import Video
from fame_cli.data.role import AUGMENTATIONS, Role, require_roles
from fame_cli.errors import ConfigurationError

CONFIG = PretrainConfig.from_options(clip_frames=4, frame_stride=2, crop_px=16, statistics="online")
SPAN = 7
QUERY = Role("query")


class Clock:
    """Videos whose frames tell their number: every pixel of frame n is n."""

    def __init__(self, *lengths: int) -> None:
        self.videos = [Video(f"video {length}", "", frame_count=length) for length in lengths]
        self.decoded: list[int] = []

    def each_frame(self, video_index: int, indices: Sequence[int]) -> Iterator[Any]:
        for index in indices:
            assert index < self.videos[video_index].frame_count
            self.decoded.append(int(index))
            yield np.full((20, 30, 3), index, np.uint8)


def samples(video: Clock, *roles: Role, epochs: int = 40, video_index: int = 0) -> list[dict[str, Any]]:
    clips = PretrainClips(video, None, CONFIG, roles, None)
    return [clips[epoch, video_index] for epoch in range(epochs)]


def start(view: dict[str, Any]) -> int:
    return int(view["frames"][0, 0, 0, 0])


def test_clips_at_random_times_are_independent_of_each_other() -> None:
    found = samples(Clock(60), QUERY, Role("key"))
    assert len({start(sample["query"]) - start(sample["key"]) for sample in found}) > 20
    assert all("apart" not in view for sample in found for view in sample.values())


def test_same_frames_get_a_crop_of_their_own_and_are_decoded_once() -> None:
    video = Clock(60)
    (sample,) = samples(video, QUERY, Role("positive", frames="same"), epochs=1)
    assert np.array_equal(sample["query"]["frames"], sample["positive"]["frames"])  # one colour: any crop
    assert len(video.decoded) == CONFIG.clip_frames
    values = sample["query"]["augmentation"], sample["positive"]["augmentation"]
    assert values[0]["sigma"] != values[1]["sigma"]

    class Ramp(Clock):
        def each_frame(self, video_index: int, indices: Sequence[int]) -> Iterator[Any]:  # noqa: ARG002
            ramp = np.tile(np.arange(30, dtype=np.uint8)[:, None], (20, 1, 3))
            return (ramp for _ in indices)

    (sample,) = samples(Ramp(60), QUERY, Role("positive", frames="same"), epochs=1)
    assert not np.array_equal(sample["query"]["frames"], sample["positive"]["frames"])


def test_frames_apart_keep_their_gap_on_both_sides_and_say_so() -> None:
    found = samples(Clock(60), QUERY, Role("negative", frames="apart", gap_frames=12), epochs=80)
    gaps = [start(sample["negative"]) - start(sample["query"]) for sample in found]
    assert min(map(abs, gaps)) >= 12
    assert min(gaps) < 0 < max(gaps)
    assert len({*gaps}) > 30
    assert all(sample["negative"]["apart"] is True for sample in found)


def test_video_too_short_for_the_gap_is_flagged_and_gives_the_farthest_clip() -> None:
    # Starts go from 0 to 13, so none is 14 from another.
    found = samples(Clock(13 + SPAN), QUERY, Role("negative", frames="apart", gap_frames=14))
    for sample in found:
        assert sample["negative"]["apart"] is False
        assert start(sample["negative"]) == (13 if start(sample["query"]) < 7 else 0)
    (held,) = samples(Clock(1), QUERY, Role("negative", frames="apart", gap_frames=1), epochs=1)
    assert held["negative"]["apart"] is False
    both = default_collate([found[0], {**found[1], "negative": {**found[1]["negative"], "apart": True}}])
    assert both["negative"]["apart"].tolist() == [False, True]


def test_starts_apart_are_drawn_evenly_from_all_there_are() -> None:
    generator = np.random.default_rng(0)
    drawn = [random_start_apart(20, 6, 7, 5, generator) for _ in range(5000)]
    assert all(apart for _, apart in drawn)
    times, counts = np.unique([begin for begin, _ in drawn], return_counts=True)
    assert times.tolist() == [0, 1, 2, 12, 13, 14]
    assert counts.min() > 730


def test_frames_after_keep_their_distance_exactly_and_the_first_begins_early_enough() -> None:
    roles = (
        QUERY,
        Role("second", frames="after", gap_frames=9),
        Role("third", frames="after", gap_frames=18),
    )
    found = samples(Clock(18 + SPAN + 3), *roles)
    starts = [[start(sample[name]) for name in ("query", "second", "third")] for sample in found]
    assert {first for first, _, _ in starts} == {0, 1, 2, 3}
    assert all((second - first, third - first) == (9, 18) for first, second, third in starts)
    assert all(sample[name]["apart"] is True for sample in found for name in ("second", "third"))


def test_video_too_short_for_a_clip_after_is_flagged_and_gives_its_last_clip() -> None:
    roles = (
        QUERY,
        Role("second", frames="after", gap_frames=9),
        Role("third", frames="after", gap_frames=18),
    )
    for sample in samples(Clock(18 + SPAN - 1), *roles, epochs=5):
        assert [start(sample[name]) for name in ("query", "second", "third")] == [0, 9, 17]
        assert (sample["second"]["apart"], sample["third"]["apart"]) == (True, False)
    (held,) = samples(Clock(1), *roles, epochs=1)
    assert (held["second"]["apart"], held["third"]["apart"]) == (False, False)


def test_square_crop_stretches_nothing() -> None:
    class Ramps(Clock):
        """Red tells the row and green the column of each pixel, 4 a pixel."""

        def each_frame(self, video_index: int, indices: Sequence[int]) -> Iterator[Any]:  # noqa: ARG002
            rows, columns = np.mgrid[:40, :60].astype(np.uint8) * 4
            return (np.stack([rows, columns, rows], axis=2) for _ in indices)

    def stretches(role: Role) -> list[float]:
        frames = [sample["view"]["frames"][0].astype(float) for sample in samples(Ramps(60), role)]
        return [(one[8, 4, 0] - one[4, 4, 0]) / (one[4, 8, 1] - one[4, 4, 1]) for one in frames]

    assert stretches(Role("view", square=True)) == pytest.approx([1.0] * 40, abs=0.15)
    loose = stretches(Role("view"))
    assert min(loose) < 0.85
    assert max(loose) > 1.15


def test_other_roles_move_no_choice_of_a_role() -> None:
    roles = (QUERY, Role("negative", frames="apart", gap_frames=3), Role("key", distracted=True))
    alone, among = samples(Clock(60), QUERY), samples(Clock(60), *roles)
    for one, other in zip(alone, among, strict=True):
        assert start(one["query"]) == start(other["query"])
        assert default_collate([one["query"]])["augmentation"].keys() == other["query"]["augmentation"].keys()
        assert one["query"]["augmentation"]["sigma"] == other["query"]["augmentation"]["sigma"]


def test_which_frames_a_role_is_of_moves_no_other_choice_of_it() -> None:
    roles = [Role("key"), Role("key", frames="same"), Role("key", frames="apart", gap_frames=3)]
    found = [samples(Clock(60), QUERY, role, epochs=5) for role in roles]
    sigmas = [[sample["key"]["augmentation"]["sigma"] for sample in of_role] for of_role in found]
    assert sigmas[0] == sigmas[1] == sigmas[2]
    assert [start(sample["key"]) for sample in found[0]] != [start(sample["key"]) for sample in found[2]]


def test_role_gets_only_the_augmentations_that_it_can_bear() -> None:
    few = Role("turned", augmentations=frozenset({"blur"}))
    found = samples(Clock(60), QUERY, few)
    chosen = {
        role: {name for sample in found for name in AUGMENTATIONS if sample[role]["augmentation"][name]}
        for role in ("query", "turned")
    }
    assert chosen == {"query": set(AUGMENTATIONS), "turned": {"blur"}}


def test_what_a_role_draws_comes_by_its_own_address_and_moves_nothing_else() -> None:
    def draw_turn(generator: np.random.Generator) -> dict[str, Any]:
        return {"quarter_turns": int(generator.integers(4))}

    asking = samples(Clock(60), Role("query", draw=draw_turn), Role("key", draw=draw_turn))
    silent = samples(Clock(60), QUERY, Role("key"))
    turns = [[sample[name]["objective"]["quarter_turns"] for sample in asking] for name in ("query", "key")]
    assert set(turns[0]) == set(turns[1]) == {0, 1, 2, 3}
    assert turns[0] != turns[1]
    for one, other in zip(asking, silent, strict=True):
        assert "objective" not in other["query"]
        assert np.array_equal(one["key"]["frames"], other["key"]["frames"])


@pytest.mark.parametrize(
    ("roles", "said"),
    [
        ([], "there is none"),
        ([QUERY, QUERY], "'query' is there more than once"),
        ([Role("key", frames="same")], "the first, 'key', has frames='same'"),
        ([QUERY, Role("far", frames="apart")], "gap_frames=0; expected 1 or more"),
        ([QUERY, Role("then", frames="after")], "gap_frames=0; expected 1 or more"),
        ([QUERY, Role("near", gap_frames=3)], "gap_frames=3; expected 0"),
        ([QUERY, Role("odd", frames="often")], "frames='often'; expected random, same, apart"),  # type: ignore[arg-type]
        ([Role("odd", augmentations=frozenset({"zoom"}))], "do not exist: zoom"),  # type: ignore[arg-type]
    ],
)
def test_roles_that_do_not_fit_together_are_told(roles: list[Role], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        require_roles(roles)
