"""Which videos are evaluated, and with which labels."""

import dataclasses

import pytest
from colour_videos import make_work

from fame_cli.data.frames import FrameStore
from fame_cli.data.manifest import Video
from fame_cli.errors import ConfigurationError, InputError
from fame_cli.evaluation.splits import UNSEEN, choose_videos


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
    changed = FrameStore(store.folder, store.manifest)
    changed.manifest = dataclasses.replace(store.manifest, videos=tuple(videos))
    return changed


def ids(videos: tuple[Video, ...], video_indices: tuple[int, ...]) -> list[str]:
    return [videos[video_index].id for video_index in video_indices]


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


def renamed(store: FrameStore, names: dict[str, str]) -> FrameStore:
    """The store with other ids of the videos at these places in their split."""
    return relabelled(store, {old: {"id": new} for old, new in names.items()})


def test_groups_of_the_test_videos_are_told_and_those_that_were_trained_on(store: FrameStore) -> None:
    names = {
        "test/blue": "v_blue_g01_c01",
        "test/green": "v_blue_g01_c02",
        "test/red": "v_red_g01_c01",
        "train/red/0": "v_red_g01_c02",
    }
    videos = choose_videos(renamed(store, names), "train", "test")
    assert videos.groups(videos.test) == ["blue g01", "blue g01", "red g01"]
    first, second = videos.notes
    assert first.startswith("The 3 test videos are of 2 groups")
    assert second.startswith("1 of 3 test videos are of groups that training videos are of too")
    apart = choose_videos(renamed(store, names | {"train/red/0": "v_red_g02_c02"}), "train", "test")
    assert len(apart.notes) == 1
    assert apart.fingerprint != videos.fingerprint
