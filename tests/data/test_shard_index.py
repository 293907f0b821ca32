"""The index of a store: tells where everything lies, of the shards of today and no others."""

import contextlib
import multiprocessing
import os
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import write_video

from fame_cli.config import ExtractConfig, StatisticsConfig
from fame_cli.data import open_shard, packed, shard_index, statistics
from fame_cli.data.frames import JPEGS, FrameStore, extract
from fame_cli.data.manifest import Manifest, combine, write_manifest
from fame_cli.data.sources.folder import index_folder
from fame_cli.data.statistics import StatisticsStore
from fame_cli.errors import ArtefactError, FameError

STATISTICS = StatisticsConfig(4, 1, 4, 24)
SHADES = [*range(20, 240, 20)]
"""Of eleven videos: a shard of eight and one of three."""


@pytest.fixture(autouse=True)
def nothing_kept_open() -> Iterator[None]:
    open_shard.keeper.cache_clear()
    yield
    open_shard.keeper.cache_clear()


def write_shade(folder: Path, number: int, shade: int, frames: int = 6) -> None:
    write_video(folder / f"{number:02d}.avi", np.full((frames, 24, 32, 3), shade, np.uint8))


def make_frames(work: Path, videos: Path) -> FrameStore:
    report, manifest = extract(work, index_again(work, videos), ExtractConfig())
    write_manifest(work, manifest)
    return FrameStore(report.folder, manifest)


def index_again(work: Path, videos: Path) -> Manifest:
    return combine(work, index_folder(videos))


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    for number, shade in enumerate(SHADES):
        write_shade(tmp_path / "videos", number, shade)
    return tmp_path / "videos"


def shades(store: FrameStore) -> list[int]:
    return [round(float(store.read(n, [0]).mean())) for n in range(len(store.videos))]


def require_shades(store: FrameStore, expected: list[int]) -> None:
    np.testing.assert_allclose(shades(store), expected, atol=8)


def reopened(store: FrameStore) -> FrameStore:
    return FrameStore(store.folder, store.manifest)


def calls_of(function: str, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every time that a shard is looked into by HDF5."""
    calls: list[object] = []
    plain = getattr(packed, function)

    def counted(*given: object) -> object:
        calls.append(given)
        return plain(*given)

    monkeypatch.setattr(open_shard, function, counted)
    return calls


def test_finished_stages_leave_an_index_with_which_no_shard_is_opened_by_hdf5(
    tmp_path: Path, videos: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    frames = make_frames(tmp_path / "work", videos)
    folder = statistics.compute(tmp_path / "work", frames, STATISTICS).folder
    calls = calls_of("read_layout", monkeypatch)
    frames = reopened(frames)
    kept = StatisticsStore(folder, frames)
    require_shades(frames, SHADES)
    assert all(kept.read(n, 0).bins.any() for n in range(len(SHADES)))
    assert not calls
    assert not caplog.records


def test_store_without_index_is_read_with_one_line_and_has_one_afterwards(
    tmp_path: Path, videos: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    frames = make_frames(tmp_path / "work", videos)
    (frames.folder / "index.npz").unlink()
    calls = calls_of("read_layout", monkeypatch)
    require_shades(reopened(frames), SHADES)
    assert [record.getMessage() for record in caplog.records] == [
        f"{frames.folder} has no index of today's shards yet: looking into 2 of them, once."
    ]
    assert len(calls) == 2
    require_shades(reopened(frames), SHADES)
    assert len(calls) == len(caplog.records) + 1 == 2


def test_warm_stage_makes_a_missing_index_again(tmp_path: Path, videos: Path) -> None:
    frames = make_frames(tmp_path / "work", videos)
    folder = statistics.compute(tmp_path / "work", frames, STATISTICS).folder
    for path in (frames.folder, folder):
        (path / "index.npz").unlink()
    assert extract(tmp_path / "work", index_again(tmp_path / "work", videos), ExtractConfig())[0].made == 0
    assert statistics.compute(tmp_path / "work", frames, STATISTICS).made == 0
    assert (frames.folder / "index.npz").exists()
    assert (folder / "index.npz").exists()


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "version", "summary"])
def test_damaged_index_is_made_again(
    tmp_path: Path,
    videos: Path,
    damage: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    frames = make_frames(tmp_path / "work", videos)
    path = frames.folder / "index.npz"
    content = bytearray(path.read_bytes())
    place = content.find(np.asarray(frames.index.rows, "<i8").tobytes()) + 8
    assert place > 8
    content[place] ^= 1
    damaged = {"cut": content[: len(content) // 2], "flipped": content, "empty": b""}
    path.write_bytes(damaged.get(damage, path.read_bytes()))
    if damage == "version":
        monkeypatch.setattr(shard_index, "VERSION", 0)
    if damage == "summary":  # a version of the toolkit that takes something else from receipts
        monkeypatch.setattr("fame_cli.data.frames.OUTCOME", ("frame_count", "status"))
    require_shades(reopened(frames), SHADES)
    assert len(caplog.records) == 1
    require_shades(reopened(frames), SHADES)
    assert len(caplog.records) == 1


def test_index_of_other_shards_is_never_used(tmp_path: Path, videos: Path) -> None:
    frames = make_frames(tmp_path / "work", videos)
    stale = (frames.folder / "index.npz").read_bytes()
    write_shade(videos, 3, 230, frames=5)
    again = make_frames(tmp_path / "work", videos)
    changed = [*SHADES[:3], 230, *SHADES[4:]]
    require_shades(again, changed)
    (again.folder / "index.npz").write_bytes(stale)
    require_shades(reopened(again), changed)
    assert reopened(again).videos[3].frame_count == 5


def test_shard_made_again_while_a_store_is_open_is_read_as_it_is_now(tmp_path: Path, videos: Path) -> None:
    frames = make_frames(tmp_path / "work", videos)
    noise = np.random.default_rng(0).integers(0, 256, (200, 48, 64, 3), np.uint8)
    write_video(videos / "00.avi", noise)
    make_frames(tmp_path / "work", videos)  # the first shard is another file now, with more chunks
    require_shades(frames, [128, *SHADES[1:]])


def test_only_new_shards_are_looked_into_when_videos_are_added(
    tmp_path: Path, videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_frames(tmp_path / "work", videos)
    write_shade(videos, len(SHADES), 250)
    calls = calls_of("read_layout", monkeypatch)
    frames = make_frames(tmp_path / "work", videos)
    assert len(calls) == 1
    require_shades(frames, [*SHADES, 250])


def test_store_that_cannot_be_written_is_read_all_the_same(
    tmp_path: Path, videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = make_frames(tmp_path / "work", videos)
    (frames.folder / "index.npz").unlink()

    def refuse(*_: object) -> None:
        raise FameError("the disk is read-only")

    monkeypatch.setattr(shard_index, "write_whole", refuse)
    require_shades(reopened(frames), SHADES)
    assert not (frames.folder / "index.npz").exists()


def test_copied_store_needs_no_new_index(
    tmp_path: Path, videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = make_frames(tmp_path / "work", videos)
    shutil.copytree(tmp_path / "work", tmp_path / "copy", copy_function=shutil.copyfile)
    calls = calls_of("read_layout", monkeypatch)
    copy = FrameStore(tmp_path / "copy" / "frames" / frames.folder.name, frames.manifest)
    require_shades(copy, SHADES)
    assert not calls


def test_no_more_shards_stay_open_than_a_quarter_of_what_the_system_allows(
    tmp_path: Path, videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (4, 4))
    frames = make_frames(tmp_path / "work", videos)
    open_shard.keeper.cache_clear()
    before = len(os.listdir("/dev/fd"))
    for _ in range(3):
        require_shades(frames, SHADES)
    assert len(os.listdir("/dev/fd")) - before == 1
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY,) * 2)
    assert open_shard.most_open() == open_shard.MOST_OPEN
    assert 2 * open_shard.MOST_OPEN <= 256


def open_as_many_as_possible(taken: list[int]) -> None:
    with contextlib.suppress(OSError):
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))


def test_files_that_ran_out_are_no_damage(tmp_path: Path, videos: Path) -> None:
    frames = make_frames(tmp_path / "work", videos)
    shutil.copy(frames.folder / "00000.h5", tmp_path / "shard.h5")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    try:
        require_shades(frames, SHADES)
        open_as_many_as_possible(taken)
        # The shards that are kept open make room for another.
        assert open_shard.open_shard(tmp_path / "shard.h5", JPEGS).layout.rows[0] == 0
        open_shard.forget()
        open_as_many_as_possible(taken)
        with pytest.raises(FameError, match="too many files are open") as raised:
            frames.read(0, [0])
        assert not isinstance(raised.value, ArtefactError)
        assert "ulimit -n" in raised.value.hint
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_read_what_this_one_reads(tmp_path: Path, videos: Path, method: str) -> None:
    frames = make_frames(tmp_path / "work", videos)
    require_shades(frames, SHADES)
    with multiprocessing.get_context(method).Pool(2) as pool:
        found = pool.map(shades, [frames] * 4)
    assert found == [shades(frames)] * 4


@pytest.mark.parametrize("buffer_bytes", [64, 1024])
def test_bytes_on_the_border_of_two_runs_come_from_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, buffer_bytes: int
) -> None:
    monkeypatch.setattr(packed, "BUFFER_BYTES", buffer_bytes)
    random = np.random.default_rng(0)
    notes = packed.PackedFormat("note", "text", {"offsets": "<i8", "first_note": "<i8"}, 64)
    items = [random.integers(0, 256, random.integers(1, 300), np.uint8) for _ in range(400)]
    with packed.PackedWriter(tmp_path / "a.h5", notes) as writer:
        writer.start_video()
        for item in items:
            writer.add(item)
        writer.finish()
    shard = open_shard.OpenShard(tmp_path / "a.h5", notes)
    assert len(shard.layout.starts) > 5  # HDF5 has put some of its own between the chunks
    for numbers in (range(400), [399, 0, 7], [17]):
        found = shard.read(0, numbers)
        assert all(np.array_equal(one, items[n]) for n, one in zip(numbers, found, strict=True))


def test_offsets_that_point_nowhere_are_damage(tmp_path: Path, videos: Path) -> None:
    frames = make_frames(tmp_path / "work", videos)
    place = frames.index.layout(0).columns["offsets"]
    with (frames.folder / "00000.h5").open("r+b") as file:
        file.seek(place + 8)
        file.write(np.int64(2**62).tobytes())
    with pytest.raises(ArtefactError, match=r"00000\.h5 is missing or damaged: its offsets"):
        frames.read(0, [0])
