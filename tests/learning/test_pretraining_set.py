"""What a pretraining learned from is found again under other folders, and nothing else is taken for it."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from fame_cli.data.manifest import Manifest, Video
from fame_cli.errors import ArtefactError
from fame_cli.learning.pretraining_set import (
    NOTHING,
    PretrainingSet,
    describe_set,
    find_set,
    read_set,
    write_set,
)
from fame_cli.learning.run import RunFolder


def manifest(root: str, source: str, **sizes: int) -> Manifest:
    """Videos by their ids, in which __ stands for a slash, with their sizes."""
    videos = [Video(f"{name.replace('__', '/')}.avi", "", bytes=size) for name, size in sizes.items()]
    return Manifest(Path(root), {"source": source}, tuple(videos))


def shared(learned: Manifest, tested: Manifest) -> tuple[str, ...]:
    return describe_set(learned, range(len(learned.videos))).find_shared(tested, range(len(tested.videos)))


def test_video_of_the_same_folder_is_told_by_its_id_while_it_is_there() -> None:
    learned = manifest("/data", "folder", train__run__1=500, train__run__2=500)
    # Uncompressed videos of one length are of one size, and every class counts from 1.
    tested = manifest("/data", "folder", test__run__1=500, train__run__1=500, train__run__2=900)
    assert shared(learned, tested) == ("train/run/1.avi", "train/run/2.avi")


@pytest.mark.parametrize("status", ["gone", "removed"])
def test_video_that_was_moved_below_the_same_folder_is_found(status: str) -> None:
    learned = manifest("/data", "folder", train__run__1=500, train__run__2=500)
    tested = manifest("/data", "folder", test__run__1=500, train__run__2=500)
    if status == "removed":
        removed = dataclasses.replace(learned.videos[0], status="removed")
        tested = dataclasses.replace(tested, videos=(*tested.videos, removed))
    assert "test/run/1.avi" in shared(learned, tested)


def test_names_are_the_same_in_capitals_or_not_and_with_zeros_before_times() -> None:
    learned = manifest("/a", "ucf101", v_HandStandPushups_g01_c01=5)
    assert shared(learned, manifest("/b", "ucf101", v_HandstandPushups_g01_c01=6))
    learned = manifest("/a", "kinetics", abc_000095_000105=5)
    assert shared(learned, manifest("/b", "kinetics", abc_95_105=6))
    assert not shared(learned, manifest("/b", "kinetics", abc_95_115=6))


def test_video_of_another_folder_is_told_by_its_file_name_and_size() -> None:
    learned = manifest("/split1", "folder", train__run__g01=500, train__run__g02=600, train__run__g03=700)
    tested = manifest("/split2", "ucf101", run__g01=500, run__g02=601, run__g04=700)
    assert shared(learned, tested) == ("run/g01.avi",)


@pytest.mark.parametrize(("source", "found"), [("ucf101", ("g01.mp4",)), ("folder", ())])
def test_recompressed_video_is_found_where_its_data_set_names_it_once(source: str, found: Any) -> None:
    learned = manifest("/original", source, run__g01=500)
    smaller = Video("g01.mp4", "", bytes=90)
    assert shared(learned, Manifest(Path("/small"), {"source": source}, (smaller,))) == found


def test_set_is_read_back_with_names_of_any_bytes(tmp_path: Path) -> None:
    learned = describe_set(manifest("/data", "folder", **{"a\udcff": 5, "ü": 6}), [0, 1])
    write_set(tmp_path / "set.json", learned)
    assert read_set(tmp_path / "set.json") == learned
    assert read_set(tmp_path / "none.json") is None


@pytest.mark.parametrize("text", ["{", "[]", '{"schema_version": 2}', '{"schema_version": 1}', "\udcff"])
def test_damaged_set_is_no_set_of_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "set.json").write_text(text, errors="surrogateescape")
    with pytest.raises(ArtefactError, match=r"set\.json: cannot be read[\s\S]*Copy it again"):
        read_set(tmp_path / "set.json")


def test_set_is_known_of_weights_that_lie_where_a_run_left_them(tmp_path: Path) -> None:
    write_set(tmp_path / "pretraining_set.json", NOTHING)
    assert find_set(tmp_path / "backbone.safetensors") == NOTHING
    assert find_set(tmp_path / "checkpoints" / "last.pt") == NOTHING
    assert find_set(tmp_path / "r3d_18.pth") is None
    assert find_set(tmp_path / "elsewhere" / "backbone.safetensors") is None


def test_run_does_not_go_on_with_other_videos(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    first = PretrainingSet("/data", "ucf101", {"a.avi": 1, "b.avi": 2})
    folder.begin({"seed": 0}, {}, first, resume=False)
    folder.begin({"seed": 0}, {}, dataclasses.replace(first, root="/moved"), resume=True)
    other = dataclasses.replace(first, videos={"a.avi": 1})
    with pytest.raises(ArtefactError, match=r"began with 2 videos.*not the 1 that the manifest names"):
        folder.begin({"seed": 0}, {}, other, resume=True)
    (tmp_path / "run" / "pretraining_set.json").unlink()
    folder.begin({"seed": 0}, {}, other, resume=True)  # as runs of earlier versions left it
    assert not (tmp_path / "run" / "pretraining_set.json").exists()


def test_set_is_known_of_a_checkpoint_named_from_within_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_set(tmp_path / "pretraining_set.json", NOTHING)
    (tmp_path / "checkpoints").mkdir()
    monkeypatch.chdir(tmp_path / "checkpoints")
    assert find_set(Path("last.pt")) == NOTHING
