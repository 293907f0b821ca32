"""The statistics store: one pass over a video gives what the formulas give clip by clip."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import moving_square, write_video

from fame_cli.config import ExtractConfig, StatisticsConfig
from fame_cli.data import statistics as room
from fame_cli.data.clips import clip_indices
from fame_cli.data.frames import FrameStore, extract
from fame_cli.data.sources.folder import index_folder
from fame_cli.errors import ArtefactError
from fame_cli.merging import statistics as formulas
from fame_cli.merging.mask import blur


def store_of(tmp_path: Path, lengths: list[int]) -> FrameStore:
    for number, length in enumerate(lengths):
        frames = moving_square(length, (240, 40, 10), seed=number)
        write_video(tmp_path / "videos" / f"{number}.avi", frames)
    report, manifest = extract(tmp_path / "work", index_folder(tmp_path / "videos"), ExtractConfig(), jobs=1)
    return FrameStore(report.folder, manifest)


def compute(tmp_path: Path, frames: FrameStore, config: StatisticsConfig) -> room.StatisticsStore:
    report = room.compute(tmp_path / "work", frames, config, jobs=1)
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
        clip = to_clip(frames.frames(0, clip_indices(start, 6, stride, 30)))
        seed = formulas.seed_region(clip)
        # √ in steps of 1/255: at most half a step off, which at the maximum is 1/255 of it.
        np.testing.assert_allclose(kept.seed, seed[0].numpy(), atol=0.0045 * float(seed.max()))
        bins = formulas.colour_bins(clip.mean(2), "correct")[0].numpy()
        assert (kept.bins == bins).mean() > 0.99  # a level on the border between two may round either way
        foreground, background = formulas.colour_counts(
            blur(torch.from_numpy(kept.seed)[None]), torch.from_numpy(kept.bins.astype(int))[None]
        )
        assert np.abs(kept.foreground - foreground[0].numpy()).sum() <= 4
        assert np.abs(kept.background - background[0].numpy()).sum() <= 4


def test_maps_are_averages_over_the_pixels_they_cover(tmp_path: Path) -> None:
    frames = store_of(tmp_path, [16])
    fine = compute(tmp_path, frames, StatisticsConfig(4, 1, 4, 48)).read(0, 0).seed.astype(float)
    coarse = compute(tmp_path, frames, StatisticsConfig(4, 1, 4, 24)).read(0, 0).seed
    np.testing.assert_allclose(coarse, fine.reshape(24, 2, 32, 2).mean((1, 3)), atol=0.01 * fine.max())


def test_published_hue_gives_other_bins(tmp_path: Path) -> None:
    frames = store_of(tmp_path, [8])
    correct = compute(tmp_path, frames, StatisticsConfig(4, 1, 4, 48)).read(0, 0).bins
    published = compute(tmp_path, frames, StatisticsConfig(4, 1, 4, 48, "published")).read(0, 0).bins
    clip = to_clip(frames.frames(0, range(4)))
    expected = formulas.colour_bins(clip.mean(2), "published")[0].numpy()
    assert (published == expected).mean() > 0.98
    assert (published != correct).mean() > 0.05


def test_video_shorter_than_a_clip_holds_its_last_frame(tmp_path: Path) -> None:
    frames = store_of(tmp_path, [5, 1])
    store = compute(tmp_path, frames, StatisticsConfig(8, 2, 4, 48))
    for position, length in ((0, 5), (1, 1)):
        assert store.starts(position).tolist() == [0]
        clip = to_clip(frames.frames(position, clip_indices(0, 8, 2, length)))
        seed = formulas.seed_region(clip)[0].numpy()
        np.testing.assert_allclose(store.read(position, 0).seed, seed, atol=0.0045 * seed.max())
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
