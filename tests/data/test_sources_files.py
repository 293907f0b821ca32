"""Files on disk, whatever they are called and however folders are linked, and indexing them by folders."""

import os
from pathlib import Path

import pytest
from made_files import touch

from fame_cli.data.sources.files import find_videos
from fame_cli.data.sources.folder import index_folder
from fame_cli.errors import InputError


def paths(root: Path) -> list[str]:
    return [file.path for file in find_videos(root).videos]


def test_class_folders_give_labels(tmp_path: Path) -> None:
    found = index_folder(touch(tmp_path, "run/a.avi", "jump/b.MP4", "jump/notes.txt"))
    assert [(video.id, video.label, video.split) for video in found.videos] == [
        ("jump/b.MP4", "jump", ""),
        ("run/a.avi", "run", ""),
    ]
    assert found.class_names == ["jump", "run"]
    assert found.check.summary == "2 videos in 2 classes on disk."


def test_split_folders_give_splits_and_labels(tmp_path: Path) -> None:
    found = index_folder(touch(tmp_path, "train/run/a.avi", "Testing/run/b.avi"))
    assert [(video.label, video.split) for video in found.videos] == [("run", "test"), ("run", "train")]
    assert found.check.summary == "2 videos in 1 class on disk: 1 train and 1 test videos."


def test_split_folder_beside_a_class_folder_is_a_class(tmp_path: Path) -> None:
    found = index_folder(touch(tmp_path, "train/a.avi", "walk/b.avi"))
    assert found.check.findings == ()
    assert [(video.label, video.split) for video in found.videos] == [("train", ""), ("walk", "")]


def test_flat_folder_has_no_labels(tmp_path: Path) -> None:
    assert [video.label for video in index_folder(touch(tmp_path, "a.avi", "b.avi")).videos] == ["", ""]


def test_group_of_ucf101_in_two_split_folders_is_found(tmp_path: Path) -> None:
    names = ["train/Run/v_Run_g01_c01.avi", "test/Run/v_Run_g01_c02.avi", "test/Run/v_Run_g02_c01.avi"]
    (finding,) = index_folder(touch(tmp_path, *names)).check.findings
    assert finding.names == ("Run g01 (test, train)",)


def test_folder_without_videos_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no video files"):
        index_folder(touch(tmp_path, "notes.txt"))
    with pytest.raises(InputError, match="is not a folder"):
        index_folder(tmp_path / "absent")


def test_size_and_time_are_those_of_the_file(tmp_path: Path) -> None:
    (file,) = find_videos(touch(tmp_path, "run/a.avi")).videos
    assert (file.bytes, file.modified_ns) == (5, (tmp_path / "run" / "a.avi").stat().st_mtime_ns)


def test_odd_names_are_found_as_they_are(tmp_path: Path) -> None:
    names = ["a [1] (b)!.avi", "a&b;c.avi", "line\nbreak.avi", "映画/日本.avi", "-dash.avi", "\udcff.avi"]
    assert paths(touch(tmp_path, *names)) == sorted(names)


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    assert paths(touch(tmp_path, "a.avi", "._a.avi", ".trash/b.avi", "run/.c.avi")) == ["a.avi"]


def test_links_to_files_and_folders_elsewhere_are_followed(tmp_path: Path) -> None:
    other = touch(tmp_path / "other", "b.avi")
    root = touch(tmp_path / "videos", "a.avi")
    (root / "more").symlink_to(other)
    (root / "c.avi").symlink_to(other / "b.avi")
    assert paths(root) == ["a.avi", "c.avi", "more/b.avi"]


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    touch(tmp_path, "run/a.avi", "jump/b.avi")
    (tmp_path / "run" / "up").symlink_to(tmp_path)
    (tmp_path / "run" / "over").symlink_to(tmp_path / "jump")
    (tmp_path / "jump" / "back").symlink_to(tmp_path / "run")
    (tmp_path / "itself.avi").symlink_to(tmp_path / "itself.avi")
    assert paths(tmp_path) == [
        *("itself.avi", "jump/b.avi", "jump/back/a.avi", "run/a.avi", "run/over/b.avi"),
    ]


def test_link_to_a_file_that_is_gone_is_listed_to_be_told_as_failed(tmp_path: Path) -> None:
    (tmp_path / "gone.avi").symlink_to(tmp_path / "absent.avi")
    assert [(file.path, file.bytes) for file in find_videos(tmp_path).videos] == [("gone.avi", 0)]


def test_pipe_that_is_named_like_a_video_is_passed_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.avi")
    assert paths(touch(tmp_path, "a.avi")) == ["a.avi"]


def test_folder_that_may_not_be_read_is_an_error_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "run/a.avi", "secret/b.avi")
    scandir = os.scandir

    def refusing(place: str) -> object:
        if place.rstrip("/").endswith("secret"):  # the tests may run as root, who may read everything
            raise PermissionError(13, "Permission denied", place)
        return scandir(place)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(InputError, match=r"cannot read .*secret.*: Permission denied") as caught:
        find_videos(tmp_path)
    assert "Make it readable" in caught.value.hint


def test_folder_that_vanishes_while_others_are_read_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "run/a.avi", "gone/b.avi")
    scandir = os.scandir

    def vanishing(place: str) -> object:
        if place.rstrip("/").endswith("gone"):
            raise FileNotFoundError(2, "No such file or directory", place)
        return scandir(place)

    monkeypatch.setattr(os, "scandir", vanishing)
    assert paths(tmp_path) == ["run/a.avi"]


def test_file_given_for_the_folder_is_an_error(tmp_path: Path) -> None:
    touch(tmp_path, "a.avi")
    with pytest.raises(InputError, match=r"a\.avi is not a folder"):
        find_videos(tmp_path / "a.avi")


def test_folder_beside_those_of_splits_is_told_since_it_makes_classes_of_them(tmp_path: Path) -> None:
    found = index_folder(touch(tmp_path, "train/run/a.avi", "test/run/b.avi", "unlabeled/c.avi"))
    assert {video.label for video in found.videos} == {"train", "test", "unlabeled"}
    assert [finding.names for finding in found.check.findings] == [("unlabeled",)]
    assert "all are read as classes" in str(found.check.findings[0])
