"""The pretraining loop: the same samples and losses however it is cut, and only what it says is merged."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from fame_cli.config import ExtractConfig, PretrainConfig, StatisticsConfig
from fame_cli.data.dataset import PretrainClips, StepSampler, crop_map
from fame_cli.data.frames import FrameStore, extract
from fame_cli.data.role import AUGMENTATIONS
from fame_cli.data.sources.folder import index_folder
from fame_cli.data.statistics import StatisticsStore, compute
from fame_cli.data.views import normalise, to_clips
from fame_cli.distraction.build import build_distraction, reads_maps
from fame_cli.errors import ArtefactError, ConfigurationError, FameError, InputError
from fame_cli.learning.batch import make_views
from fame_cli.learning.checkpoint import load_backbone
from fame_cli.learning.inputs import training_videos
from fame_cli.learning.log import StepInfo
from fame_cli.learning.objectives.objective import two_views
from fame_cli.learning.pretrain import pretrain
from fame_cli.learning.training import Training

CONFIG = PretrainConfig.from_options(
    backbone="small",
    clip_frames=4,
    frame_stride=2,
    crop_px=32,
    batch_size=4,
    steps=5,
    queue_length=16,
    embedding_dim=8,
)


@pytest.fixture
def stores(tmp_path: Path, videos: Path) -> tuple[FrameStore, StatisticsStore]:
    report, manifest = extract(tmp_path / "work", index_folder(videos), ExtractConfig())
    frames = FrameStore(report.folder, manifest)
    folder = compute(tmp_path / "work", frames, StatisticsConfig(4, 2, 4, 24)).folder
    return frames, StatisticsStore(folder, frames)


Stores = tuple[FrameStore, StatisticsStore]


def losses(run: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (run / "metrics.jsonl").read_text().splitlines()]


def stop_after(step: int, how: type[BaseException]) -> object:
    def tell(standing: StepInfo) -> None:
        if standing.step == step:
            raise how

    return tell


@pytest.mark.parametrize("checkpoint_seconds", [0, 1e9])
def test_killed_and_resumed_run_has_the_losses_of_the_straight_one(
    tmp_path: Path, stores: Stores, checkpoint_seconds: float
) -> None:
    pretrain(tmp_path / "straight", *stores, CONFIG, device="cpu")
    for step in (1, 3, 4):
        with pytest.raises(RuntimeError):
            pretrain(
                tmp_path / "killed",
                *stores,
                CONFIG,
                device="cpu",
                resume=True,
                checkpoint_seconds=checkpoint_seconds,
                tell=stop_after(step, RuntimeError),  # type: ignore[arg-type]
            )
    pretrain(tmp_path / "killed", *stores, CONFIG, device="cpu", resume=True)
    assert losses(tmp_path / "killed") == losses(tmp_path / "straight")
    assert len(losses(tmp_path / "killed")) == 5
    weights = [(tmp_path / run / "backbone.safetensors").read_bytes() for run in ("straight", "killed")]
    assert weights[0] == weights[1]


@pytest.mark.libraries
def test_loader_workers_do_not_change_the_run(tmp_path: Path, stores: Stores) -> None:
    config = dataclasses.replace(CONFIG, steps=2)
    pretrain(tmp_path / "none", *stores, config, device="cpu", workers=0)
    pretrain(tmp_path / "two", *stores, config, device="cpu", workers=2)
    assert losses(tmp_path / "none") == losses(tmp_path / "two")


def test_metrics_tell_what_a_step_did_and_how_long_it_waited_for_data(tmp_path: Path, stores: Stores) -> None:
    pretrain(tmp_path / "run", *stores, dataclasses.replace(CONFIG, steps=2), device="cpu")
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [0, 1]
    assert rows[0]["chance"] == pytest.approx(np.log(17))
    assert all(0 < row["data_wait"] < 1 for row in rows)
    assert all(row["samples_per_second"] > 0 for row in rows)


def test_compiled_backbones_keep_the_keys_of_checkpoints() -> None:
    plain, compiled = (Training(CONFIG, torch.device("cpu"), compile=compile) for compile in (False, True))
    assert compiled.model.state_dict().keys() == plain.model.state_dict().keys()
    # Nothing is translated before the first forward pass, but it is arranged for both encoders.
    waiting = [module for module in compiled.model.modules() if module._compiled_call_impl is not None]
    assert waiting == [compiled.model.encoder_q.backbone, compiled.model.encoder_k.backbone]


def test_finished_run_is_left_alone(tmp_path: Path, stores: Stores) -> None:
    config = dataclasses.replace(CONFIG, steps=1)
    pretrain(tmp_path / "run", *stores, config, device="cpu")
    before = (tmp_path / "run" / "backbone.safetensors").stat().st_mtime_ns
    outcome = pretrain(tmp_path / "run", *stores, config, device="cpu")
    assert outcome.first_step == outcome.total_steps == 1
    assert (tmp_path / "run" / "backbone.safetensors").stat().st_mtime_ns == before
    backbone, count = load_backbone(tmp_path / "run" / "backbone.safetensors")
    assert (count.missing, count.unexpected) == (0, 0)
    assert backbone.feature_dim > 0


def test_unfinished_run_is_not_gone_on_with_unasked(tmp_path: Path, stores: Stores) -> None:
    with pytest.raises(RuntimeError):
        pretrain(tmp_path / "run", *stores, CONFIG, device="cpu", tell=stop_after(1, RuntimeError))  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="not finished"):
        pretrain(tmp_path / "run", *stores, CONFIG, device="cpu")


def test_run_of_other_options_or_data_is_not_overwritten(tmp_path: Path, stores: Stores) -> None:
    config = dataclasses.replace(CONFIG, steps=1)
    pretrain(tmp_path / "run", *stores, config, device="cpu")
    with pytest.raises(ConfigurationError, match=r"beta was 0\.5, is 0\.3"):
        pretrain(tmp_path / "run", *stores, config.with_options(beta=0.3), device="cpu")
    stores[1].fingerprint = "other"
    with pytest.raises(ArtefactError, match="statistics_content was"):
        pretrain(tmp_path / "run", *stores, config, device="cpu")


def test_diverged_run_stops_and_says_so(
    tmp_path: Path, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fame_cli.learning.pretrain.cosine", lambda *_: float("nan"))
    with pytest.raises(FameError, match="the loss is nan at step 1: the training has diverged"):
        pretrain(tmp_path / "run", *stores, CONFIG, device="cpu")


def test_diverged_run_keeps_the_checkpoint_from_before(
    tmp_path: Path, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The third step makes weights that are no numbers, and its own loss does not tell.
    monkeypatch.setattr(
        "fame_cli.learning.pretrain.cosine", lambda step, *_: 0.01 if step < 2 else float("nan")
    )
    with pytest.raises(FameError, match="weights are no finite numbers after 3 steps"):
        pretrain(tmp_path / "run", *stores, CONFIG, device="cpu", checkpoint_seconds=0)
    state = torch.load(tmp_path / "run" / "checkpoints" / "last.pt")
    assert state["step"] == 2
    assert all(values.isfinite().all() for values in state["model"].values())


def test_batch_that_the_videos_cannot_fill_is_refused(stores: Stores) -> None:
    with pytest.raises(ConfigurationError, match="only 8 videos to learn from"):
        training_videos(stores[0], dataclasses.replace(CONFIG, batch_size=9))
    with pytest.raises(InputError, match="no readable video in split 'trian'"):
        training_videos(stores[0], dataclasses.replace(CONFIG, split="trian"))


def test_each_epoch_sees_every_video_once_in_its_own_order() -> None:
    steps = list(StepSampler([3, 5, 7, 9, 11, 13], batch_size=2, seed=1, first_step=0, total_steps=6))
    epochs = [
        [video_index for step in steps[first : first + 3] for _, video_index in step] for first in (0, 3)
    ]
    assert sorted(epochs[0]) == sorted(epochs[1]) == [3, 5, 7, 9, 11, 13]
    assert epochs[0] != epochs[1]
    resumed = list(StepSampler([3, 5, 7, 9, 11, 13], batch_size=2, seed=1, first_step=4, total_steps=6))
    assert resumed == steps[4:]


def batch_of(stores: Stores, config: PretrainConfig) -> dict[str, dict[str, Any]]:
    cached = stores[1] if reads_maps(config) else None
    clips = PretrainClips(stores[0], cached, config, two_views(config.branch), build_distraction(config))
    batch: dict[str, dict[str, Any]] = default_collate([clips[0, video_index] for video_index in range(4)])
    return batch


def views(stores: Stores, **options: object) -> tuple[torch.Tensor, torch.Tensor]:
    config = CONFIG.with_options(**options)  # type: ignore[arg-type]
    batch = batch_of(stores, config)
    for view in batch.values():
        for name in AUGMENTATIONS:
            view["augmentation"][name][:] = False
    roles, distraction = two_views(config.branch), build_distraction(config)
    made = make_views(batch, roles, distraction, config.seed, 0, torch.device("cpu"))
    return made["query"].clips, made["key"].clips


@pytest.mark.parametrize("statistics", ["cached", "online"])
@pytest.mark.parametrize("variant", ["fame", "seed", "grid", "gauss"])
def test_merged_view_keeps_beta_of_its_pixels_and_takes_the_rest_from_others(
    stores: Stores, statistics: str, variant: str
) -> None:
    plain, untouched = views(stores, beta=1.0)
    merged, second = views(stores, beta=0.25, statistics=statistics, variant=variant)
    torch.testing.assert_close(second, untouched, rtol=0, atol=0)
    for number in range(4):
        own = (merged[number] == plain[number]).all(0).all(0)
        assert own.sum() >= 0.25 * 32 * 32
        from_others = [
            (merged[number] == plain[other]).all(0).all(0) for other in range(4) if other != number
        ]
        assert max((own | other).float().mean() for other in from_others) == 1


def test_both_branches_are_merged_only_when_asked(stores: Stores) -> None:
    _, plain = views(stores, beta=1.0)
    _, single = views(stores)
    _, both = views(stores, branch="both")
    torch.testing.assert_close(single, plain, rtol=0, atol=0)
    assert not torch.equal(both, plain)


def test_intra_video_background_is_of_the_same_video(stores: Stores) -> None:
    config = CONFIG.with_options(background="intra")
    batch = batch_of(stores, config)
    merged, _ = views(stores, background="intra")
    plain, _ = views(stores, beta=1.0)
    other = to_clips(batch["query"]["other_time"], torch.device("cpu"))
    assert ((merged == plain) | (merged == normalise(other))).all()


def test_distraction_none_and_beta_one_are_the_same_baseline(stores: Stores) -> None:
    for one, other in zip(views(stores, beta=1.0), views(stores, distraction="none"), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_crop_of_a_map_follows_the_crop_of_the_frame() -> None:
    values = np.arange(12, dtype=np.uint16).reshape(3, 4)
    whole = crop_map(values, (0, 0, 6, 8), (6, 8), 12, cv2.INTER_NEAREST)
    assert whole.shape == (12, 12)
    assert whole[0, 0] == 0
    assert whole[-1, -1] == 11
    assert crop_map(values, (2, 4, 2, 2), (6, 8), 4, cv2.INTER_NEAREST).tolist() == [[6] * 4] * 4


def test_crop_of_an_amount_is_interpolated_between_pixel_centres() -> None:
    ramp = np.tile(np.arange(8, dtype=np.float32), (6, 1))
    finer = crop_map(ramp, (0, 0, 6, 8), (6, 8), 16, cv2.INTER_LINEAR)
    np.testing.assert_allclose(finer[3, 1:-1], (np.arange(16)[1:-1] + 0.5) / 2 - 0.5, atol=0.02)
    inner = crop_map(ramp, (0, 2, 6, 4), (6, 8), 4, cv2.INTER_LINEAR)
    np.testing.assert_allclose(inner[2], [2, 3, 4, 5], atol=0.02)


def test_map_that_hangs_over_the_edge_stays_with_the_frame_below_it() -> None:
    """171 pixels at two a map pixel take 86, the last of which is half outside."""
    ramp = np.tile(np.arange(86, dtype=np.float32), (64, 1))
    last = crop_map(ramp, (0, 150, 20, 20), (128, 171), 20, cv2.INTER_LINEAR)
    np.testing.assert_allclose(last[0], (np.arange(150, 170) + 0.5) / 2 - 0.5, atol=0.04)


def test_lost_checkpoint_is_told_and_what_was_measured_stays(tmp_path: Path, stores: Stores) -> None:
    with pytest.raises(RuntimeError):
        pretrain(
            tmp_path / "run",
            *stores,
            CONFIG,
            device="cpu",
            checkpoint_seconds=0,
            tell=stop_after(3, RuntimeError),  # type: ignore[arg-type]
        )
    before = losses(tmp_path / "run")
    (tmp_path / "run" / "checkpoints" / "last.pt").unlink()
    with pytest.raises(ArtefactError, match=r"last\.pt is missing[\s\S]*Copy it back"):
        pretrain(tmp_path / "run", *stores, CONFIG, device="cpu", resume=True)
    assert losses(tmp_path / "run") == before != []


def test_lost_options_are_not_replaced_by_others(tmp_path: Path, stores: Stores) -> None:
    pretrain(tmp_path / "run", *stores, CONFIG, device="cpu")
    (tmp_path / "run" / "config.toml").unlink()
    other = CONFIG.with_options(beta=0.3)
    with pytest.raises(ArtefactError, match=r"config\.toml is missing"):
        pretrain(tmp_path / "run", *stores, other, device="cpu", resume=True)
    assert not (tmp_path / "run" / "config.toml").exists()


def test_work_folder_is_no_place_for_a_run(stores: Stores) -> None:
    work = stores[0].folder.parent.parent
    (work / "manifest.csv").touch()
    with pytest.raises(ConfigurationError, match="is a WORK folder"):
        pretrain(work, *stores, CONFIG, device="cpu")
    assert not (work / "config.toml").exists()


def test_cached_statistics_of_another_hue_are_refused(tmp_path: Path, stores: Stores) -> None:
    published = CONFIG.with_options(hue="published")
    with pytest.raises(ConfigurationError, match=r"--hue is 'published'[\s\S]*Give --hue correct"):
        pretrain(tmp_path / "run", *stores, published, device="cpu")
    assert not (tmp_path / "run").exists()


def test_last_step_that_makes_weights_infinite_is_no_finished_run(tmp_path: Path, stores: Stores) -> None:
    config = dataclasses.replace(CONFIG, steps=1, learning_rate=3e38, weight_decay=3e38)
    with pytest.raises(FameError, match="weights are no finite numbers"):
        pretrain(tmp_path / "run", *stores, config, device="cpu")
    assert not (tmp_path / "run" / "backbone.safetensors").exists()


def test_clips_too_short_for_the_network_are_refused_before_anything_is_written(
    tmp_path: Path, stores: Stores
) -> None:
    with pytest.raises(ConfigurationError, match=r"c3d has nothing left of clips of 4 frames"):
        pretrain(tmp_path / "run", *stores, dataclasses.replace(CONFIG, backbone="c3d"), device="cpu")
    assert not (tmp_path / "run").exists()


def test_one_video_is_too_few(stores: Stores) -> None:
    frames = stores[0]
    one = next(video for video in frames.videos if video.split == "train")
    frames.manifest = dataclasses.replace(frames.manifest, videos=(one,))
    with pytest.raises(InputError, match="only one video to learn from"):
        training_videos(frames, CONFIG)


@pytest.mark.parametrize("seed", [2**63, -(2**70)])
def test_seed_that_torch_cannot_take_is_refused(seed: int) -> None:
    with pytest.raises(ConfigurationError, match="--seed"):
        dataclasses.replace(CONFIG, seed=seed)


def test_damaged_frame_is_told_in_words_by_a_loader_process(tmp_path: Path, stores: Stores) -> None:
    for shard in stores[0].folder.glob("*.h5"):
        shard.write_bytes(shard.read_bytes()[:100])
    with pytest.raises(ArtefactError) as told:
        pretrain(tmp_path / "run", *stores, CONFIG, device="cpu", workers=1)
    assert "Traceback" not in told.value.message
    assert "missing or damaged" in told.value.message
    assert "fame verify" in told.value.hint
