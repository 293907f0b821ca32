"""The index of a store: tells where everything lies, of the shards of today and no others."""

import contextlib
import io
import json
import multiprocessing
import os
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from conftest import write_video
from typer.testing import CliRunner

from fame_cli.cli.app import app
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
        f"{frames.folder} has no index of its current shards yet: reading 2 of them, once."
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


def index_with(content: bytes, **changes: np.ndarray[Any, Any]) -> bytes:
    """The bytes of an index of which some arrays are others: whole, but not what was written."""
    arrays = dict(np.load(io.BytesIO(content)))
    changed = io.BytesIO()
    np.savez(changed, **(arrays | changes))
    return changed.getvalue()


def crafted(content: bytes, kind: str, frames: FrameStore) -> bytes:
    """An index that somebody made; its checksums are right."""
    index = frames.index
    shifted = {"starts": index.starts + 1, "places": -index.places, "columns": index.columns * 0 + 2**62}
    if kind in shifted:
        return index_with(content, **{kind: shifted[kind]})
    if kind == "rows":
        return index_with(content, rows=index.rows[:1])
    if kind == "first_run":
        return index_with(content, first_run=index.first_run * 0)
    if kind == "summary":
        about = json.loads(np.load(io.BytesIO(content))["about"].tobytes())
        about["summary"]["status"] = ["ok"]
        return index_with(content, about=np.frombuffer(json.dumps(about).encode(), np.uint8))
    packed_tight = io.BytesIO()
    np.savez_compressed(packed_tight, about=np.zeros(100 << 20, np.uint8))
    return packed_tight.getvalue()


@pytest.mark.parametrize(
    "kind", ["starts", "places", "columns", "rows", "first_run", "summary", "archive that inflates"]
)
def test_index_made_by_hand_is_made_again(
    tmp_path: Path, videos: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    frames = make_frames(tmp_path / "work", videos)
    path = frames.folder / "index.npz"
    content = path.read_bytes()
    path.write_bytes(crafted(content, kind, frames))
    require_shades(reopened(frames), SHADES)
    assert len(caplog.records) == 1
    assert path.read_bytes() == content


def test_pipe_for_an_index_is_not_waited_for(tmp_path: Path, videos: Path) -> None:
    frames = make_frames(tmp_path / "work", videos)
    (frames.folder / "index.npz").unlink()
    os.mkfifo(frames.folder / "index.npz")
    require_shades(reopened(frames), SHADES)


def swapped(frames: FrameStore) -> bytes:
    """A sound index that exchanges the first two frames of the first two videos."""
    rows = frames.index.rows.copy()
    rows[0, 1] += 1
    return index_with((frames.folder / "index.npz").read_bytes(), rows=rows)


def test_nothing_is_derived_by_an_index_that_contradicts_its_shards(tmp_path: Path, videos: Path) -> None:
    frames = make_frames(tmp_path / "work", videos)
    frames.require_whole(0)
    (frames.folder / "index.npz").write_bytes(swapped(frames))
    with pytest.raises(ArtefactError, match=r"index\.npz does not match the shards") as raised:
        reopened(frames).require_whole(0)
    assert raised.value.hint == f"This rebuilds it: fame verify {tmp_path / 'work'}"


def test_verify_compares_an_index_with_its_shards_and_makes_it_again(tmp_path: Path, videos: Path) -> None:
    frames = make_frames(tmp_path / "work", videos)
    folder = statistics.compute(tmp_path / "work", frames, STATISTICS).folder
    for store in (frames.folder, folder):
        path = store / "index.npz"
        content = path.read_bytes()
        wrong = index_with(content, columns=np.load(path)["columns"] + 1)
        for damaged in (wrong, content[:-30], b""):
            path.write_bytes(damaged)
            told = CliRunner().invoke(app, ["verify", str(tmp_path / "work")])
            assert told.exit_code == 0
            assert f"{path} was damaged or belonged to other shards; it was rebuilt" in told.output
            assert path.read_bytes() == content
    assert "index.npz" not in CliRunner().invoke(app, ["verify", str(tmp_path / "work")]).output


def crafted_shard(path: Path, kind: str) -> None:
    """Put a shard in the place of one that reads as a view of another file, or claims terabytes."""
    genuine = path.with_name("genuine.h5")
    path.rename(genuine)
    with h5py.File(genuine, "r") as source, h5py.File(path, "w") as file:
        for name in ("jpeg", "offsets", "first_frame"):
            if kind == "link" and name == "jpeg":
                file[name] = h5py.ExternalLink(str(genuine), name)
            elif kind == "view" and name == "jpeg":
                layout = h5py.VirtualLayout(shape=source[name].shape, dtype="u1")
                layout[:] = h5py.VirtualSource(source[name])
                file.create_virtual_dataset(name, layout)
            elif kind == "giant" and name == "first_frame":
                file.create_dataset(name, (1 << 50,), "i8", chunks=(1 << 10,))
            else:
                source.copy(name, file)


@pytest.mark.parametrize("kind", ["link", "view", "giant"])
def test_crafted_shard_is_refused_with_an_index_and_without(tmp_path: Path, videos: Path, kind: str) -> None:
    frames = make_frames(tmp_path / "work", videos)
    crafted_shard(frames.folder / "00000.h5", kind)
    with pytest.raises(ArtefactError, match=r"00000\.h5 is missing or damaged: .* in it"):
        frames.read(0, [0])
    (frames.folder / "index.npz").unlink()
    with pytest.raises(ArtefactError, match=r"00000\.h5 is missing or damaged: .* in it"):
        reopened(frames)
    with pytest.raises(ArtefactError, match=r"does not hold|bytes where"):
        frames.require_whole(0)
