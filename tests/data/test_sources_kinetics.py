"""Kinetics by its CSV files, and by its folders alone."""

from pathlib import Path

import pytest
from made_files import touch, write

from fame_cli.data.sources.check import Indexed
from fame_cli.data.sources.kinetics import index_kinetics
from fame_cli.errors import InputError

TRAIN = """label,youtube_id,time_start,time_end,split,is_cc
playing guitar,AAAAAAAAAAA,10,20,train,0
playing guitar,BBB_12_3-BB,5,15,train,0
"shooting goal (soccer)",CCCCCCCCCCC,100,110,train,0
abseiling,DDDDDDDDDDD,1,11,train,0
abseiling,DDDDDDDDDDD,50,60,train,0
"""
VAL = "label,youtube_id,time_start,time_end,split\nabseiling,EEEEEEEEEEE,0,10,validate\n"
TEST = "youtube_id,time_start,time_end,split\nFFFFFFFFFFF,7,17,test\n"


def rows(found: Indexed) -> list[tuple[str, str, str]]:
    return [(video.id, video.label, video.split) for video in found.videos]


def findings(found: Indexed) -> dict[str, tuple[str, ...]]:
    return {finding.kind: finding.names for finding in found.check.findings}


def test_csv_files_of_a_folder_give_class_and_split_to_files_anywhere(tmp_path: Path) -> None:
    csv = write(
        tmp_path / "csv", {"train.csv": TRAIN, "val.csv": VAL, "test.csv": TEST, "other.csv": "a,b\n"}
    )
    names = [
        "train/playing_guitar/AAAAAAAAAAA_000010_000020.mp4",
        "train/BBB_12_3-BB_000005_000015.mkv",
        "val/abseiling/EEEEEEEEEEE_0_10.webm",
        "test/FFFFFFFFFFF_000007_000017.mp4",
        "train/playing_guitar/ZZZZZZZZZZZ_000001_000011.mp4",
    ]
    found = index_kinetics(touch(tmp_path / "k400", *names), csv)
    assert rows(found) == [
        ("test/FFFFFFFFFFF_000007_000017.mp4", "", "test"),
        ("train/BBB_12_3-BB_000005_000015.mkv", "playing guitar", "train"),
        ("train/playing_guitar/AAAAAAAAAAA_000010_000020.mp4", "playing guitar", "train"),
        ("train/playing_guitar/ZZZZZZZZZZZ_000001_000011.mp4", "playing guitar", ""),
        ("val/abseiling/EEEEEEEEEEE_0_10.webm", "abseiling", "val"),
    ]
    assert findings(found) == {
        "missing": (
            *("CCCCCCCCCCC_000100_000110", "DDDDDDDDDDD_000001_000011", "DDDDDDDDDDD_000050_000060"),
        ),
        "not named": ("train/playing_guitar/ZZZZZZZZZZZ_000001_000011.mp4",),
    }
    assert found.check.summary.startswith(
        "Kinetics (test.csv, train.csv, val.csv) names 5 train, 1 val and 1 test"
    )


def test_blanks_around_values_are_no_part_of_them(tmp_path: Path) -> None:
    touch(tmp_path / "videos", "a/0347ZoDXyP0_000095_000105.mp4")
    write(
        tmp_path,
        {"k.csv": "label, youtube_id ,time_start,time_end,split\nabseiling , 0347ZoDXyP0,95,105,Train \n"},
    )
    (video,) = index_kinetics(tmp_path / "videos", tmp_path / "k.csv").videos
    assert (video.label, video.split) == ("abseiling", "train")


def test_bare_id_is_enough_where_the_csv_has_one_clip_of_it(tmp_path: Path) -> None:
    csv = write(tmp_path, {"train.csv": TRAIN}) / "train.csv"
    found = index_kinetics(touch(tmp_path / "k", "x/CCCCCCCCCCC.mp4", "x/DDDDDDDDDDD.mp4"), csv)
    assert rows(found) == [
        ("x/CCCCCCCCCCC.mp4", "shooting goal (soccer)", "train"),
        ("x/DDDDDDDDDDD.mp4", "x", ""),
    ]


def test_csv_without_times_knows_files_by_id(tmp_path: Path) -> None:
    csv = write(tmp_path, {"val.csv": "youtube_id,label\nGGGGGGGGGGG,ice_fishing\n"}) / "val.csv"
    found = index_kinetics(touch(tmp_path / "k", "GGGGGGGGGGG_000001_000011.mp4"), csv)
    assert rows(found) == [("GGGGGGGGGGG_000001_000011.mp4", "ice fishing", "val")]


def test_same_clip_in_two_folders_counts_once(tmp_path: Path) -> None:
    csv = write(tmp_path, {"train.csv": TRAIN}) / "train.csv"
    names = ["a/AAAAAAAAAAA_000010_000020.mp4", "b/AAAAAAAAAAA_000010_000020.mkv"]
    found = index_kinetics(touch(tmp_path / "k", *names), csv)
    assert [video.split for video in found.videos] == ["train", ""]
    assert findings(found)["repeated"] == ("b/AAAAAAAAAAA_000010_000020.mkv",)


def test_folder_tells_the_class_where_the_csv_has_none(tmp_path: Path) -> None:
    csv = write(tmp_path, {"test.csv": TEST}) / "test.csv"
    found = index_kinetics(touch(tmp_path / "k", "ice_fishing/FFFFFFFFFFF_000007_000017.mp4"), csv)
    assert [row[1:] for row in rows(found)] == [("ice fishing", "test")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("label,id\na,b\n", "has no column youtube_id"),
        ("", "has no column youtube_id"),
        ("youtube_id,time_start,time_end,split\nA,soon,2,train\n", "line 2: could not convert"),
        ("youtube_id,split\nA\n", "line 2: 1 values for 2 columns"),
        ('youtube_id,split\n"A,train\n', "line 2: unexpected end of data"),
        ("youtube_id,label\nA,b\n", "line 2: there is no column split, and the file's name"),
    ],
)
def test_csv_that_cannot_be_used_is_named_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    path = write(tmp_path, {"clips.csv": text}) / "clips.csv"
    with pytest.raises(InputError, match=rf"clips\.csv.*{told}"):
        index_kinetics(touch(tmp_path / "k", "a.mp4"), path)


def test_folder_without_csv_files_of_kinetics_is_told(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4")
    with pytest.raises(InputError, match="holds no CSV file with a column youtube_id"):
        index_kinetics(tmp_path, tmp_path)
    with pytest.raises(InputError, match=r"cannot read .*absent\.csv: No such file"):
        index_kinetics(tmp_path, tmp_path / "absent.csv")


def test_folders_alone_give_class_and_split(tmp_path: Path) -> None:
    names = [
        "train_256/playing guitar/AAAAAAAAAAA_000010_000020.mp4",
        "videos_val/playing_guitar/BBBBBBBBBBB_000010_000020.mp4",
        "test/CCCCCCCCCCC_000010_000020.mp4",
    ]
    assert [row[1:] for row in rows(index_kinetics(touch(tmp_path, *names), None))] == [
        ("", "test"),
        ("playing guitar", "train"),
        ("playing guitar", "val"),
    ]


@pytest.mark.parametrize("name", ["training dog", "battle_rope_training", "testifying"])
def test_class_that_is_called_like_a_split_in_part_stays_a_class(tmp_path: Path, name: str) -> None:
    found = index_kinetics(touch(tmp_path, f"{name}/a.mp4"), None)
    assert [row[1:] for row in rows(found)] == [(name.replace("_", " "), "")]


@pytest.mark.parametrize(
    "name", ["validate", "kinetics-400_val", "k700_val", "videos_validation", "VAL_256p"]
)
def test_split_is_known_in_the_names_that_copies_use(tmp_path: Path, name: str) -> None:
    assert index_kinetics(touch(tmp_path, f"{name}/run/a.mp4"), None).videos[0].split == "val"


def test_same_clip_in_two_split_folders_is_told(tmp_path: Path) -> None:
    names = [
        "train/a/AAAAAAAAAAA_000010_000020.mp4",
        "val/a/AAAAAAAAAAA_10_20.mp4",
        "train/a/x.mp4",
        "val/a/x.mp4",
    ]
    found = index_kinetics(touch(tmp_path, *names), None)
    assert findings(found) == {"repeated": ("val/a/AAAAAAAAAAA_10_20.mp4",)}


@pytest.mark.real
def test_real_clips_are_read_by_their_folders(real_data: Path) -> None:
    found = index_kinetics(real_data / "kinetics", None)
    assert found.class_names == ["flipping pancake", "using segway"]
