"""Which videos are evaluated, and the clips that are cut from them."""

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from colour_videos import linear_config, make_work

from fame_cli.data.clips import clip_indices, even_starts
from fame_cli.data.frames import FrameStore
from fame_cli.data.manifest import Video
from fame_cli.errors import ConfigurationError, InputError
from fame_cli.evaluation.labelled import (
    UNSEEN,
    EpochBatches,
    central_square,
    choose_videos,
    even_clips,
    training_clip,
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    return make_work(tmp_path_factory.mktemp("labelled"), train=2, test=1)


def relabelled(store: FrameStore, change: dict[str, dict[str, str]]) -> FrameStore:
    """The store with other labels, splits or outcomes of the videos whose id begins so."""
    videos = []
    for video in store.videos:
        for prefix, values in change.items():
            if video.id.startswith(prefix):
                video = dataclasses.replace(video, **values)
        videos.append(video)
    manifest = dataclasses.replace(store.manifest, videos=tuple(videos))
    return FrameStore(store.folder, manifest)


def ids(videos: tuple[Video, ...], positions: tuple[int, ...]) -> list[str]:
    return [videos[position].id for position in positions]


def test_splits_and_classes_are_those_of_the_manifest(store: FrameStore) -> None:
    videos = choose_videos(store, "train", "test")
    assert videos.class_names == ("blue", "green", "red")
    assert ids(store.videos, videos.test) == ["test/blue/2.avi", "test/green/2.avi", "test/red/2.avi"]
    assert videos.class_numbers(videos.test).tolist() == [0, 1, 2]
    assert videos.class_numbers(videos.train).tolist() == [0, 0, 1, 1, 2, 2]
    assert not videos.notes


def test_label_never_seen_in_training_is_named_and_has_no_class(store: FrameStore) -> None:
    videos = choose_videos(relabelled(store, {"test/red": {"label": "mauve"}}), "train", "test")
    assert videos.class_numbers(videos.test).tolist() == [0, 1, UNSEEN]
    assert videos.notes == (
        "1 of 3 test videos have a label that no training video has and count as wrong: mauve.",
    )


def test_videos_without_label_or_frames_are_left_out_and_said(store: FrameStore) -> None:
    change = {"train/red/0": {"label": ""}, "test/blue": {"status": "failed"}}
    videos = choose_videos(relabelled(store, change), "train", "test")
    assert len(videos.train) == 5
    assert ids(store.videos, videos.test) == ["test/green/2.avi", "test/red/2.avi"]
    assert videos.notes == (
        "1 of 6 videos of split 'train' left out: has no label.",
        "1 of 3 videos of split 'test' left out: could not be decoded.",
    )


@pytest.mark.parametrize(
    ("change", "splits", "message"),
    [
        ({}, ("train", "val"), "no video is of split 'val'; there are 3 of 'test', 6 of 'train'"),
        ({"test": {"split": ""}}, ("train", "test"), "no video is of split 'test'; there are 3 of ''"),
        ({"train": {"label": ""}}, ("train", "test"), "of 6 videos of split 'train', every one has no label"),
        ({"test": {"status": "failed"}}, ("train", "test"), "every one could not be decoded"),
        (
            {"test": {"label": ""}, "test/red": {"status": "failed", "label": "red"}},
            ("train", "test"),
            "no video of split 'test' has both a label and frames",
        ),
        (
            {"train": {"label": "red"}},
            ("train", "test"),
            "all 6 videos of split 'train' have the label 'red'",
        ),
    ],
)
def test_nothing_to_learn_or_to_test_is_an_error(
    store: FrameStore, change: dict[str, dict[str, str]], splits: tuple[str, str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        choose_videos(relabelled(store, change), *splits)


def test_learning_from_the_test_videos_is_refused(store: FrameStore) -> None:
    with pytest.raises(ConfigurationError, match="are both 'test'"):
        choose_videos(store, "test", "test")


def test_fingerprint_tells_labels_splits_and_pixels_apart(store: FrameStore) -> None:
    same = choose_videos(relabelled(store, {}), "train", "test").fingerprint
    other_label = choose_videos(relabelled(store, {"test/red": {"label": "blue"}}), "train", "test")
    swapped = choose_videos(store, "test", "train")
    other_pixels = relabelled(store, {})
    other_pixels.fingerprint = "other"
    prints = [
        choose_videos(store, "train", "test").fingerprint,
        other_label.fingerprint,
        swapped.fingerprint,
        choose_videos(other_pixels, "train", "test").fingerprint,
    ]
    assert prints[0] == same
    assert len(set(prints)) == 4
    moved = choose_videos(relabelled(store, {"train/blue/0": {"split": "test"}}), "test", "train")
    assert (*moved.train, *moved.test) == (*swapped.train, *swapped.test)
    assert moved.fingerprint != swapped.fingerprint


def test_even_clips_are_the_scaled_central_square_of_evenly_spread_frames(store: FrameStore) -> None:
    config = dataclasses.replace(linear_config, crop_px=32, clips=3)
    clips = even_clips(store, 4, config)
    assert clips.shape == (3, 4, 32, 32, 3)
    assert clips.dtype == torch.uint8
    starts = even_starts(14, 7, 3)
    assert starts.tolist() == [0, 4, 7]
    for clip, start in zip(clips, starts.tolist(), strict=True):
        frames = store.frames(4, clip_indices(start, 4, 2, 14))
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
    from colour_videos import make_subject

    from fame_cli.evaluation.classify import ClipEpochs

    def first_epoch(workers: int) -> list[torch.Tensor]:
        subject = make_subject(tmp_path, store, workers=workers)
        return [clips for clips, _ in next(ClipEpochs(subject, linear_config)(0))]

    for alone, together in zip(first_epoch(0), first_epoch(2), strict=True):
        assert torch.equal(alone, together)
