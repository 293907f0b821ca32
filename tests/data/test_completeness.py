"""What a folder lacks of a dataset: each kind of finding, on small folders with names as published."""

from pathlib import Path

import pytest
from made_files import touch, write

from fame_cli.data.sources.annotations import read_lines
from fame_cli.data.sources.catalogue import DATASETS, find_dataset
from fame_cli.data.sources.completeness import Inspection, inspect
from fame_cli.data.sources.hmdb51 import index_hmdb51
from fame_cli.data.sources.rosters import kth, weizmann
from fame_cli.data.sources.ucf101 import index_ucf101
from fame_cli.errors import ConfigurationError, InputError


def look(name: str, folder: Path, **more: object) -> Inspection:
    return inspect(find_dataset(name), folder, **more)  # type: ignore[arg-type]


def findings(found: Inspection) -> dict[str, tuple[str, ...]]:
    return {finding.kind: finding.names for finding in found.findings}


@pytest.fixture
def ucf101(tmp_path: Path) -> Path:
    """A whole UCF101 of three videos and three splits: videos and lists in one folder, as unpacked."""
    names = ("Run/v_Run_g01_c01.avi", "Run/v_Run_g02_c01.avi", "Run/v_Run_g03_c01.avi")
    for test in (1, 2, 3):
        train = "".join(f"{name} 1\n" for name in names if f"g0{test}" not in name)
        write(
            tmp_path / "data" / "ucfTrainTestlist",
            {
                f"trainlist0{test}.txt": train,
                f"testlist0{test}.txt": f"Run/v_Run_g0{test}_c01.avi\n",
            },
        )
    touch(tmp_path / "data" / "UCF-101", *names)
    return tmp_path / "data"


def test_whole_dataset_is_complete_and_the_next_command_reads_it(ucf101: Path) -> None:
    found = look("ucf101", ucf101)
    assert found.complete
    assert found.findings == ()
    assert found.summary[2] == (
        "UCF101 split 3 names 2 train and 1 test videos; 2 train and 1 test videos of these are on disk."
    )
    assert found.next_command == (
        f"fame extract {ucf101} -o work --source ucf101 --annotations {ucf101}/ucfTrainTestlist"
    )
    # The folder of the videos alone is as good: the lists stand beside it.
    assert look("ucf101", ucf101 / "UCF-101").complete


def test_missing_video_is_named_once_for_all_splits(ucf101: Path) -> None:
    (ucf101 / "UCF-101/Run/v_Run_g02_c01.avi").unlink()
    found = look("ucf101", ucf101)
    assert not found.complete
    assert findings(found) == {"missing": ("Run/v_Run_g02_c01.avi",)}
    assert findings(found)["missing"] == findings_of_extract(ucf101, 1)


def findings_of_extract(folder: Path, split: int) -> tuple[str, ...]:
    check = index_ucf101(folder, None, split).check
    return next(finding.names for finding in check.findings if finding.kind == "missing")


def test_missing_list_is_named_and_the_other_splits_are_compared(ucf101: Path) -> None:
    (ucf101 / "ucfTrainTestlist/testlist03.txt").unlink()
    found = look("ucf101", ucf101)
    assert not found.complete
    assert findings(found) == {"list": ("testlist03.txt",)}
    assert len(found.summary) == 2
    assert "https://www.crcv.ucf.edu" in found.findings[0].hint
    assert look("ucf101", ucf101, split=2).complete
    assert look("ucf101", ucf101, split=2).next_command.endswith("--split 2")


def test_lists_elsewhere_in_the_folder_are_found_and_given_to_extract(ucf101: Path) -> None:
    (ucf101 / "from the page").mkdir()
    (ucf101 / "ucfTrainTestlist").rename(ucf101 / "from the page" / "lists")
    found = look("ucf101", ucf101)
    assert found.complete
    assert found.next_command.endswith(f"--annotations '{ucf101}/from the page/lists'")


def test_archives_are_named_where_what_they_hold_is_missing(ucf101: Path) -> None:
    archives = ("UCF101.rar", "UCF101TrainTestSplits-RecognitionTask.zip")
    touch(ucf101, *archives)
    assert look("ucf101", ucf101).complete
    (ucf101 / "UCF-101/Run/v_Run_g02_c01.avi").unlink()
    assert findings(look("ucf101", ucf101))["archive"] == ("UCF101.rar",)
    for path in ucf101.rglob("*.avi"):
        path.unlink()
    for path in ucf101.rglob("*.txt"):
        path.unlink()
    found = look("ucf101", ucf101)
    assert findings(found) == {
        "no video": (str(ucf101),),
        "list": tuple(f"{part}list0{split}.txt" for split in (1, 2, 3) for part in ("train", "test")),
        "archive": archives,
    }
    assert "unrar x UCF101.rar" in found.findings[-1].hint
    assert found.next_command == ""


def test_archive_of_a_class_is_named_where_that_class_is_missing(tmp_path: Path) -> None:
    lists = {
        f"{name}_test_split{split}.txt": f"a_{name}_0.avi 1 \n"
        for name in DATASETS["hmdb51"].class_names
        for split in (1, 2, 3)
    }
    write(tmp_path / "testTrainMulti_7030_splits", lists)
    names = [f"{name}/a_{name}_0.avi" for name in DATASETS["hmdb51"].class_names if name != "kick_ball"]
    touch(tmp_path / "hmdb51", *names)
    touch(tmp_path / "hmdb51", "kick.rar", "kick_ball.rar")
    assert findings(look("hmdb51", tmp_path)) == {
        "missing": ("kick_ball/a_kick_ball_0.avi",),
        "archive": ("hmdb51/kick_ball.rar",),
    }
    (tmp_path / "testTrainMulti_7030_splits" / "wave_test_split2.txt").unlink()
    assert findings(look("hmdb51", tmp_path))["list"] == ("wave_test_split2.txt",)


def test_frames_in_place_of_videos_are_told(tmp_path: Path) -> None:
    touch(tmp_path, "v_Run_g01_c01/img_00001.jpg", "v_Run_g01_c01/img_00002.jpg")
    found = look("ucf101", tmp_path)
    assert "The 2 images in it are not read" in found.findings[0].hint


def test_videos_of_another_dataset_are_told(ucf101: Path) -> None:
    for path in ucf101.rglob("*.avi"):
        path.rename(path.with_name(f"holiday {path.name}"))
    found = look("ucf101", ucf101)
    assert len(findings(found)["layout"]) == 3
    assert "names Run/v_Run_g0" in found.findings[0].hint


def test_empty_video_is_told(ucf101: Path) -> None:
    (ucf101 / "UCF-101/Run/v_Run_g02_c01.avi").write_bytes(b"")
    assert findings(look("ucf101", ucf101)) == {"empty": ("UCF-101/Run/v_Run_g02_c01.avi",)}


def test_video_that_no_list_names_leaves_the_dataset_complete(ucf101: Path) -> None:
    touch(ucf101, "UCF-101/Run/v_Run_g09_c01.avi")
    found = look("ucf101", ucf101)
    assert findings(found) == {"not named": ("UCF-101/Run/v_Run_g09_c01.avi",)}
    assert found.complete


def test_kinetics_without_lists_is_read_by_its_folders_and_not_complete(tmp_path: Path) -> None:
    touch(tmp_path / "k400", "abseiling/0347ZoDXyP0_000095_000105.mp4")
    found = look("kinetics-400", tmp_path / "k400")
    assert findings(found) == {"list": ("train.csv", "val.csv or validate.csv")}
    touch(tmp_path / "k400", "R6llTwEh07w.mp4")
    assert findings(look("kinetics-400", tmp_path / "k400"))["layout"] == ("R6llTwEh07w.mp4",)


def test_kinetics_lists_beside_the_videos_are_read(tmp_path: Path) -> None:
    touch(tmp_path / "k400", "0347ZoDXyP0_000095_000105.mp4")
    header = "label,youtube_id,time_start,time_end,split\n"
    train = f"{header}abseiling,0347ZoDXyP0,95,105,train\nabseiling,R6llTwEh07w,1,11,train\n"
    write(tmp_path / "annotations", {"train.csv": train, "val.csv": header})
    found = look("kinetics-400", tmp_path / "k400")
    assert findings(found) == {"missing": ("R6llTwEh07w_000001_000011",)}
    assert found.next_command.endswith(f"--source kinetics --annotations {tmp_path}/annotations")


def test_mini_kinetics_takes_the_class_from_the_folder(tmp_path: Path) -> None:
    write(
        tmp_path, {"train_ytid_list.txt": "0347ZoDXyP0\nR6llTwEh07w\n", "val_ytid_list.txt": "SOX5yA1l24A\n"}
    )
    touch(tmp_path, "train/abseiling/0347ZoDXyP0_000095_000105.mp4", "val/R6llTwEh07w_000001_000011.mp4")
    touch(tmp_path, "val/abseiling/00000000000_000001_000011.mp4")
    found = look("mini-kinetics-200", tmp_path)
    assert findings(found) == {
        "missing": ("SOX5yA1l24A",),
        "not named": ("val/abseiling/00000000000_000001_000011.mp4",),
        "layout": ("val/R6llTwEh07w_000001_000011.mp4",),
    }
    assert [(video.label, video.split) for video in found.videos] == [("abseiling", "train"), ("", "train")]


def test_something_something_takes_the_class_from_the_template(tmp_path: Path) -> None:
    train = '[{"id": "12", "template": "Holding [something] next to [something]", "label": "holding a cup"}]'
    validation = (
        '[{"id": "7", "template": "Pushing [something]"}, {"id": "8", "template": "Pushing [something]"}]'
    )
    write(tmp_path / "labels", {"train.json": train, "validation.json": validation})
    write(tmp_path / "labels", {"Diving48_V2_train.json": "[1]"})  # another dataset's, in the same folder
    touch(tmp_path / "20bn-something-something-v2", "12.webm", "7.webm")
    found = look("Something-Something V2", tmp_path)
    assert findings(found) == {"missing": ("8.webm",)}
    assert [(video.label, video.split) for video in found.videos] == [
        ("Holding something next to something", "train"),
        ("Pushing something", "val"),
    ]
    write(tmp_path / "labels", {"train.json": '["12"]'})
    with pytest.raises(InputError, match=r"train\.json is not a list of Something-Something V2"):
        look("something-something-v2", tmp_path)


def test_persons_of_kth_are_split_as_published() -> None:
    videos = kth(Path()).videos.values()
    assert len(videos) == 599
    persons = {split: {video.group for video in videos if video.split == split} for split in ("train", "val")}
    assert persons["train"] == {f"person{number}" for number in range(11, 19)}
    assert persons["val"] == {f"person{number:02d}" for number in (1, 4, 19, 20, 21, 23, 24, 25)}
    assert sum(video.split == "test" for video in videos) == 9 * 24


def test_weizmann_without_splits_is_checked_all_the_same(tmp_path: Path) -> None:
    names = [video.name for video in weizmann(Path()).videos.values()]
    assert len(names) == 93
    assert {name for name in names if "lena_r" in name} == {"lena_run1.avi", "lena_run2.avi"}
    touch(tmp_path, *names[:-1])
    touch(tmp_path, "wave2.zip", "walk.zip")
    found = look("weizmann", tmp_path)
    assert findings(found) == {"missing": ("shahar_wave2.avi",), "archive": ("wave2.zip",)}
    assert found.summary == ("Weizmann has 93 videos; 92 are on disk.",)
    touch(tmp_path, names[-1])
    assert look("weizmann", tmp_path).complete


@pytest.mark.parametrize("name", ["UCF-101", "ucf_101", "Kinetics400", "KTH"])
def test_name_is_known_in_other_spellings(name: str) -> None:
    assert find_dataset(name).name in ("ucf101", "kinetics-400", "kth")


def test_unknown_names_and_splits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no dataset hmdb-15") as caught:
        find_dataset("hmdb-15")
    assert "Did you mean hmdb51?" in caught.value.hint
    with pytest.raises(ConfigurationError, match=r"--split is 4; of numbered splits, UCF101 has 1, 2, 3"):
        look("ucf101", tmp_path, split=4)
    with pytest.raises(ConfigurationError, match="KTH has none"):
        look("kth", tmp_path, split=1)
    with pytest.raises(InputError, match="is not a folder"):
        look("kth", tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"cannot read .*nowhere"):
        look("ucf101", tmp_path, annotations=tmp_path / "nowhere")


@pytest.mark.real
def test_figures_of_the_catalogue_are_those_of_the_official_lists(real_data: Path) -> None:
    splits = real_data / "splits"
    ucf101 = {
        part: sum(1 for _ in read_lines(splits / "ucf101" / f"{part}list01.txt"))
        for part in ("train", "test")
    }
    assert f"{ucf101['train']:,} train and {ucf101['test']:,} test" in DATASETS["ucf101"].splits
    assert DATASETS["ucf101"].videos == f"{sum(ucf101.values()):,}"
    assert len(list(read_lines(splits / "ucf101" / "classInd.txt"))) == DATASETS["ucf101"].classes
    hmdb51 = index_hmdb51(real_data / "hmdb51", splits / "hmdb51", 1)
    assert DATASETS["hmdb51"].videos.startswith(f"{hmdb51.source['named']:,} in the lists")
    names = {path.name.removesuffix("_test_split1.txt") for path in (splits / "hmdb51").iterdir()}
    assert names == set(DATASETS["hmdb51"].class_names)
    diving48 = [
        (splits / "diving48" / name).read_text().count("vid_name") for name in DATASETS["diving48"].lists
    ]
    assert DATASETS["diving48"].splits.startswith(f"{diving48[0]:,} train and {diving48[1]:,} test")


@pytest.mark.real
def test_part_of_the_real_ucf101_is_not_complete(real_data: Path) -> None:
    found = look("ucf101", real_data / "ucf101", annotations=real_data / "splits" / "ucf101", split=1)
    assert set(findings(found)) == {"missing"}
    assert len(findings(found)["missing"]) == 13_320 - 41
