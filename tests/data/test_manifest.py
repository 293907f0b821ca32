"""The manifest: what is on disk, in an order that stays."""

import dataclasses
from pathlib import Path

import pytest

from fame_cli.data.manifest import Manifest, Video, combine, read_manifest, shard_slices, write_manifest
from fame_cli.data.sources.folder import index_folder
from fame_cli.data.sources.ucf101 import index_ucf101
from fame_cli.errors import ArtefactError, ConfigurationError, InputError


def touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"video")
    return root


def manifest_of(root: Path, *ids: str) -> Manifest:
    return Manifest(root, {"source": "folder"}, tuple(Video(name, name) for name in ids))


def test_class_folders_give_labels(tmp_path: Path) -> None:
    found = index_folder(touch(tmp_path, "run/a.avi", "jump/b.MP4", "jump/notes.txt"))
    assert [(video.id, video.label, video.split) for video in found.videos] == [
        ("jump/b.MP4", "jump", ""),
        ("run/a.avi", "run", ""),
    ]
    assert found.class_names == ["jump", "run"]


def test_split_folders_give_splits_and_labels(tmp_path: Path) -> None:
    found = index_folder(touch(tmp_path, "train/run/a.avi", "Testing/run/b.avi"))
    assert [(video.label, video.split) for video in found.videos] == [("run", "test"), ("run", "train")]


def test_flat_folder_has_no_labels(tmp_path: Path) -> None:
    assert [video.label for video in index_folder(touch(tmp_path, "a.avi", "b.avi")).videos] == ["", ""]


def test_folder_without_videos_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no video files"):
        index_folder(touch(tmp_path, "notes.txt"))
    with pytest.raises(InputError, match="is not a folder"):
        index_folder(tmp_path / "absent")


def test_manifest_survives_writing_and_reading(tmp_path: Path) -> None:
    odd = Video(
        'a b/ü,"x"\n.avi', 'a b/ü,"x"\n.avi', "a b", "train", 5, 7, 3, 29.97, 4, 2, "partial", "why, so"
    )
    undecodable = Video("\udcff.avi", "\udcff.avi")
    manifest = Manifest(tmp_path / "videos", {"source": "folder"}, (odd, undecodable))
    write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path).videos == manifest.videos
    assert read_manifest(tmp_path).root == tmp_path / "videos"


def test_path_outside_the_indexed_folder_is_refused(tmp_path: Path) -> None:
    write_manifest(tmp_path, manifest_of(tmp_path / "videos", "../../secret.avi"))
    with pytest.raises(ArtefactError, match="points outside the indexed folder"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("damage", ["id,path\nx\n", "", "replace ok"])
def test_damaged_manifest_is_refused(tmp_path: Path, damage: str) -> None:
    write_manifest(tmp_path, manifest_of(tmp_path, "a.avi"))
    path = tmp_path / "manifest.csv"
    path.write_text(path.read_text().replace("pending", "fine") if damage == "replace ok" else damage)
    with pytest.raises(ArtefactError, match=r"manifest\.csv"):
        read_manifest(tmp_path)


def test_folder_without_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="is not a WORK folder"):
        read_manifest(tmp_path)


def test_known_videos_keep_their_place_and_new_ones_come_last(tmp_path: Path) -> None:
    write_manifest(tmp_path, manifest_of(tmp_path, "b", "d"))
    combined = combine(tmp_path, manifest_of(tmp_path, "a", "b", "c", "d"))
    assert [video.id for video in combined.videos] == ["b", "d", "a", "c"]


def test_outcome_of_a_video_is_kept_until_its_file_changes(tmp_path: Path) -> None:
    done = Video("a", "a", "run", "train", 5, 7, 30, 25.0, 64, 48, "ok")
    write_manifest(tmp_path, Manifest(tmp_path, {}, (done,)))
    same = Manifest(tmp_path, {}, (Video("a", "a", "jump", "test", 5, 7),))
    assert combine(tmp_path, same).videos == (dataclasses.replace(done, label="jump", split="test"),)
    changed = Manifest(tmp_path, {}, (Video("a", "a", "jump", "test", 5, 8),))
    assert combine(tmp_path, changed).videos[0].status == "pending"


def test_work_made_from_other_videos_is_refused(tmp_path: Path) -> None:
    write_manifest(tmp_path, manifest_of(tmp_path / "one", "a"))
    with pytest.raises(ArtefactError, match="shares no video with"):
        combine(tmp_path, manifest_of(tmp_path / "two", "b"))


def test_label_and_split_do_not_decide_the_pixels() -> None:
    video = Video("a", "a", "run", "train")
    assert dataclasses.replace(video, label="jump", split="test").identity == video.identity
    assert dataclasses.replace(video, modified_ns=1).identity != video.identity


def test_shards_are_fixed_slices_of_the_manifest() -> None:
    videos = [Video(str(number), str(number)) for number in range(19)]
    assert [(name, len(part)) for name, part in shard_slices(videos)] == [
        ("00000", 8),
        ("00001", 8),
        ("00002", 3),
    ]


def test_ucf101_splits_are_read_as_published(tmp_path: Path) -> None:
    touch(tmp_path / "data", "Run/v_Run_g01_c01.avi", "Run/v_Run_g08_c01.avi", "Run/v_Run_g09_c01.avi")
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "trainlist01.txt").write_text("Run/v_Run_g08_c01.avi 1\nRun/v_Run_g10_c01.avi 1\n")
    (lists / "testlist01.txt").write_text("Run/v_Run_g01_c01.avi\n")
    found = index_ucf101(tmp_path / "data", lists, 1)
    assert [video.split for video in found.videos] == ["test", "train", ""]
    assert (found.source["named_by_split"], found.source["missing_on_disk"]) == (3, 1)


def test_ucf101_without_split_files_says_where_they_belong(tmp_path: Path) -> None:
    touch(tmp_path, "Run/v.avi")
    with pytest.raises(InputError, match="found no ucfTrainTestlist"):
        index_ucf101(tmp_path, None, 1)
    with pytest.raises(InputError, match=r"cannot read the split file .*trainlist02\.txt"):
        index_ucf101(tmp_path, tmp_path, 2)
    with pytest.raises(ConfigurationError, match="splits 1, 2 and 3"):
        index_ucf101(tmp_path, tmp_path, 4)


@pytest.mark.real
def test_official_ucf101_lists_have_the_published_counts(real_data: Path) -> None:
    found = index_ucf101(real_data / "ucf101", real_data / "splits" / "ucf101", 1)
    assert found.source["named_by_split"] == 9537 + 3783
    assert len(found.videos) == 41
    assert {video.split for video in found.videos} == {"train", "test"}
