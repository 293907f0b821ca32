"""The frame store: what goes in comes out, and a bad video takes nothing else with it."""

import importlib.util
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import simplejpeg
from conftest import moving_square, write_video

from fame_cli.config import ExtractConfig
from fame_cli.data import packed
from fame_cli.data.film import scaled_size
from fame_cli.data.frames import (
    JPEGS,
    FrameStore,
    decode_frame,
    extract,
    jpeg_of,
    open_frame_store,
    read_items,
    with_checksum,
)
from fame_cli.data.manifest import Manifest, write_manifest
from fame_cli.data.packed import PackedWriter, damage_error
from fame_cli.data.sources.folder import index_folder
from fame_cli.errors import ArtefactError
from fame_cli.stage import Report, Workers

pytestmark = pytest.mark.libraries

Extracted = tuple[Report, Manifest]


def run(work: Path, videos: Path, **options: Any) -> Extracted:
    manifest = index_folder(videos)
    report, manifest = extract(work, manifest, ExtractConfig(**options))
    write_manifest(work, manifest)
    return report, manifest


def test_frames_come_back_in_order_and_close_to_the_original(tmp_path: Path) -> None:
    frames = moving_square(12, (250, 20, 20), seed=1)
    write_video(tmp_path / "videos" / "a.avi", frames)
    _, manifest = run(tmp_path / "work", tmp_path / "videos")
    video = manifest.videos[0]
    assert (video.frame_count, video.width, video.height, video.fps, video.status) == (12, 64, 48, 25.0, "ok")
    read = open_frame_store(tmp_path / "work", manifest).read(0, [0, 5, 11])
    assert read.shape == (3, 48, 64, 3)
    errors = [np.abs(read.astype(int) - frames[n].astype(int)).mean((1, 2, 3)) for n in range(12)]
    assert np.argmin(errors, axis=0).tolist() == [0, 5, 11]
    assert np.min(errors, axis=0).max() < 6


def test_short_side_is_scaled_and_never_enlarged() -> None:
    assert scaled_size(320, 240, 128) == (171, 128)
    assert scaled_size(240, 320, 128) == (128, 171)
    assert scaled_size(64, 48, 128) == (64, 48)


def test_unreadable_videos_are_named_and_their_neighbours_stand(tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    write_video(videos / "b good.avi", moving_square(9, (0, 200, 0), seed=2))
    write_video(videos / "z good.avi", moving_square(7, (0, 200, 0), seed=3))
    (videos / "a empty.avi").write_bytes(b"")
    (videos / "c text.avi").write_text("this is no video " * 50)
    whole = (videos / "b good.avi").read_bytes()
    (videos / "d truncated.avi").write_bytes(whole[: len(whole) // 2])
    _, manifest = run(tmp_path / "work", videos)
    outcome = {video.id: (video.status, video.frame_count) for video in manifest.videos}
    assert outcome["b good.avi"] == ("ok", 9)
    assert outcome["z good.avi"] == ("ok", 7)
    assert outcome["a empty.avi"][0] == outcome["c text.avi"][0] == "failed"
    assert outcome["d truncated.avi"][0] in ("partial", "failed")
    assert manifest.videos[0].reason == "the file is empty"
    store = open_frame_store(tmp_path / "work", manifest)
    assert store.read(1, [8]).shape == store.read(4, [6]).shape == (1, 48, 64, 3)


def test_video_added_later_is_all_that_is_decoded(tmp_path: Path, videos: Path) -> None:
    run(tmp_path / "work", videos)
    write_video(videos / "train" / "red" / "zz.avi", moving_square(5, (9, 9, 9), seed=4))
    from fame_cli.data.manifest import combine

    combined = combine(tmp_path / "work", index_folder(videos))
    report, manifest = extract(tmp_path / "work", combined, ExtractConfig())
    assert (report.made, report.kept) == (1, 1)  # eleven videos: a shard of eight, and the last one anew
    assert manifest.videos[-1].id == "train/red/zz.avi"
    assert manifest.videos[-1].frame_count == 5


def test_other_options_make_another_store_beside(tmp_path: Path, videos: Path) -> None:
    first, _ = run(tmp_path / "work", videos)
    second, _ = run(tmp_path / "work", videos, short_side_px=24)
    assert first.folder != second.folder
    assert len(list((tmp_path / "work" / "frames").iterdir())) == 2


def test_each_store_knows_the_lengths_of_its_own_videos(tmp_path: Path, videos: Path) -> None:
    work = tmp_path / "work"
    every, _ = run(work, videos)
    few, manifest = run(work, videos, max_fps=5)
    stores = [FrameStore(report.folder, manifest) for report in (every, few)]
    assert [store.videos[0].frame_count for store in stores] == [40, 8]
    assert stores[0].videos[0].fps == 25
    for store, last in zip(stores, (39, 7), strict=True):
        store.read(0, [0, last])
        for number in (last + 1, -1):
            with pytest.raises(IndexError, match=f"of a video of {last + 1} frames"):
                store.read(0, [number])


def test_store_without_a_receipt_is_refused(tmp_path: Path, videos: Path) -> None:
    report, manifest = run(tmp_path / "work", videos)
    (report.folder / "00001.json").unlink()
    with pytest.raises(ArtefactError, match=r"00001\.h5 is missing or damaged: it has no readable receipt"):
        FrameStore(report.folder, manifest)


@pytest.mark.parametrize("buffer_bytes", [packed.BUFFER_BYTES, JPEGS.chunk_bytes])
def test_dropped_video_leaves_its_neighbours_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, buffer_bytes: int
) -> None:
    monkeypatch.setattr(packed, "BUFFER_BYTES", buffer_bytes)
    random = np.random.default_rng(0)
    counts = {"short": 7, "long, dropped": 90, "next": 30, "longer, dropped": 600, "last": 60}
    kept = {}
    with PackedWriter(tmp_path / "shard.h5", JPEGS) as writer:
        for row, (name, count) in enumerate(counts.items()):
            jpegs = [random.integers(0, 256, random.integers(5000, 15000), np.uint8) for _ in range(count)]
            writer.start_video()
            for jpeg in jpegs:
                writer.add(jpeg)
            if "dropped" in name:
                writer.drop_video()
            else:
                kept[row] = jpegs
        writer.finish()
    for row, jpegs in kept.items():
        found = read_items(tmp_path / "shard.h5", row, range(len(jpegs)))
        assert all(np.array_equal(one, other) for one, other in zip(found, jpegs, strict=True))


def test_store_out_of_date_with_the_manifest_is_refused(tmp_path: Path, videos: Path) -> None:
    report, _ = run(tmp_path / "work", videos)
    write_video(videos / "train" / "red" / "zz.avi", moving_square(5, (9, 9, 9), seed=4))
    with pytest.raises(ArtefactError, match="is out of date"):
        FrameStore(report.folder, index_folder(videos))


def test_damaged_shard_is_named_when_read(tmp_path: Path, videos: Path) -> None:
    report, manifest = run(tmp_path / "work", videos)
    (report.folder / "00001.h5").write_bytes(b"no HDF5")
    with pytest.raises(ArtefactError, match=r"00001\.h5 is missing or damaged"):
        open_frame_store(tmp_path / "work", manifest).read(9, [0])


def test_two_runs_write_the_same_bytes(tmp_path: Path, videos: Path) -> None:
    first, _ = run(tmp_path / "one", videos)
    second, _ = run(tmp_path / "two", videos)
    for name in ("00000.h5", "00001.h5"):
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes()


def test_video_that_is_absent_leaves_its_neighbours_as_they_were(tmp_path: Path) -> None:
    write_video(tmp_path / "videos" / "a.avi", moving_square(30, (5, 5, 250), seed=6))
    from fame_cli.data import frames as room

    path = tmp_path / "shard.h5"
    room.extract_shard(
        path, room.ExtractTask(tmp_path / "videos", ("a.avi", "absent.avi", "a.avi"), ExtractConfig())
    )
    first, last = (room.read_items(path, row, [0, 29]) for row in (0, 2))
    assert all(np.array_equal(one, other) for one, other in zip(first, last, strict=True))


@pytest.mark.real
@pytest.mark.parametrize("jobs", [1, 2])
def test_video_that_aborts_the_decoder_fails_alone(tmp_path: Path, real_data: Path, jobs: int) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    (videos / "b hostile.avi").symlink_to(real_data / "hostile" / "rawvideo_aborts_opencv.avi")
    for name in "ac":
        write_video(videos / f"{name}.avi", moving_square(6, (200, 0, 0), seed=ord(name)))
    _, manifest = extract(tmp_path / "work", index_folder(videos), ExtractConfig(), Workers(jobs))
    if importlib.util.find_spec("av"):  # the second reader takes it over
        assert [video.status for video in manifest.videos] == ["ok", "ok", "ok"]
    else:
        assert [video.status for video in manifest.videos] == ["ok", "failed", "ok"]
        assert "SIGABRT" in manifest.videos[1].reason


@pytest.mark.real
def test_real_clips_decode_to_the_counted_number_of_frames(tmp_path: Path, real_data: Path) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    for path in sorted(real_data.glob("hmdb51/*/*.avi")):
        (videos / path.name).symlink_to(path)
    _, manifest = extract(tmp_path / "work", index_folder(videos), ExtractConfig())
    assert {video.status for video in manifest.videos} == {"ok"}
    for video in manifest.videos:
        capture = cv2.VideoCapture(str(videos / video.path))
        count = 0
        while capture.grab():
            count += 1
        assert video.frame_count == count


def test_store_opened_again_in_one_process_shows_the_frames_of_today(tmp_path: Path) -> None:
    shown = []
    for shade in (40, 200):
        write_video(tmp_path / "videos" / "a.avi", np.full((6, 48, 64, 3), shade, np.uint8))
        report, manifest = extract(tmp_path / "work", index_folder(tmp_path / "videos"), ExtractConfig())
        shown.append(FrameStore(report.folder, manifest).read(0, [0]).mean())
    np.testing.assert_allclose(shown, (40, 200), atol=10)


@pytest.mark.parametrize(
    ("path", "command"),
    [
        ("work/frames/a-1/00000.h5", "fame verify work"),
        ("work/statistics/a-1/00000.h5", "fame masks work"),
        ("run/features/a-1/videos-00000.h5", "Delete it"),
        ("shard.h5", "Delete it"),
    ],
)
def test_damaged_shard_is_told_with_what_makes_it_anew(path: str, command: str) -> None:
    error = damage_error(Path(path), "why")
    assert error.message == f"{path} is missing or damaged: why."
    assert command in error.hint


def test_a_changed_byte_of_a_frame_is_noticed_when_it_is_read(tmp_path: Path, videos: Path) -> None:
    report, manifest = run(tmp_path / "work", videos)
    store = open_frame_store(tmp_path / "work", manifest)
    whole = store.read(1, [2])
    path = report.folder / "00000.h5"
    item = read_items(path, 1, [2])[0].tobytes()
    content = path.read_bytes()
    # In the middle of the picture: it decodes as before, to other pixels.
    place = content.index(item) + len(item) // 2
    path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    with pytest.raises(ArtefactError, match=r"00000\.h5 is missing or damaged: a frame in it is not what"):
        store.read(1, [2])
    np.testing.assert_array_equal(store.read(1, [1])[0].shape, whole[0].shape)


def test_frames_of_a_store_without_checksums_are_read(tmp_path: Path) -> None:
    frame = np.full((16, 24, 3), 90, np.uint8)
    jpeg = np.frombuffer(simplejpeg.encode_jpeg(frame, 95), np.uint8)
    item = with_checksum(jpeg)
    np.testing.assert_array_equal(jpeg_of(item), jpeg)
    np.testing.assert_array_equal(jpeg_of(jpeg), jpeg)
    np.testing.assert_array_equal(decode_frame(jpeg, tmp_path), decode_frame(item, tmp_path))
