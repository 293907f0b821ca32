"""Features as a stage: right, done once, gone on with after a kill."""

import dataclasses
import math
from pathlib import Path

import h5py
import pytest
import torch
from colour_videos import KilledAt, KilledError, Recorded, make_evaluation, make_work, retrieval_config
from torch import Tensor, nn

from fame_cli.config import EvaluationConfig, Precision
from fame_cli.data.frames import FrameStore
from fame_cli.data.views import normalise
from fame_cli.errors import ArtefactError
from fame_cli.evaluation import features
from fame_cli.evaluation.clip_datasets import even_clips
from fame_cli.evaluation.evaluation import random_weights
from fame_cli.evaluation.features import compute_features


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    """Twelve test and twelve training videos: three shards, one of test videos alone, one of both."""
    return make_work(tmp_path_factory.mktemp("features"), train=4, test=4)


def shards(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.h5"))


@pytest.mark.parametrize("workers", [0, 2])
def test_features_are_those_of_the_encoder_in_evaluation_mode(
    store: FrameStore, tmp_path: Path, workers: int
) -> None:
    evaluation = make_evaluation(tmp_path, store, workers=workers)
    kept = compute_features(evaluation, retrieval_config, (3, 20)).read_all((3, 20))
    backbone = random_weights("small", 0).backbone.eval()
    assert kept.shape == (2, 3, 128)
    for features_there, video_index in zip(kept, (3, 20), strict=True):
        clips = even_clips(store, video_index, retrieval_config).permute(0, 4, 1, 2, 3) / 255
        with torch.no_grad():
            expected = backbone(normalise(clips))
        torch.testing.assert_close(features_there, expected, rtol=1e-4, atol=1e-5)


def test_clips_in_parts_give_the_same_features(
    store: FrameStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = compute_features(make_evaluation(tmp_path / "a", store), retrieval_config, (0,)).read(0)
    monkeypatch.setattr(features, "CLIPS_TOGETHER", 2)
    parts = compute_features(make_evaluation(tmp_path / "b", store), retrieval_config, (0,)).read(0)
    torch.testing.assert_close(whole, parts, rtol=1e-4, atol=1e-5)


def test_only_shards_with_a_wanted_video_are_made_and_others_are_kept(
    store: FrameStore, tmp_path: Path
) -> None:
    evaluation = make_evaluation(tmp_path, store)
    folder = compute_features(evaluation, retrieval_config, (0, 9)).folder
    assert shards(folder) == ["videos-00000", "videos-00001"]
    compute_features(evaluation, retrieval_config, (23,))
    assert shards(folder) == ["videos-00000", "videos-00001", "videos-00002"]


def test_second_run_computes_nothing(
    store: FrameStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluation = make_evaluation(tmp_path, store)
    before = compute_features(evaluation, retrieval_config, (0, 9)).read(9)
    monkeypatch.setattr(nn.Conv3d, "forward", lambda *_: pytest.fail("the encoder was run"))
    assert torch.equal(compute_features(evaluation, retrieval_config, (0, 9)).read(9), before)


def test_killed_run_goes_on_where_it_stopped(
    store: FrameStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = tuple(range(24))
    killed = make_evaluation(tmp_path / "killed", store, progress=KilledAt("features", 16))
    with pytest.raises(KilledError):
        compute_features(killed, retrieval_config, everything)
    straight = make_evaluation(tmp_path / "straight", store)
    expected = compute_features(straight, retrieval_config, everything).read_all(everything)
    read = record_reading(monkeypatch)
    progress = Recorded()
    resumed = make_evaluation(tmp_path / "killed", store, progress=progress)
    got = compute_features(resumed, retrieval_config, everything).read_all(everything)
    assert progress.told["features"] == [16, 24]
    assert read == list(range(16, 24))
    assert torch.equal(got, expected)


def test_several_videos_go_through_the_encoder_together(
    store: FrameStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, encode = [], features.encode

    def watched(backbone: nn.Module, clips: Tensor, precision: Precision) -> Tensor:
        seen.append(len(clips))
        return encode(backbone, clips, precision)

    monkeypatch.setattr(features, "encode", watched)
    compute_features(make_evaluation(tmp_path, store), retrieval_config, (0,))
    # Eight videos of a shard, three clips each.
    assert seen == [features.CLIPS_TOGETHER] * 6


def test_shard_is_opened_once_for_all_its_videos(
    store: FrameStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = compute_features(make_evaluation(tmp_path, store), retrieval_config, (0, 9))
    one_by_one = torch.stack([kept.read(n) for n in (1, 3, 9, 12)])
    opened, file = [], h5py.File
    monkeypatch.setattr(h5py, "File", lambda path, *args: opened.append(path) or file(path, *args))
    assert torch.equal(kept.read_all((1, 3, 9, 12)), one_by_one)
    assert len(opened) == 2
    torch.testing.assert_close(kept.read_means((1, 3, 9, 12)), one_by_one.mean(dim=1))


def record_reading(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The list that will hold the video_indices of videos whose clips are read."""
    read: list[int] = []

    def recorded(frames: FrameStore, video_index: int, config: EvaluationConfig) -> Tensor:
        read.append(video_index)
        return even_clips(frames, video_index, config)

    monkeypatch.setattr("fame_cli.evaluation.clip_datasets.even_clips", recorded)
    return read


def test_shard_finished_by_another_process_meanwhile_is_skipped(
    store: FrameStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluation = make_evaluation(tmp_path / "shared", store)
    compute_features(evaluation, retrieval_config, (0,))
    # As if the first shard had not been there yet when the reading was planned.
    monkeypatch.setattr("fame_cli.evaluation.features.is_done", lambda *_: False)
    got = compute_features(evaluation, retrieval_config, (0, 9)).read(9)
    alone = make_evaluation(tmp_path / "alone", store)
    assert torch.equal(got, compute_features(alone, retrieval_config, (9,)).read(9))


def test_other_weights_frames_or_clips_have_a_folder_of_their_own(store: FrameStore, tmp_path: Path) -> None:
    evaluation = make_evaluation(tmp_path, store)
    other_weights = dataclasses.replace(evaluation, weights=random_weights("small", 1))
    other_frames = FrameStore(store.folder, store.manifest)
    other_frames.fingerprint = "other"
    other_videos = dataclasses.replace(evaluation.videos, frames=other_frames)
    folders = [
        compute_features(evaluation, retrieval_config, (0,)).folder,
        compute_features(evaluation, dataclasses.replace(retrieval_config, crop_px=24), (0,)).folder,
        compute_features(other_weights, retrieval_config, (0,)).folder,
        compute_features(dataclasses.replace(evaluation, videos=other_videos), retrieval_config, (0,)).folder,
    ]
    assert len(set(folders)) == 4
    # Which split is which and the seed of a training decide no feature.
    other_split = dataclasses.replace(retrieval_config, seed=3, test_split="val")
    assert compute_features(evaluation, other_split, (0,)).folder == folders[0]


def test_damaged_shard_is_an_error_that_says_so(store: FrameStore, tmp_path: Path) -> None:
    kept = compute_features(make_evaluation(tmp_path, store), retrieval_config, (0,))
    with h5py.File(kept.folder / "videos-00000.h5", "a") as file:
        del file["0"]
    with pytest.raises(ArtefactError, match="is missing or damaged"):
        kept.read(0)


def test_features_of_a_diverged_network_are_refused(store: FrameStore, tmp_path: Path) -> None:
    evaluation = make_evaluation(tmp_path, store)
    with torch.no_grad():
        next(iter(evaluation.weights.backbone.parameters())).fill_(math.nan)
    with pytest.raises(ArtefactError, match="features that are no finite numbers"):
        compute_features(evaluation, retrieval_config, (0, 9)).read(9)
