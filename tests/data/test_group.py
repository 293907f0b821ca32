"""Which videos belong together."""

import pytest

from fame_cli.data.group import group_of, ucf101_group
from fame_cli.data.manifest import Video


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi", "ApplyEyeMakeup g08"),
        ("v_ApplyEyeMakeup_g08_c07.mp4", "ApplyEyeMakeup g08"),
        ("v_Biking_g08_c01.avi", "Biking g08"),  # groups are numbered within a class
        ("clip_g08.avi", ""),
        ("run/v_run_c01.avi", ""),
    ],
)
def test_names_of_ucf101_tell_the_group(name: str, group: str) -> None:
    assert ucf101_group(name) == group


def test_video_without_a_group_is_one_of_its_own() -> None:
    first, second = Video("run/1.avi", "run/1.avi"), Video("run/2.avi", "run/2.avi")
    assert group_of(first) != group_of(second)


def test_capitals_make_no_other_group() -> None:
    one, other = (Video(name, name) for name in ("v_HandStand_g01_c01.avi", "v_Handstand_g01_c02.avi"))
    assert group_of(one) == group_of(other)


def test_group_that_a_csv_file_names_counts_before_that_of_the_name() -> None:
    video = Video("v_Biking_g01_c01.avi", "v_Biking_g01_c01.avi", group="Anna")
    assert group_of(video) == "Anna"
