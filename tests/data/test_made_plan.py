"""The dials of the made set: how much backgrounds and patches tell in training, and lie in the test."""

from collections import Counter

import pytest

from fame_cli.data.made_plan import MOTIONS, PLACES, Dials, MadeVideo, plan_videos
from fame_cli.errors import ConfigurationError

CLASS_PATCHES = tuple(f"biased/{number}" for number in range(PLACES))
NUMBER = {motion: number for number, motion in enumerate(MOTIONS)}


def planned(part: str, **dials: float) -> list[MadeVideo]:
    videos = plan_videos(160, 20, 14, Dials(**dials))
    return [video for video in videos if video.path.startswith(part)]


@pytest.mark.parametrize("dial", [0.0, 0.25, 0.5, 1.0])
def test_dial_is_the_share_of_each_motions_training_videos_that_are_told_by_it(dial: float) -> None:
    for cue, dials in (("place", {"wide": dial}), ("patch", {"wide": 0.0, "micro": dial})):
        told = Counter(
            video.motion
            for video in planned("biased/train", **dials)
            if getattr(video, cue) == f"biased/{NUMBER[video.motion]}"
        )
        assert [told[motion] for motion in MOTIONS] == [20 * dial] * 8
        rest = [getattr(video, cue) for video in planned("biased/train", **dials)]
        own = [name for name in rest if name and name not in CLASS_PATCHES]
        assert len(set(own)) == len(own)  # of its own: it tells nothing


@pytest.mark.parametrize("dial", [0.25, 1.0])
def test_cue_lies_in_every_test_video_and_names_each_other_class_equally_often(dial: float) -> None:
    for cue, dials in (("place", {"wide": dial}), ("patch", {"wide": 0.0, "micro": dial})):
        for motion, number in NUMBER.items():
            named = Counter(
                getattr(video, cue) for video in planned("biased/test", **dials) if video.motion == motion
            )
            assert f"biased/{number}" not in named
            assert sorted(named.values()) == [2] * 7


def test_background_and_patch_do_not_agree_on_a_wrong_class() -> None:
    assert all(video.place != video.patch for video in planned("biased/test", wide=1.0, micro=1.0))


def test_cue_that_is_turned_off_tells_nothing_in_the_test_either() -> None:
    for video in planned("biased", wide=0.0):
        assert video.place == video.path
        assert video.patch == ""


@pytest.mark.parametrize("dial", [0.0, 0.5, 1.0])
def test_dial_is_the_share_of_pretraining_videos_that_are_told_from_all_others(dial: float) -> None:
    for cue, dials in (("place", {"wide": dial}), ("patch", {"wide": 0.0, "micro": dial})):
        seen = Counter(getattr(video, cue) for video in planned("pretrain", **dials))
        alone = sum(count == 1 for count in seen.values())
        assert alone == 160 * dial
        assert len(seen) == alone + (dial < 1)


def test_neutral_videos_have_a_background_and_a_patch_of_their_own() -> None:
    for wide in (0.0, 1.0):
        videos = planned("neutral", wide=wide, micro=1.0)
        assert len({video.place for video in videos}) == len({video.patch for video in videos}) == len(videos)
    assert not any(video.patch for video in planned("neutral"))


def test_dial_outside_its_range_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"the dial micro is 1.5; expected 0 to 1"):
        Dials(micro=1.5)
