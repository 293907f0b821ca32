"""The clips of an evaluation, and the order they are learned in."""

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from colour_videos import linear_config, make_evaluation, make_work

from fame_cli.data.clips import central_square, clip_indices, even_starts
from fame_cli.data.frames import FrameStore
from fame_cli.evaluation.classify import ClipEpochs
from fame_cli.evaluation.clip_datasets import EpochBatches, even_clips, training_clip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    return make_work(tmp_path_factory.mktemp("samples"), train=2, test=1)


def test_even_clips_are_the_scaled_central_square_of_evenly_spread_frames(store: FrameStore) -> None:
    config = dataclasses.replace(linear_config, crop_px=32, clips=3)
    clips = even_clips(store, 4, config)
    assert clips.shape == (3, 4, 32, 32, 3)
    assert clips.dtype == torch.uint8
    starts = even_starts(14, 7, 3)
    assert starts.tolist() == [0, 4, 7]
    for clip, start in zip(clips, starts.tolist(), strict=True):
        frames = store.read(4, clip_indices(start, 4, 2, 14))
        # Stored frames are 43 × 32 px: the central square is 32 px wide and needs no scaling.
        assert np.array_equal(clip.numpy(), frames[:, :, 5:37])


def test_central_square_is_cut_from_wide_and_tall_frames() -> None:
    assert central_square(32, 43) == (0, 5, 32, 32)
    assert central_square(43, 32) == (5, 0, 32, 32)


def test_training_clip_belongs_to_its_address_and_is_never_blurred(store: FrameStore) -> None:
    clip, view = training_clip(store, 0, 0, linear_config)
    again, same_view = training_clip(store, 0, 0, linear_config)
    assert clip.shape == (4, 16, 16, 3)
    assert torch.equal(clip, again)
    assert view["brightness"] == same_view["brightness"]
    others = [
        training_clip(store, 0, 1, linear_config),
        training_clip(store, 1, 0, linear_config),
        training_clip(store, 0, 0, dataclasses.replace(linear_config, seed=1)),
    ]
    assert all(view["brightness"] != other["brightness"] for _, other in others)
    assert not any(training_clip(store, 0, epoch, linear_config)[1]["blur"] for epoch in range(20))


def test_training_clips_are_flipped_as_often_as_asked(store: FrameStore) -> None:
    for probability, counts in ((0.0, {0}), (0.5, set(range(4, 17))), (1.0, {20})):
        config = dataclasses.replace(linear_config, flip_probability=probability)
        flips = [training_clip(store, 0, epoch, config)[1]["flip"] for epoch in range(20)]
        assert sum(map(bool, flips)) in counts


@pytest.mark.parametrize(
    ("samples", "batch_size", "sizes"),
    [(3, 128, [3]), (8, 4, [4, 4]), (9, 4, [3, 3, 3]), (3, 2, [3]), (5, 2, [3, 2]), (3, 1, [1, 1, 1])],
)
def test_epoch_has_every_sample_once_in_even_batches(samples: int, batch_size: int, sizes: list[int]) -> None:
    batches = EpochBatches(samples, batch_size, first_epoch=0, epochs=2, seed=0)
    drawn = list(batches)
    assert [len(batch) for batch in drawn] == 2 * sizes
    assert batches.steps == len(sizes)
    count = Counter(item for batch in drawn for item in batch)
    assert count == Counter((epoch, place) for epoch in range(2) for place in range(samples))


def test_batches_from_a_later_epoch_on_are_those_of_the_whole_run() -> None:
    whole = list(EpochBatches(9, 4, first_epoch=0, epochs=3, seed=5))
    rest = list(EpochBatches(9, 4, first_epoch=2, epochs=3, seed=5))
    assert whole[-3:] == rest
    assert [place for _, place in whole[0]] != [place for _, place in whole[3]]


def test_workers_read_what_the_main_process_reads(store: FrameStore, tmp_path: Path) -> None:
    def first_epoch(workers: int) -> list[torch.Tensor]:
        evaluation = make_evaluation(tmp_path, store, workers=workers)
        return [clips for clips, _ in next(ClipEpochs(evaluation, linear_config)(0))]

    for alone, together in zip(first_epoch(0), first_epoch(2), strict=True):
        assert torch.equal(alone, together)
