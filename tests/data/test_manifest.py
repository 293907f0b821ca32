"""The manifest: written and read back whole, in an order that stays."""

import dataclasses
import json
from pathlib import Path

import pytest

from fame_cli.data.manifest import Manifest, Video, combine, read_manifest, shard_slices, write_manifest
from fame_cli.errors import ArtefactError


def manifest_of(root: Path, *ids: str) -> Manifest:
    return Manifest(root, {"source": "folder"}, tuple(Video(name, name) for name in ids))


def test_manifest_survives_writing_and_reading(tmp_path: Path) -> None:
    odd = Video(
        'a b/ü,"x"\n.avi',
        'a b/ü,"x"\n.avi',
        "a b",
        "train",
        5,
        7,
        3,
        29.97,
        4,
        2,
        "partial",
        "why, so",
        "Anna",
    )
    names = ["\udcff.avi", "a\rb.avi", "a\r\nb.avi", " a;b&c!.avi", "日本語/映画.avi", "-a.avi", '\'="1".avi']
    videos = (odd, *(Video(name, name) for name in names))
    manifest = Manifest(tmp_path / "videos", {"source": "folder"}, videos)
    write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path).videos == manifest.videos
    assert read_manifest(tmp_path).root == tmp_path / "videos"


def test_number_of_frames_is_the_column_frames_as_it_always_was(tmp_path: Path) -> None:
    write_manifest(tmp_path, Manifest(tmp_path, {}, (Video("a.avi", "a.avi", frame_count=30, fps=25.0),)))
    columns, row = (tmp_path / "manifest.csv").read_text().splitlines()
    assert dict(zip(columns.split(","), row.split(","), strict=True))["frames"] == "30"
    assert read_manifest(tmp_path).videos[0].frame_count == 30


def test_path_outside_the_indexed_folder_is_refused(tmp_path: Path) -> None:
    write_manifest(tmp_path, manifest_of(tmp_path / "videos", "../../secret.avi"))
    with pytest.raises(ArtefactError, match="points outside the indexed folder"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("path", ["/secret.avi", "a/../../secret.avi", "", "a\0.avi"])
def test_path_that_no_index_could_have_made_is_refused(tmp_path: Path, path: str) -> None:
    write_manifest(tmp_path, Manifest(tmp_path / "videos", {}, (Video("a", path),)))
    with pytest.raises(
        ArtefactError, match=r"manifest\.csv cannot be read: line 2: the path .* points outside"
    ):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("id,path\nx\n", "does not name the columns"),
        ("", "does not name the columns"),
        ("{row}\n{row}", "two rows have the same id"),
        ("{row},more", "line 2: 15 values for 14 columns"),
        ("{half}", "line 2: 6 values for 14 columns"),
        ("{bad status}", "line 2: 'a.avi' has the unknown status 'fine'"),
        ("{bad number}", "line 2: invalid literal for int"),
        ('{row}\n"open', "unexpected end of data"),
    ],
)
def test_damaged_manifest_is_refused_with_the_place(tmp_path: Path, damage: str, told: str) -> None:
    write_manifest(tmp_path, manifest_of(tmp_path, "a.avi"))
    path = tmp_path / "manifest.csv"
    columns, row = path.read_text().splitlines()
    assert row == "a.avi,a.avi,,,0,0,0,0.0,0,0,pending,,,"
    for name, text in {
        "row": row,
        "half": "a.avi,a.avi,,,0,0",
        "bad status": row.replace("pending", "fine"),
        "bad number": row.replace(",0,", ",many,"),
    }.items():
        damage = damage.replace("{" + name + "}", text)
    path.write_text(damage if damage == "" or "path" in damage else f"{columns}\n{damage}\n")
    with pytest.raises(ArtefactError, match=rf"manifest\.csv cannot be read: .*{told}"):
        read_manifest(tmp_path)


def unseal(work: Path) -> None:
    """Leave ``source.json`` as versions wrote it that signed nothing."""
    path = work / "source.json"
    path.write_text(json.dumps({"root": json.loads(path.read_text())["root"]}))


def test_manifest_of_a_version_without_groups_is_read(tmp_path: Path) -> None:
    write_manifest(tmp_path, manifest_of(tmp_path, "a.avi"))
    path = tmp_path / "manifest.csv"
    columns, row = path.read_text().splitlines()
    path.write_text(f"{columns.removesuffix(',group')}\n{row[:-1]}\n")
    unseal(tmp_path)
    assert read_manifest(tmp_path).videos == (Video("a.avi", "a.avi"),)


def test_damaged_source_file_is_named(tmp_path: Path) -> None:
    write_manifest(tmp_path, manifest_of(tmp_path, "a.avi"))
    (tmp_path / "source.json").write_text("[]")
    with pytest.raises(ArtefactError, match=r"source\.json cannot be read"):
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
    grouped = Manifest(tmp_path, {}, (Video("a", "a", "run", "train", 5, 7, group="Anna"),))
    assert combine(tmp_path, grouped).videos == (dataclasses.replace(done, group="Anna"),)
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


def test_manifest_written_before_there_were_notes_is_read(tmp_path: Path) -> None:
    known = Video(
        "a,b.avi", "a,b.avi", "run", "train", 5, 7, 30, 25.0, 64, 48, "partial", "cut off", "turned"
    )
    write_manifest(tmp_path, Manifest(tmp_path, {}, (known,)))
    path = tmp_path / "manifest.csv"
    path.write_text(path.read_text().replace(",notes,group", "").replace(",turned,", ""))
    unseal(tmp_path)
    assert read_manifest(tmp_path).videos == (dataclasses.replace(known, notes=""),)
