"""The bias report as a whole: what a network that sees one thing alone looks like in it."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from colour_videos import KilledAt, KilledError, Recorded
from motion_videos import CLIPS, make_work

from fame_cli.config import BiasConfig
from fame_cli.data.frames import FrameStore
from fame_cli.errors import ArtefactError, ConfigurationError, InputError
from fame_cli.evaluation.bias.battery import TESTS
from fame_cli.evaluation.bias.differences import (
    bias_rows,
    describe_masks,
    difference_between,
    difference_to_original,
    require_same_clips,
)
from fame_cli.evaluation.bias.masks import open_masks
from fame_cli.evaluation.bias.material import MaterialReader
from fame_cli.evaluation.bias.pairing import (
    draw_pairing,
    keep_pairing,
    pairing_path,
    read_pairing,
    require_videos,
)
from fame_cli.evaluation.bias.report import BiasSetting, bias, bias_path
from fame_cli.evaluation.evaluation import Evaluation, random_weights
from fame_cli.evaluation.results import Result
from fame_cli.evaluation.splits import LabelledVideos, choose_videos

config = BiasConfig(**CLIPS, epochs=12, batch_size=8, milestones=(9,), learning_rate=10.0)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    """Six training and four test videos of each of four motions."""
    return make_work(tmp_path_factory.mktemp("bias"))


@pytest.fixture(scope="module")
def videos(store: FrameStore) -> LabelledVideos:
    return choose_videos(store, "train", "test")


def make_evaluation(run: Path, videos: LabelledVideos, network: str, **options) -> Evaluation:
    weights = random_weights(f"motion_videos:{network}", 0)
    return Evaluation(run, videos, weights, torch.device("cpu"), **options)


def make_setting(videos: LabelledVideos, *, truth: bool = False) -> BiasSetting:
    masks = open_masks(videos.frames.folder.parents[2] / "masks", videos.frames)
    return BiasSetting(masks, draw_pairing(videos, 0), masks if truth else None)


@pytest.fixture(scope="module")
def results(videos: LabelledVideos, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    """Reports of a network that sees the background alone, and of one that sees motion alone."""
    setting = make_setting(videos)
    return {
        network: bias(make_evaluation(tmp_path_factory.mktemp(network), videos, network), config, setting)
        for network in ("Corners", "Motion")
    }


def percents(result: Result) -> dict[str, float]:
    return {name: figure.percent for name, figure in result.figures.items()}


def test_network_that_sees_the_background_alone_comes_out_as_such(results: dict[str, Result]) -> None:
    found = percents(results["Corners"])
    always = ("as_they_are", "swap_same", "swap_background", "background_mean", "background_median")
    assert {found[name] for name in (*always, "shuffled", "reversed", "one_frame")} == {100}
    assert found["swap_other"] == found["scuba_scenes"] == found["contrasted_stripes"] == 0
    # One frame says as much as all of them, so nothing of it can be right for its motion.
    assert found["scuba_stripes"] == found["scufo_stripes"] < 60
    assert found["foreground_only"] == 25


def test_network_that_sees_motion_alone_comes_out_as_such(results: dict[str, Result]) -> None:
    found = percents(results["Motion"])
    foreground = (
        "as_they_are",
        "scuba_stripes",
        "scuba_scenes",
        "swap_same",
        "swap_other",
        "foreground_only",
    )
    assert min(found[name] for name in foreground) > 90
    assert found["swap_background"] < 10
    assert found["reversed"] == 0
    for name in ("scufo_stripes", "scufo_scenes", "one_frame", "background_mean", "background_median"):
        assert found[name] == 25, name
    assert found["contrasted_stripes"] == found["contrasted_scenes"] == 75


def test_leak_is_told_by_a_classifier_of_backgrounds(results: dict[str, Result]) -> None:
    leak = results["Corners"].bias["masks"]["leak"]
    assert leak["background"]["percent"] == 100
    assert leak["foreground"]["percent"] == 25
    assert "right on 25.0 %" in describe_masks(results["Corners"].bias["masks"])


def test_figures_come_with_interval_chance_videos_and_paired_difference(results: dict[str, Result]) -> None:
    corners, motion = results["Corners"], results["Motion"]
    assert set(corners.figures) == {test.name for test in TESTS}
    figure = corners.figures["contrasted_scenes"]
    assert (figure.chance, figure.videos) == (100 * 1 / 4 * 3 / 4, 16)
    assert figure.interval[0] <= figure.percent <= figure.interval[1]
    apart = difference_between(corners, motion, "swap_other")
    assert apart is not None
    assert apart.points == motion.figures["swap_other"].percent - corners.figures["swap_other"].percent
    drop = difference_to_original(motion, "reversed")
    assert drop is not None
    assert drop.points == -motion.figures["as_they_are"].percent
    assert drop.interval[0] <= drop.points <= drop.interval[1]
    rows = bias_rows([corners, motion])
    assert len(rows) == len(TESTS)
    assert rows[8][:2] == ["↑ on an other-class background", "0.0 (0–19)"]


def test_report_warns_of_single_networks(results: dict[str, Result]) -> None:
    notes = " ".join(results["Corners"].notes)
    assert "three seeds or more" in notes
    assert "favour a network" not in notes  # the masks are not FAME's


def test_true_masks_tell_how_much_background_leaks(videos: LabelledVideos, tmp_path: Path) -> None:
    few = dataclasses.replace(config, epochs=1)
    result = bias(make_evaluation(tmp_path, videos, "Corners"), few, make_setting(videos, truth=True))
    masks = result.bias["masks"]
    assert masks["truth"] == {"background_kept": 0, "foreground_kept": 1, "background_share": 0}
    assert 0.05 < masks["kept"] < 0.2
    assert "leak" not in masks


def test_second_run_reads_the_result(videos: LabelledVideos, tmp_path: Path) -> None:
    evaluation, setting = make_evaluation(tmp_path, videos, "Corners"), make_setting(videos, truth=True)
    few = dataclasses.replace(config, epochs=1)
    first = bias(evaluation, few, setting)
    recorded = Recorded()
    again = bias(dataclasses.replace(evaluation, progress=recorded), few, setting)
    assert again == first
    assert not recorded.told
    assert bias_path(evaluation, few, setting).exists()


def test_killed_report_goes_on_where_it_stopped(
    videos: LabelledVideos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few, setting = dataclasses.replace(config, epochs=2), make_setting(videos)
    killed = make_evaluation(tmp_path / "killed", videos, "Motion", progress=KilledAt("altered clips", 8))
    with pytest.raises(KilledError):
        bias(killed, few, setting)
    read: list[int] = []
    read_one = MaterialReader.__getitem__

    def watched(reader: MaterialReader, item: int) -> object:
        read.append(reader.video_indices[item])
        return read_one(reader, item)

    monkeypatch.setattr(MaterialReader, "__getitem__", watched)
    resumed = bias(make_evaluation(tmp_path / "killed", videos, "Motion"), few, setting)
    assert len([index for index in read if index in videos.test]) == len(videos.test) - 8
    straight = bias(make_evaluation(tmp_path / "straight", videos, "Motion"), few, setting)
    assert resumed.figures == straight.figures
    assert resumed.bias == straight.bias


def test_reports_of_other_pairings_are_not_set_side_by_side(results: dict[str, Result]) -> None:
    corners = results["Corners"]
    result = dataclasses.replace(corners, configuration={**corners.configuration, "pairing": "other"})
    with pytest.raises(ConfigurationError, match="--pairing is"):
        require_same_clips([results["Corners"], result])
    require_same_clips(list(results.values()))


def test_pairing_is_the_same_in_whatever_order_videos_are_listed(videos: LabelledVideos) -> None:
    turned = dataclasses.replace(videos, test=videos.test[::-1])
    assert draw_pairing(turned, 0) == draw_pairing(videos, 0)
    assert draw_pairing(videos, 0).fingerprint != draw_pairing(videos, 1).fingerprint


def test_backgrounds_are_of_other_test_videos_and_of_the_class_that_is_wanted(videos: LabelledVideos) -> None:
    labels = {videos.frames.videos[n].id: videos.frames.videos[n].label for n in videos.test}
    for name, pair in draw_pairing(videos, 0).pairs.items():
        assert pair.same != name
        assert labels[str(pair.same)] == labels[name]
        assert labels[str(pair.other)] != labels[name]


def test_pairing_is_kept_and_read_again(videos: LabelledVideos, tmp_path: Path) -> None:
    path = pairing_path(tmp_path, videos, 0)
    kept = keep_pairing(path, videos, 0)
    assert read_pairing(path) == keep_pairing(path, videos, 0) == kept == draw_pairing(videos, 0)
    require_videos(kept, videos, path)


def test_changed_pairing_and_one_of_other_videos_are_refused(videos: LabelledVideos, tmp_path: Path) -> None:
    path = tmp_path / "pairing.json"
    kept = keep_pairing(path, videos, 0)
    values = json.loads(path.read_text())
    values["seed"] = 7
    path.write_text(json.dumps(values))
    with pytest.raises(ArtefactError, match="cannot be read as a pairing"):
        read_pairing(path)
    with pytest.raises(ArtefactError, match="cannot be read as a pairing"):
        read_pairing(tmp_path / "none.json")
    (name, pair), *rest = kept.pairs.items()
    with pytest.raises(InputError, match="has no background for 1 of 16 test videos"):
        require_videos(dataclasses.replace(kept, pairs=dict(rest)), videos, path)
    strange = dict(rest) | {name: dataclasses.replace(pair, same="gone.avi")}
    with pytest.raises(InputError, match="names 1 videos as backgrounds that are not here"):
        require_videos(dataclasses.replace(kept, pairs=strange), videos, path)


def test_material_shows_other_backgrounds_without_their_foreground(videos: LabelledVideos) -> None:
    setting = make_setting(videos)
    ids = {video.id: n for n, video in enumerate(videos.frames.videos)}
    reader = MaterialReader(
        videos.frames, videos.test, config, setting.masks, pairs=setting.pairing.pairs, places=ids
    )
    material = reader[0]
    pair = setting.pairing.pairs[material.name]
    partner = MaterialReader(videos.frames, [ids[str(pair.other)]], config, setting.masks)[0]
    outside = ~partner.mask.numpy()
    assert np.array_equal(material.other.numpy()[outside], partner.frames.numpy()[outside])
    median = np.broadcast_to(material.scene.numpy(), material.other.shape)
    assert np.array_equal(material.other.numpy()[~outside], median[~outside])
    # The sprite is never long in one place, so the median of the video is its background.
    assert abs(median[outside].astype(int) - material.other.numpy()[outside]).mean() < 3
