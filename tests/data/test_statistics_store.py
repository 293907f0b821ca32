"""The statistics store: one pass over a video gives what the formulas give clip by clip."""

import dataclasses
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from conftest import moving_square, write_video

from fame_cli.config import ExtractConfig, StatisticsConfig
from fame_cli.data import packed
from fame_cli.data import statistics as room
from fame_cli.data.clip_statistics import maps_of_clip, shrink, statistics_of_frames
from fame_cli.data.clips import clip_indices
from fame_cli.data.frames import FrameStore, extract
from fame_cli.data.sources.folder import index_folder
from fame_cli.errors import ArtefactError
from fame_cli.foreground import statistics as formulas
from fame_cli.foreground.mask import blur


def store_of(tmp_path: Path, lengths: list[int]) -> FrameStore:
    for number, length in enumerate(lengths):
        frames = moving_square(length, (240, 40, 10), seed=number)
        write_video(tmp_path / "videos" / f"{number}.avi", frames)
    report, manifest = extract(tmp_path / "work", index_folder(tmp_path / "videos"), ExtractConfig())
    return FrameStore(report.folder, manifest)


def compute(tmp_path: Path, frames: FrameStore, config: StatisticsConfig) -> room.StatisticsStore:
    report = room.compute(tmp_path / "work", frames, config)
    return room.StatisticsStore(report.folder, frames)


def to_clip(frames: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float() / 255


@pytest.mark.parametrize(("stride", "hop"), [(2, 4), (2, 3), (1, 5), (3, 6)])
def test_every_clip_has_the_statistics_of_its_own_frames(tmp_path: Path, stride: int, hop: int) -> None:
    frames = store_of(tmp_path, [30])
    config = StatisticsConfig(clip_frames=6, frame_stride=stride, hop_frames=hop, map_short_side_px=48)
    store = compute(tmp_path, frames, config)
    starts = store.starts(0).tolist()
    assert starts == list(range(0, 30 - 5 * stride, hop))
    for start in starts:
        kept = store.read(0, start)
        clip = to_clip(frames.read(0, clip_indices(start, 6, stride, 30)))
        seed = formulas.seed_region(clip)
        # √ in steps of 1/63: at most half a step off, which at the maximum is 1/63 of it.
        np.testing.assert_allclose(kept.seed, seed[0].numpy(), atol=0.016 * float(seed.max()))
        bins = formulas.colour_bins(clip.mean(2), "correct")[0].numpy()
        assert (kept.bins == bins).mean() > 0.99  # a level on the border between two may round either way
        foreground, background = formulas.colour_counts(
            blur(torch.from_numpy(kept.seed)[None]), torch.from_numpy(kept.bins.astype(int))[None]
        )
        assert np.abs(kept.foreground - foreground[0].numpy()).sum() <= 4
        assert np.abs(kept.background - background[0].numpy()).sum() <= 4


def test_maps_are_averages_over_the_pixels_they_cover() -> None:
    frames = moving_square(16, (240, 40, 10), seed=0)
    fine, _ = maps_of_clip(frames, StatisticsConfig(map_short_side_px=48))
    coarse, _ = maps_of_clip(frames, StatisticsConfig(map_short_side_px=24))
    np.testing.assert_allclose(coarse, fine.reshape(24, 2, 32, 2).mean((1, 3)), rtol=1e-5)


def test_pixels_of_a_map_are_square_and_its_last_column_may_hang_over_the_edge() -> None:
    # Three pixels a map pixel: the last column covers one pixel and its edge, repeated twice.
    planes = np.arange(6 * 10, dtype=np.float32).reshape(1, 6, 10)
    small = shrink(planes, 2)
    assert small.shape == (1, 2, 4)
    np.testing.assert_allclose(small[0, :, :3], planes[0, :, :9].reshape(2, 3, 3, 3).mean((1, 3)))
    np.testing.assert_allclose(small[0, :, 3], planes[0, :, 9].reshape(2, 3).mean(1))


def test_statistics_of_a_clip_are_those_that_the_store_keeps_of_it(tmp_path: Path) -> None:
    frames = store_of(tmp_path, [40])
    config = StatisticsConfig(6, 2, 4, 40)
    store = compute(tmp_path, frames, config)
    for start in store.starts(0).tolist():
        kept = store.read(0, start)
        alone = room.statistics_of_clip(frames.read(0, clip_indices(start, 6, 2, 40)), config)
        for name in ("seed", "bins", "foreground", "background"):
            np.testing.assert_array_equal(getattr(kept, name), getattr(alone, name))
        seed, bins = store.read_maps(0, start)
        np.testing.assert_array_equal(seed, kept.seed)
        np.testing.assert_array_equal(bins, kept.bins)


def test_sums_that_wrap_around_in_a_long_video_stay_exact() -> None:
    generator = np.random.default_rng(0)
    frames = generator.integers(0, 256, (700, 9, 10, 3), np.uint8)
    config = StatisticsConfig(8, 1, 100, 8)
    starts = np.arange(0, 693, 100)
    for start, kept in zip(starts, statistics_of_frames(frames, starts, config), strict=True):
        alone = room.statistics_of_clip(frames[start : start + 8], config)
        np.testing.assert_array_equal(kept.seed, alone.seed)
        np.testing.assert_array_equal(kept.bins, alone.bins)


def test_frames_are_decoded_no_larger_than_the_maps_need(tmp_path: Path) -> None:
    write_video(tmp_path / "videos" / "a.avi", moving_square(20, (240, 40, 10), seed=0, size=(342, 256)))
    report, manifest = extract(tmp_path / "work", index_folder(tmp_path / "videos"), ExtractConfig(128))
    frames = FrameStore(report.folder, manifest)
    path, row = frames.locate(0)
    sizes = {}
    for config in (StatisticsConfig(map_short_side_px=side) for side in (16, 64, 65)):
        (frame,) = room.reduced_frames(path, row, np.array([3]), config)
        sizes[config.map_short_side_px] = frame.shape
    assert sizes == {16: (16, 22, 3), 64: (64, 86, 3), 65: (128, 171, 3)}
    (half,) = room.reduced_frames(path, row, np.array([3]), StatisticsConfig())
    whole = frames.read(0, [3])[0, :, :170].astype(float)
    averaged = whole.reshape(64, 2, 85, 2, 3).mean((1, 3))
    assert np.abs(half[:, :85] - averaged).mean() < 4  # in the order red, green, blue
    compensated = StatisticsConfig(motion="compensated")
    assert next(room.reduced_frames(path, row, np.array([3]), compensated)).shape == (128, 171, 3)


def test_clips_are_written_in_parts_however_many_a_video_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = store_of(tmp_path, [40, 12])
    task = room.StatisticsTask(frames.locate(0)[0], (40, 12), StatisticsConfig(4, 1, 4, 48))
    room.compute_shard(tmp_path / "at once.h5", task)
    monkeypatch.setattr(room, "CLIPS", dataclasses.replace(room.CLIPS, chunk_bytes=64))
    monkeypatch.setattr(packed, "BUFFER_BYTES", 128)
    room.compute_shard(tmp_path / "in parts.h5", task)
    with h5py.File(tmp_path / "at once.h5") as once, h5py.File(tmp_path / "in parts.h5") as parts:
        assert set(once) == set(parts)
        assert all(np.array_equal(once[name][()], parts[name][()]) for name in once)
        assert once["first_clip"][()].tolist() == [0, 10, 13]


def test_damaged_clip_is_noticed_when_it_is_read(tmp_path: Path) -> None:
    frames = store_of(tmp_path, [12])
    store = compute(tmp_path, frames, StatisticsConfig(4, 1, 4, 48))
    with h5py.File(store.folder / "00000.h5", "r+") as file:
        file["packed"][int(file["offsets"][1]) + 20] ^= 1
    assert store.read(0, 0).seed.any()
    with pytest.raises(ArtefactError, match="clip 1 in it is not what was written"):
        store.read_maps(0, 4)


def test_shard_in_an_earlier_format_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = store_of(tmp_path, [12])
    config = StatisticsConfig(4, 1, 4, 48)
    monkeypatch.setattr(room, "FORMAT", room.FORMAT - 1)
    made = room.compute(tmp_path / "work", frames, config)
    assert made.made == 1
    monkeypatch.undo()
    with pytest.raises(
        ArtefactError, match=r"another version of fame.*\s*This recomputes all of it: fame masks "
    ):
        room.StatisticsStore(made.folder, frames)
    assert room.compute(tmp_path / "work", frames, config).remade == ("00000",)
    assert room.compute(tmp_path / "work", frames, config).made == 0
    assert room.StatisticsStore(made.folder, frames).starts(0).tolist() == [0, 4, 8]


def test_published_hue_gives_other_bins(tmp_path: Path) -> None:
    frames = store_of(tmp_path, [8])
    correct = compute(tmp_path, frames, StatisticsConfig(4, 1, 4, 48)).read(0, 0).bins
    published = compute(tmp_path, frames, StatisticsConfig(4, 1, 4, 48, "published")).read(0, 0).bins
    clip = to_clip(frames.read(0, range(4)))
    expected = formulas.colour_bins(clip.mean(2), "published")[0].numpy()
    assert (published == expected).mean() > 0.98
    assert (published != correct).mean() > 0.05


def test_video_shorter_than_a_clip_holds_its_last_frame(tmp_path: Path) -> None:
    frames = store_of(tmp_path, [5, 1])
    store = compute(tmp_path, frames, StatisticsConfig(8, 2, 4, 48))
    for video_index, length in ((0, 5), (1, 1)):
        assert store.starts(video_index).tolist() == [0]
        clip = to_clip(frames.read(video_index, clip_indices(0, 8, 2, length)))
        seed = formulas.seed_region(clip)[0].numpy()
        np.testing.assert_allclose(store.read(video_index, 0).seed, seed, atol=0.016 * seed.max())
    assert not store.read(1, 0).seed.any()


def test_nearest_kept_clip_is_read(tmp_path: Path) -> None:
    frames = store_of(tmp_path, [40])
    store = compute(tmp_path, frames, StatisticsConfig(4, 2, 8, 48))
    for start, nearest in ((3, 0), (5, 8), (11, 8), (33, 32)):
        np.testing.assert_array_equal(store.read(0, start).seed, store.read(0, nearest).seed)


def test_frames_made_anew_put_the_statistics_out_of_date(tmp_path: Path) -> None:
    frames = store_of(tmp_path, [12])
    store = compute(tmp_path, frames, StatisticsConfig(4, 1, 4, 48))
    frames.fingerprint = "other"
    with pytest.raises(ArtefactError, match="is out of date"):
        room.StatisticsStore(store.folder, frames)


def test_unreadable_video_has_no_statistics_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a.avi").write_text("no video")
    frames = store_of(tmp_path, [12])
    store = compute(tmp_path, frames, StatisticsConfig(4, 1, 4, 48))
    assert [video.status for video in frames.videos] == ["ok", "failed"]
    assert store.read(0, 0).seed.any()


def test_statistics_of_other_clips_are_refused_with_the_command_to_mend_it(tmp_path: Path) -> None:
    frames = store_of(tmp_path, [12])
    compute(tmp_path, frames, StatisticsConfig(4, 1, 4, 48))
    with pytest.raises(ArtefactError, match="--clip-frames 6 --frame-stride 2"):
        room.open_statistics_store(tmp_path / "work", frames, 6, 2)
