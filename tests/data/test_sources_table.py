"""Any videos by a CSV file, and which options go with which source."""

from pathlib import Path

import pytest
from made_files import touch, write

from fame_cli.data.group import group_of
from fame_cli.data.sources.index import index_videos
from fame_cli.data.sources.table import index_table
from fame_cli.errors import ConfigurationError, InputError


def table(folder: Path, *lines: str) -> Path:
    return write(folder, {"list.csv": "\n".join(["path,label,split", *lines, ""])}) / "list.csv"


def test_rows_give_class_and_split_and_nothing_else_is_indexed(tmp_path: Path) -> None:
    root = touch(tmp_path / "videos", "a.avi", 'b "c", d.mp4', "raw/e", "f.avi")
    lines = ["a.avi,run,training", '"b ""c"", d.mp4",jump,held out', f"{root}/raw/e,,", "g.avi,run,test"]
    found = index_table(root, table(tmp_path, *lines))
    assert [(video.id, video.label, video.split) for video in found.videos] == [
        ("a.avi", "run", "train"),
        ('b "c", d.mp4', "jump", "held out"),
        ("raw/e", "", ""),
    ]
    assert {finding.kind: finding.names for finding in found.check.findings} == {
        "missing": ("g.avi",),
        "not named": ("f.avi",),
    }


def test_columns_may_stand_in_any_order_among_others_behind_a_byte_order_mark(tmp_path: Path) -> None:
    text = "\ufeffSplit,seconds,Path,Label\r\ntest,3,./a.avi,run\r\n"
    found = index_table(touch(tmp_path, "a.avi"), write(tmp_path, {"list.csv": text}) / "list.csv")
    assert [(video.id, video.label, video.split) for video in found.videos] == [("a.avi", "run", "test")]


def test_column_of_groups_says_what_belongs_together(tmp_path: Path) -> None:
    text = "path,label,split,group\na.avi,run,train, Anna \nb.avi,run,test,\n"
    found = index_table(touch(tmp_path, "a.avi", "b.avi"), write(tmp_path, {"list.csv": text}) / "list.csv")
    assert [group_of(video) for video in found.videos] == ["Anna", "b.avi"]


def test_row_that_contradicts_another_is_told(tmp_path: Path) -> None:
    found = index_table(touch(tmp_path, "a.avi"), table(tmp_path, "a.avi,run,train", "./a.avi,run,test"))
    assert [video.split for video in found.videos] == ["train"]
    assert [finding.kind for finding in found.check.findings] == ["contradicted"]


@pytest.mark.parametrize("path", ["../a.avi", "/etc/a.avi", "", ".", "b/../../a.avi", ".."])
def test_path_outside_the_folder_is_refused(tmp_path: Path, path: str) -> None:
    root = touch(tmp_path / "videos", "a.avi")
    with pytest.raises(InputError, match=r"list\.csv, line 3: the path .* is not a file in"):
        index_table(root, table(tmp_path, "a.avi,run,train", f"{path},run,train"))


def test_table_without_the_columns_says_what_it_found(tmp_path: Path) -> None:
    path = write(tmp_path, {"list.csv": "path;label;split\n"}) / "list.csv"
    with pytest.raises(
        InputError, match="has no column path, label, split: its first line is 'path;label;split'"
    ):
        index_table(touch(tmp_path, "a.avi"), path)


@pytest.mark.parametrize("source", ["folder", "diving48", "kinetics", "csv"])
def test_split_goes_with_numbered_splits_only(tmp_path: Path, source: str) -> None:
    with pytest.raises(ConfigurationError, match=f"--split 2 cannot be used with --source {source}"):
        index_videos(tmp_path, source, None, 2)  # type: ignore[arg-type]


def test_annotations_go_with_a_source_that_has_some(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--annotations cannot be used with --source folder"):
        index_videos(tmp_path, "folder", tmp_path, None)
    with pytest.raises(ConfigurationError, match="--source csv needs a CSV file"):
        index_videos(tmp_path, "csv", None, None)


@pytest.mark.parametrize("source", ["ucf101", "hmdb51"])
def test_split_is_one_of_three(tmp_path: Path, source: str) -> None:
    with pytest.raises(ConfigurationError, match=r"--split is 0; .* has the splits 1, 2 and 3"):
        index_videos(tmp_path, source, None, 0)  # type: ignore[arg-type]
