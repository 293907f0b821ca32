"""Every kind of trouble that collections of videos hold, each beside good videos that must not suffer."""

import json
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from conftest import moving_square, write_video
from made_videos import encode_video, turn

from fame_cli.config import ExtractConfig, PretrainConfig, StatisticsConfig
from fame_cli.data import decode, statistics
from fame_cli.data.clips import clip_indices
from fame_cli.data.dataset import PretrainClips
from fame_cli.data.frames import ExtractTask, FrameStore, extract, extract_shard
from fame_cli.data.manifest import Manifest, write_manifest
from fame_cli.data.sources.folder import index_folder
from fame_cli.distraction.fame import FAME
from fame_cli.learning.objectives.objective import TWO_VIEWS
from fame_cli.stage import Report

RED = (220, 20, 20)


def run(work: Path, videos: Path, **options: Any) -> tuple[Report, Manifest]:
    """Extract between two good videos, which must come out whole."""
    write_video(videos / "a good.avi", moving_square(9, RED, seed=2))
    write_video(videos / "z good.avi", moving_square(7, RED, seed=3))
    report, manifest = extract(work, index_folder(videos), ExtractConfig(**options))
    write_manifest(work, manifest)
    ends = manifest.videos[0], manifest.videos[-1]
    assert [(video.status, video.path[0]) for video in ends] == [("ok", "a"), ("ok", "z")]
    return report, manifest


def told(report: Report, name: str) -> dict[str, Any]:
    """What the receipt tells of a video, by its place in the order of names."""
    summary: dict[str, Any] = report.summaries[0]["videos"][name]
    return summary


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "the file is empty"), (b"this is no video " * 50, "not a video that the decoder")],
)
def test_file_without_a_video_fails_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "b.avi").write_bytes(content)
    _, manifest = run(tmp_path / "work", tmp_path / "videos")
    assert (manifest.videos[1].status, manifest.videos[1].frame_count) == ("failed", 0)
    assert reason in manifest.videos[1].reason


def test_file_that_may_not_be_read_fails_with_the_reason(tmp_path: Path) -> None:
    path = write_video(tmp_path / "videos" / "b.avi", moving_square(5, RED, seed=1))
    path.unlink()
    path.symlink_to(tmp_path / "nowhere.avi")
    shard = tmp_path / "shard.h5"
    summary = extract_shard(shard, ExtractTask(tmp_path / "videos", ("b.avi",), ExtractConfig()))
    assert summary["videos"][0]["reason"] == "the file cannot be opened: No such file or directory"


def test_file_that_may_be_read_later_is_decoded_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "videos" / "b.avi", moving_square(5, RED, seed=1))
    with monkeypatch.context() as patch:  # whoever runs this test may be allowed everything
        patch.setattr("fame_cli.data.frames.os.access", lambda *_: False)
        extract(tmp_path / "work", index_folder(path.parent), ExtractConfig())
    report, _ = extract(tmp_path / "work", index_folder(path.parent), ExtractConfig())
    assert report.remade == ("00000",)


def test_video_without_frames_fails(tmp_path: Path) -> None:
    path = write_video(tmp_path / "videos" / "b.avi", moving_square(5, RED, seed=1))
    content = path.read_bytes()
    # All chunks with a picture are renamed to one that no stream knows.
    path.write_bytes(content.replace(b"00dc", b"77zz"))
    _, manifest = run(tmp_path / "work", tmp_path / "videos")
    assert (manifest.videos[1].status, manifest.videos[1].frame_count) == ("failed", 0)
    assert "not a video that the decoder" in manifest.videos[1].reason


def test_truncated_video_keeps_what_decodes(tmp_path: Path) -> None:
    path = write_video(tmp_path / "videos" / "b.avi", moving_square(40, RED, seed=1))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    _, manifest = run(tmp_path / "work", tmp_path / "videos")
    video = manifest.videos[1]
    assert video.status == "partial"
    assert 10 <= video.frame_count <= 30
    assert video.reason == f"only {video.frame_count} of 40 frames decode"
    assert FrameStore(next((tmp_path / "work" / "frames").iterdir()), manifest).read(1, [0]).any()


def test_truncated_video_is_partial_by_what_was_decoded_not_by_what_was_kept(tmp_path: Path) -> None:
    write_video(tmp_path / "videos" / "b.avi", moving_square(40, RED, seed=1))
    report, manifest = run(tmp_path / "work", tmp_path / "videos", max_fps=5.0)
    video = manifest.videos[1]
    assert (video.status, video.frame_count, video.fps) == ("ok", 8, 5.0)
    outcome = report.summaries[0]["videos"][1]
    assert (outcome["decoded_frames"], outcome["declared_frames"]) == (40, 40)


def test_kept_frames_are_those_that_the_rate_asks_for(tmp_path: Path) -> None:
    original = moving_square(24, RED, seed=1)  # after 26 its place comes again
    write_video(tmp_path / "videos" / "b.avi", original)
    _, manifest = run(tmp_path / "work", tmp_path / "videos", max_fps=10.0)
    store = FrameStore(next((tmp_path / "work" / "frames").iterdir()), manifest)
    stored = store.read(1, range(manifest.videos[1].frame_count)).astype(int)
    nearest = [np.abs(original - frame).mean((1, 2, 3)).argmin() for frame in stored]
    assert nearest == [0, 3, 5, 8, 10, 13, 15, 18, 20, 23]


@pytest.mark.parametrize("count", [1, 5])
def test_video_shorter_than_a_clip_gives_clips_that_hold_its_last_frame(tmp_path: Path, count: int) -> None:
    write_video(tmp_path / "videos" / "b.avi", moving_square(count, RED, seed=1))
    _, manifest = run(tmp_path / "work", tmp_path / "videos")
    assert manifest.videos[1].frame_count == count
    store = FrameStore(next((tmp_path / "work" / "frames").iterdir()), manifest)
    clip = store.read(1, clip_indices(0, 16, 2, count))
    assert clip.shape == (16, 48, 64, 3)
    assert (clip[(count + 1) // 2 :] == clip[-1]).all()
    report = statistics.compute(tmp_path / "work", store, StatisticsConfig())
    assert [summary["clips"] for summary in report.summaries] == [3]
    kept = statistics.StatisticsStore(report.folder, store)
    sample = PretrainClips(store, kept, PretrainConfig(), TWO_VIEWS, FAME(statistics="cached"))[0, 1]
    assert [view["frames"].shape for view in sample.values()] == [(16, 112, 112, 3)] * 2
    assert np.isfinite(sample["query"]["seed"]).all()


@pytest.mark.parametrize(
    ("size", "short_side_px", "stored"),
    [
        ((123, 77), 128, (123, 77)),
        ((123, 77), 32, (51, 32)),
        ((77, 123), 32, (32, 51)),
        ((400, 18), 16, (356, 16)),
    ],
)
def test_odd_sizes_keep_their_shape(
    tmp_path: Path, size: tuple[int, int], short_side_px: int, stored: tuple[int, int]
) -> None:
    encode_video(tmp_path / "videos" / "b.avi", moving_square(4, RED, 5, size), "mpeg4")
    _, manifest = run(tmp_path / "work", tmp_path / "videos", short_side_px=short_side_px)
    assert (manifest.videos[1].width, manifest.videos[1].height) == size
    store = FrameStore(next((tmp_path / "work" / "frames").iterdir()), manifest)
    assert store.read(1, [3]).shape == (1, stored[1], stored[0], 3)
    task = ExtractTask(tmp_path / "videos", ("b.avi",), ExtractConfig(short_side_px=short_side_px))
    for name in "123456":  # the encoder's own memory differs from one time to the next
        extract_shard(tmp_path / name, task)
    assert len({(tmp_path / name).read_bytes() for name in "123456"}) == 1


def test_film_held_upright_is_stored_upright(tmp_path: Path) -> None:
    straight = encode_video(tmp_path / "straight.mp4", moving_square(4, RED, seed=5))
    (tmp_path / "videos").mkdir()
    turn(straight, 90, tmp_path / "videos" / "b.mp4")
    _, manifest = run(tmp_path / "work", tmp_path / "videos")
    assert (manifest.videos[1].width, manifest.videos[1].height) == (48, 64)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_every_frame_of_a_variable_rate_is_kept_once(tmp_path: Path, suffix: str) -> None:
    times_ms = [0, 40, 80, 300, 340, 380, 700, 710, 720, 730, 900, 1000, 1040, 1080, 1200, 1900, 1950, 2000]
    original = moving_square(len(times_ms), RED, seed=1)
    encode_video(tmp_path / "videos" / f"b{suffix}", original, times_ms=times_ms)
    _, manifest = run(tmp_path / "work", tmp_path / "videos")
    assert (manifest.videos[1].status, manifest.videos[1].frame_count) == ("ok", len(times_ms))
    store = FrameStore(next((tmp_path / "work" / "frames").iterdir()), manifest)
    stored = store.read(1, range(len(times_ms))).astype(int)
    nearest = [int(np.abs(original - frame).mean((1, 2, 3)).argmin()) for frame in stored]
    assert nearest == list(range(len(times_ms)))


def test_receipt_tells_which_reader_decoded_each_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        write_video(tmp_path / f"{name}.avi", moving_square(5, RED, seed=1))
    pyav = decode.open_with_pyav
    monkeypatch.setitem(decode.READERS, "pyav", lambda path: pyav(path) if path.stem == "a" else None)
    summary = extract_shard(tmp_path / "shard.h5", ExtractTask(tmp_path, ("a.avi", "b.avi"), ExtractConfig()))
    first, second = (video["decoder"] for video in summary["videos"])
    assert first == f"pyav {av.__version__}"
    assert second == f"opencv {cv2.__version__}"


def test_store_tells_all_readers_there_were(tmp_path: Path) -> None:
    report, _ = run(tmp_path / "work", tmp_path / "videos")
    versions = json.loads((report.folder / "stage.json").read_text())["versions"]
    assert versions["decoder"] == decode.decoder_versions()
    assert f"opencv {cv2.__version__}" in versions["decoder"]


HOSTILE = "rawvideo_aborts_opencv.avi"


@pytest.mark.real
def test_what_aborts_opencv_is_decoded_by_pyav_among_good_ones(tmp_path: Path, real_data: Path) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    (videos / "b.avi").symlink_to(real_data / "hostile" / HOSTILE)
    report, manifest = run(tmp_path / "work", videos)
    assert (manifest.videos[1].status, manifest.videos[1].frame_count) == ("ok", 43)
    readers = [video["decoder"].split()[0] for video in report.summaries[0]["videos"]]
    assert readers == ["pyav", "pyav", "pyav"]


@pytest.mark.real
def test_what_aborts_opencv_fails_alone_without_pyav(
    tmp_path: Path, real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode, "READERS", {"opencv": decode.READERS["opencv"]})  # in which order counts
    (tmp_path / "b.avi").symlink_to(real_data / "hostile" / HOSTILE)
    for name in "ac":
        write_video(tmp_path / f"{name}.avi", moving_square(6, RED, seed=1))
    task = ExtractTask(tmp_path, ("a.avi", "b.avi", "c.avi"), ExtractConfig(), in_own_process=True)
    outcomes = extract_shard(tmp_path / "shard.h5", task)["videos"]
    assert [outcome["status"] for outcome in outcomes] == ["ok", "failed", "ok"]
    assert outcomes[1]["reason"] == f"the decoder crashed on it (opencv {cv2.__version__}: SIGABRT)"


@pytest.mark.real
def test_reader_that_crashes_in_turn_takes_nothing_with_it(
    real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode, "READERS", ["opencv", "opencv"])
    with pytest.raises(decode.InputError, match=r"crashed on it \(.*SIGABRT, .*SIGABRT\)"):
        decode.reader_that_survives(real_data / "hostile" / HOSTILE)
