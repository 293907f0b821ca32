"""UCF101, HMDB51 and Diving48 by their official files."""

import dataclasses
import json
from pathlib import Path

import pytest
from made_files import touch, write

from fame_cli.data.manifest import combine, write_manifest
from fame_cli.data.sources.annotations import Annotations
from fame_cli.data.sources.check import Indexed, count_splits, match, other_lengths
from fame_cli.data.sources.diving48 import index_diving48
from fame_cli.data.sources.files import VideoFile
from fame_cli.data.sources.hmdb51 import index_hmdb51
from fame_cli.data.sources.ucf101 import index_ucf101
from fame_cli.errors import ConfigurationError, InputError


def rows(found: Indexed) -> list[tuple[str, str, str]]:
    return [(video.id, video.label, video.split) for video in found.videos]


def findings(found: Indexed) -> dict[str, tuple[str, ...]]:
    return {finding.kind: finding.names for finding in found.check.findings}


@pytest.fixture
def ucf101(tmp_path: Path) -> Path:
    """A small UCF101 with split files as they are published: Windows line ends, no label in the test list."""
    write(
        tmp_path / "ucfTrainTestlist",
        {
            "classInd.txt": "1 HandstandWalk\r\n2 Run\r\n",
            "trainlist01.txt": "Run/v_Run_g08_c01.avi 2\r\nRun/v_Run_g10_c01.avi 2\r\n",
            "testlist01.txt": "Run/v_Run_g01_c01.avi\r\nHandstandWalk/v_HandStandWalk_g01_c01.avi\r\n",
            "trainlist02.txt": "Run/v_Run_g01_c01.avi 2\nRun/v_Run_g08_c01.avi 2\n",
            "testlist02.txt": "Run/v_Run_g08_c02.avi\n",
        },
    )
    return touch(tmp_path / "UCF-101", "Run/v_Run_g01_c01.avi", "Run/v_Run_g08_c01.avi")


def test_line_of_ucf101_that_names_no_video_is_told(ucf101: Path) -> None:
    path = ucf101.parent / "ucfTrainTestlist" / "trainlist01.txt"
    path.write_text("Run/v_Run_g08_c01.avi 2\n<html>not found</html>\n")
    with pytest.raises(
        InputError, match=r"trainlist01\.txt, line 2: '<html>not found</html>' names no video"
    ):
        index_ucf101(ucf101, None, 1)


def test_ucf101_splits_are_read_as_published(ucf101: Path) -> None:
    touch(ucf101, "Run/v_Run_g09_c01.avi")
    found = index_ucf101(ucf101, None, 1)
    assert [video.split for video in found.videos] == ["test", "train", ""]
    assert {video.label for video in found.videos} == {"Run"}
    assert found.check.summary == (
        "UCF101 split 1 names 2 train and 2 test videos; 1 train and 1 test videos of these are on disk."
    )
    assert findings(found) == {
        "missing": ("Run/v_Run_g10_c01.avi", "HandstandWalk/v_HandStandWalk_g01_c01.avi"),
        "not named": ("Run/v_Run_g09_c01.avi",),
    }
    assert found.source["split"] == 1
    assert [found.source[count] for count in ("named", "named_on_disk", "not_named")] == [4, 2, 1]


def test_ucf101_group_on_both_sides_of_the_split_is_named(ucf101: Path) -> None:
    assert findings(index_ucf101(ucf101, None, 2))["both sides"] == ("Run g08 (test, train)",)


def test_ucf101_videos_are_known_in_other_folders_suffixes_and_letters(ucf101: Path) -> None:
    touch(ucf101, "handstandwalk/v_HandstandWalk_g01_c01.mp4", "handstandwalk/v_HandstandWalk_g02_c01.mp4")
    assert rows(index_ucf101(ucf101.parent, None, 1))[2:] == [
        ("UCF-101/handstandwalk/v_HandstandWalk_g01_c01.mp4", "HandstandWalk", "test"),
        ("UCF-101/handstandwalk/v_HandstandWalk_g02_c01.mp4", "HandstandWalk", ""),
    ]


def test_class_is_spelled_as_in_the_official_list_of_classes(ucf101: Path, tmp_path: Path) -> None:
    write(tmp_path / "ucfTrainTestlist", {"testlist01.txt": "run/v_Run_g01_c01.avi\n"})
    assert {video.label for video in index_ucf101(ucf101, None, 1).videos} == {"Run"}
    (tmp_path / "ucfTrainTestlist" / "classInd.txt").unlink()
    assert [video.label for video in index_ucf101(ucf101, None, 1).videos] == ["run", "Run"]


def test_second_file_of_a_video_gets_no_split(ucf101: Path) -> None:
    touch(ucf101, "copies/v_Run_g08_c01.mp4")
    found = index_ucf101(ucf101, None, 1)
    assert rows(found)[1:] == [
        ("Run/v_Run_g08_c01.avi", "Run", "train"),
        ("copies/v_Run_g08_c01.mp4", "Run", ""),
    ]
    assert findings(found)["repeated"] == ("copies/v_Run_g08_c01.mp4",)


def test_video_in_both_lists_is_told_and_the_first_counts(ucf101: Path) -> None:
    lists = ucf101.parent / "ucfTrainTestlist"
    write(lists, {"testlist01.txt": "Run/v_Run_g08_c01.avi\n"})
    found = index_ucf101(ucf101, lists, 1)
    assert findings(found)["contradicted"] == ("Run/v_Run_g08_c01.avi",)
    assert rows(found)[1][2] == "train"


def test_another_split_changes_no_pixels(ucf101: Path, tmp_path: Path) -> None:
    first = index_ucf101(ucf101, None, 1)
    write_manifest(tmp_path, first)
    second = combine(tmp_path, index_ucf101(ucf101, None, 2))
    assert [video.split for video in second.videos] == ["train", "train"]
    assert second.fingerprint == first.fingerprint


def test_ucf101_without_split_files_says_where_they_belong(tmp_path: Path) -> None:
    touch(tmp_path, "Run/v.avi")
    with pytest.raises(InputError, match="found no ucfTrainTestlist"):
        index_ucf101(tmp_path, None, 1)
    with pytest.raises(InputError, match=r"cannot read .*trainlist02\.txt"):
        index_ucf101(tmp_path, tmp_path, 2)
    with pytest.raises(ConfigurationError, match="splits 1, 2 and 3"):
        index_ucf101(tmp_path, tmp_path, 4)


@pytest.mark.usefixtures("ucf101")
def test_wrong_folder_is_told_before_any_work(tmp_path: Path) -> None:
    touch(tmp_path / "holidays", "beach.mp4")
    with pytest.raises(
        InputError, match=r"UCF101 split 1 names none of the 1 videos in .*holidays"
    ) as caught:
        index_ucf101(tmp_path / "holidays", None, 1)
    assert "names Run/v_Run_g08_c01.avi" in caught.value.hint
    assert "on disk is beach.mp4" in caught.value.hint


HMDB51 = {
    "wave_test_split1.txt": "A[1]_&;_wave!!_0.avi 1 \nB_wave_0.avi  2 \n\nC_wave_0.avi 0 \n",
    "brush_hair_test_split1.txt": "D + E_brush_0.avi 1 \n",
    "wave_test_split2.txt": "A[1]_&;_wave!!_0.avi 2 \nB_wave_0.avi 1 \nC_wave_0.avi 1 \n",
}


@pytest.fixture
def hmdb51(tmp_path: Path) -> Path:
    write(tmp_path / "testTrainMulti_7030_splits", HMDB51)
    names = [
        "wave/A[1]_&;_wave!!_0.avi",
        "wave/B_wave_0.avi",
        "wave/C_wave_0.avi",
        "brush_hair/D + E_brush_0.avi",
    ]
    return touch(tmp_path / "hmdb51", *names)


def test_hmdb51_codes_are_train_test_and_unused(hmdb51: Path) -> None:
    found = index_hmdb51(hmdb51, None, 1)
    assert rows(found) == [
        ("brush_hair/D + E_brush_0.avi", "brush_hair", "train"),
        ("wave/A[1]_&;_wave!!_0.avi", "wave", "train"),
        ("wave/B_wave_0.avi", "wave", "test"),
        ("wave/C_wave_0.avi", "wave", ""),
    ]
    assert not found.check.findings
    assert found.check.summary.startswith("HMDB51 split 1 names 2 train, 1 test and 1 unused videos; ")


def test_unused_video_of_hmdb51_is_not_missed(hmdb51: Path) -> None:
    (hmdb51 / "wave" / "C_wave_0.avi").unlink()
    assert not index_hmdb51(hmdb51, None, 1).check.findings


def test_name_that_is_not_utf8_is_the_same_in_list_and_on_disk(hmdb51: Path) -> None:
    write(hmdb51.parent / "lists", {"wave_test_split1.txt": "\udcff_wave_0.avi 2\n"})
    touch(hmdb51, "wave/\udcff_wave_0.avi")
    assert ("wave/\udcff_wave_0.avi", "wave", "test") in rows(
        index_hmdb51(hmdb51, hmdb51.parent / "lists", 1)
    )


def test_another_split_of_hmdb51_changes_no_pixels(hmdb51: Path, tmp_path: Path) -> None:
    first = index_hmdb51(hmdb51, None, 1)
    write_manifest(tmp_path, first)
    second = combine(tmp_path, index_hmdb51(hmdb51, None, 2))
    assert [video.split for video in second.videos] == ["", "test", "train", "train"]
    assert second.fingerprint == first.fingerprint


def test_damaged_or_absent_hmdb51_lists_are_named(hmdb51: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no split file such as brush_hair_test_split3\.txt"):
        index_hmdb51(hmdb51, tmp_path / "testTrainMulti_7030_splits", 3)
    write(tmp_path / "lists", {"wave_test_split1.txt": "A_wave_0.avi 1\nB_wave_0.avi 3\n"})
    with pytest.raises(InputError, match=r"wave_test_split1\.txt, line 2: .*does not end in 0, 1 or 2"):
        index_hmdb51(hmdb51, tmp_path / "lists", 1)
    with pytest.raises(InputError, match="found no testTrainMulti_7030_splits"):
        index_hmdb51(hmdb51 / "wave", None, 1)


def dive(name: str, label: int, end: int, start: int = 0) -> dict[str, object]:
    return {"vid_name": name, "label": label, "start_frame": start, "end_frame": end}


@pytest.fixture
def diving48(tmp_path: Path) -> Path:
    lists = {
        "Diving48_V2_train.json": [dive("-mmq0PT-u8k_00155", 1, 48), dive("3qq031609lA_00002", 0, 123)],
        "Diving48_V2_test.json": [dive("-mmq0PT-u8k_00156", 0, 70)],
        "Diving48_vocab.json": [["Back", "15som", "05Twis", "FREE"], ["Back", "15som", "15Twis", "FREE"]],
    }
    write(tmp_path, {name: json.dumps(rows) for name, rows in lists.items()})
    return touch(tmp_path / "rgb", "-mmq0PT-u8k_00155.mp4", "-mmq0PT-u8k_00156.mp4", "3QQ031609lA_00002.mp4")


def test_diving48_lists_give_split_and_name_of_the_dive(diving48: Path) -> None:
    found = index_diving48(diving48, None)
    assert rows(found) == [
        ("-mmq0PT-u8k_00155.mp4", "Back_15som_15Twis_FREE", "train"),
        ("-mmq0PT-u8k_00156.mp4", "Back_15som_05Twis_FREE", "test"),
        ("3QQ031609lA_00002.mp4", "", ""),
    ]
    assert findings(found) == {"missing": ("3qq031609lA_00002",), "not named": ("3QQ031609lA_00002.mp4",)}


def test_diving48_without_vocabulary_has_numbers_for_classes(diving48: Path, tmp_path: Path) -> None:
    (tmp_path / "Diving48_vocab.json").unlink()
    assert [video.label for video in index_diving48(diving48, None).videos] == ["01", "00", ""]


def test_range_of_diving48_is_the_length_that_a_file_should_have(diving48: Path) -> None:
    found = index_diving48(diving48, None)
    assert found.check.expected_frames == {"-mmq0PT-u8k_00155.mp4": 48, "-mmq0PT-u8k_00156.mp4": 70}
    lengths = [50, 90, 7]
    videos = [
        dataclasses.replace(video, frame_count=frames, status="ok")
        for video, frames in zip(found.videos, lengths, strict=True)
    ]
    assert other_lengths(found.check, videos).names == ("-mmq0PT-u8k_00156.mp4 (90 frames, published 70)",)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ([dive("a", 0, 40, start=10)], "a begins at frame 10; the released files are cut"),
        ([dive("a", 7, 40)], "label 7 is not among the 2"),
        ([{"vid_name": "a"}], "entry 0 is .*; expected vid_name, label"),
        (["a"], "entry 0 is 'a'"),
        ({"a": 1}, "expected a list, found a dict"),
    ],
)
def test_other_lists_than_those_of_v2_are_refused(diving48: Path, content: object, told: str) -> None:
    write(diving48.parent, {"Diving48_V2_test.json": json.dumps(content)})
    with pytest.raises(InputError, match=rf"Diving48_V2_test\.json: {told}"):
        index_diving48(diving48, None)


def test_diving48_without_v2_lists_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"found no Diving48_V2_train\.json or annotations"):
        index_diving48(touch(tmp_path / "rgb", "a.mp4"), None)


def test_counts_are_said_in_a_fixed_order() -> None:
    assert count_splits(["test", "train", "", "held out", "val", "train"]) == (
        "2 train, 1 val, 1 test, 1 held out and 1 unused videos"
    )
    assert count_splits([]) == "no videos"


def test_annotations_that_name_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="list names none of the 1 videos"):
        match(
            tmp_path, {}, "list", [VideoFile("a.avi", 1, 1)], Annotations({}, ()), key=lambda file: file.path
        )


@pytest.mark.real
def test_official_ucf101_lists_have_the_published_counts(real_data: Path) -> None:
    found = index_ucf101(real_data / "ucf101", real_data / "splits" / "ucf101", 1)
    assert found.check.summary.startswith("UCF101 split 1 names 9537 train and 3783 test videos; ")
    assert len(found.videos) == 41
    assert {video.split for video in found.videos} == {"train", "test"}
    assert set(findings(found)) == {"missing"}
    assert len(findings(found)["missing"]) == 9537 + 3783 - 41


@pytest.mark.real
def test_official_hmdb51_lists_have_the_published_counts(real_data: Path) -> None:
    found = index_hmdb51(real_data / "hmdb51", real_data / "splits" / "hmdb51", 1)
    assert found.check.summary.startswith(
        "HMDB51 split 1 names 3570 train, 1530 test and 1666 unused videos; "
    )
    (golf,) = (video for video in found.videos if video.label == "golf")
    assert golf.split == "train"
    assert golf.path == "golf/Golf_Tips_-_Hit_The_Driver_300+_Yards!!!_golf_f_nm_np1_fr_med_0.avi"


@pytest.mark.real
def test_official_diving48_lists_have_the_published_counts(real_data: Path, tmp_path: Path) -> None:
    touch(tmp_path, "-mmq0PT-u8k_00155.mp4")
    found = index_diving48(tmp_path, real_data / "splits" / "diving48")
    assert found.check.summary.startswith("Diving48 V2 names 15027 train and 1970 test videos; ")
    assert found.videos[0].label == "Back_15som_05Twis_FREE"
