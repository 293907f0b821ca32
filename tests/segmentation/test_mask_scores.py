"""What masks are worth beside true ones: figures, clips that count, and means."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from segmentation.true_sequences import HEIGHT, WIDTH, write_sequence
from sklearn.metrics import roc_auc_score

from fame_cli.errors import ConfigurationError, InputError
from fame_cli.segmentation import scoring as masks_module
from fame_cli.segmentation.protocol import MaskProtocol, MaskSetting
from fame_cli.segmentation.scores import ClipScore, MaskScores, SequenceScore, write_scores
from fame_cli.segmentation.scoring import (
    Shot,
    Window,
    area_under_curve,
    mask_figures,
    masks_of,
    read_shot,
    score_clip,
    score_masks,
    window_of,
    windows_of,
)
from fame_cli.segmentation.sequences import find_sequences

SMALL = MaskProtocol(clip_frames=4, frame_stride=2, hop_frames=3, size_px=32, map_short_side_px=32)
SEED, FAME, GAUSS = MaskSetting("seed"), MaskSetting("fame"), MaskSetting("gauss")


def shot(found: object, ignored: object = 0) -> Shot:
    """A frame of 2×2 pixels."""
    truth = np.broadcast_to(np.array(found, bool), (2, 2))
    return Shot(
        np.zeros((2, 2, 3), np.uint8), truth, np.broadcast_to(np.array(ignored, bool), (2, 2)), (2, 2)
    )


def window(truth: np.ndarray, valid: np.ndarray | None = None) -> Window:
    """A clip in which the lower half flickers."""
    frames = np.zeros((4, *truth.shape, 3), np.uint8)
    frames[::2, truth.shape[0] // 2 :] = 200
    return Window(0, tuple(frames), truth, np.ones_like(truth) if valid is None else valid)


def score(name: str, group: str, *aucs: float) -> SequenceScore:
    windows = [
        ClipScore(start, "", 0.5, ({"auc": auc, "recall": auc / 2, "precision": 0.25, "iou": 0.125},))
        for start, auc in enumerate(aucs)
    ]
    return SequenceScore(name, group, 100, "", tuple(windows))


def test_area_under_the_curve_of_hand_made_scores() -> None:
    truth = np.array([True, True, False, False])
    assert area_under_curve(np.array([4, 3, 2, 1]), truth) == 1
    assert area_under_curve(np.array([1, 2, 3, 4]), truth) == 0
    assert area_under_curve(np.array([4, 2, 3, 1]), truth) == 0.75
    assert area_under_curve(np.array([4, 2, 2, 1]), truth) == 0.875
    assert area_under_curve(np.zeros(4), truth) == 0.5


@pytest.mark.parametrize("levels", [2, 7, 1000, 10**9])
@pytest.mark.parametrize("share", [0.001, 0.3, 0.99])
def test_area_under_the_curve_equals_scikit_learns_with_and_without_ties(levels: int, share: float) -> None:
    generator = np.random.default_rng(levels)
    truth = generator.random(4000) < share
    truth[:2] = True, False
    scores = (generator.integers(levels, size=4000) / levels).astype(np.float32) + 0.1 * truth
    assert area_under_curve(scores, truth) == pytest.approx(roc_auc_score(truth, scores), abs=1e-12)


def test_recall_precision_and_iou_of_a_mask_by_hand() -> None:
    hard = np.array([[1, 1, 1], [0, 0, 0]], bool)
    truth = np.array([[1, 0, 0], [1, 0, 0]], bool)
    figures = mask_figures(hard.astype(np.float32), hard, truth, np.ones((2, 3), bool))
    assert figures["recall"] == 1 / 2
    assert figures["precision"] == 1 / 3
    assert figures["iou"] == 1 / 4
    assert figures["auc"] == area_under_curve(hard.ravel(), truth.ravel())


def test_pixels_that_are_not_valid_change_no_figure() -> None:
    generator = np.random.default_rng(0)
    soft, truth, valid = (
        generator.random((8, 8)),
        generator.random((8, 8)) < 0.5,
        generator.random((8, 8)) < 0.7,
    )
    before = mask_figures(soft, soft > 0.5, truth, valid)
    soft, truth = np.where(valid, soft, 1 - soft), truth ^ ~valid
    assert mask_figures(soft, soft > 0.5, truth, valid) == before


def test_hard_mask_outside_of_what_is_valid_has_no_precision() -> None:
    hard, truth = np.array([[1, 0, 0]], bool), np.array([[0, 1, 0]], bool)
    figures = mask_figures(hard.astype(np.float32), hard, truth, ~hard)
    assert (figures["recall"], figures["precision"], figures["iou"]) == (0, 0, 0)


def test_pixel_is_object_where_it_is_in_more_than_half_of_the_frames() -> None:
    shots = [shot([[1, 1], [1, 0]]), shot([[1, 1], [0, 0]]), shot([[1, 0], [0, 0]]), shot([[0, 0], [0, 0]])]
    assert window_of(0, shots).truth.tolist() == [[True, False], [False, False]]
    assert window_of(0, shots[:3]).truth.tolist() == [[True, True], [False, False]]


def test_pixel_ignored_in_one_frame_is_ignored_in_the_clip() -> None:
    shots = [shot(1), shot(1, [[0, 1], [0, 0]]), shot(1, [[0, 0], [1, 0]])]
    assert window_of(0, shots).valid.tolist() == [[True, False], [False, True]]


def test_clips_start_at_every_hop_and_take_every_second_frame(tmp_path: Path) -> None:
    write_sequence(tmp_path / "s", count=14)
    [sequence] = find_sequences(tmp_path)
    found = list(windows_of(sequence, SMALL))
    assert [one.start for one in found] == [0, 3, 6]
    assert all(isinstance(one, Window) and len(one.frames) == 4 for one in found)
    # Frames 3, 5, 7 and 9 of a square at 20 + number: in three of them it covers columns 25 to 40.
    columns = found[1].truth.any(axis=0).nonzero()[0]  # type: ignore[union-attr]
    assert (columns[0] + 0.5) * WIDTH / 32 >= 25
    assert (columns[-1] + 0.5) * WIDTH / 32 <= 20 + 7 + 16
    rows = found[1].truth.any(axis=1).nonzero()[0]  # type: ignore[union-attr]
    assert rows.tolist() == [row for row in range(32) if 24 <= (row + 0.5) * HEIGHT / 32 < 40]


def test_a_small_mask_takes_the_pixel_at_the_middle_of_each_block(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "s", count=1)
    middle = np.zeros((96, 96), np.uint8)
    middle[1::3, 1::3] = 255
    for kind in ("frames", "masks"):
        Image.fromarray(middle).save(folder / kind / "00000.png")
    [sequence] = find_sequences(tmp_path)
    found = read_shot(sequence, 0, 32, lambda _: None)
    assert found.is_object.all()
    assert (found.frame == round(255 / 9)).all()


def test_a_frame_of_overlapping_clips_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_sequence(tmp_path / "s", count=14)
    read: list[str] = []
    original = masks_module.read_frame
    monkeypatch.setattr(masks_module, "read_frame", lambda path: (read.append(path.stem), original(path))[1])
    list(windows_of(find_sequences(tmp_path)[0], MaskProtocol(4, 1, 2, 32)))
    assert read == [f"{number:05d}" for number in range(14)]


def test_moving_square_before_a_still_camera_is_found_by_the_seed(tmp_path: Path) -> None:
    write_sequence(tmp_path / "s", count=14)
    scores = score_masks(find_sequences(tmp_path), [SEED, GAUSS], SMALL)
    assert scores.mean(0)["auc"] > 0.95
    assert scores.mean(0)["recall"] == 1
    [first, *_] = scores.sequences[0].windows
    # β keeps half of the pixels: precision is the object's share in them.
    assert first.object_share is not None
    assert first.figures[0]["precision"] == pytest.approx(2 * first.object_share)
    assert first.figures[0]["iou"] == pytest.approx(2 * first.object_share)
    assert scores.mean(1)["auc"] < scores.mean(0)["auc"]


def test_beta_is_the_share_that_hard_masks_keep() -> None:
    clip = window(np.zeros((32, 32), bool))
    for beta in (0.25, 0.5, 1.0):
        protocol = MaskProtocol(4, 1, 1, 32, 32, beta)
        for soft, hard in masks_of(clip, [SEED, FAME, GAUSS], protocol):
            assert soft.shape == (32, 32)
            assert hard.sum() == beta * 32 * 32


def test_statistics_are_computed_once_for_all_variants(monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[tuple[str, str]] = []
    original = masks_module.statistics_of_clip

    def count(frames: Sequence[np.ndarray], config: object) -> object:
        computed.append((config.motion, config.hue))  # type: ignore[attr-defined]
        return original(frames, config)  # type: ignore[arg-type]

    monkeypatch.setattr(masks_module, "statistics_of_clip", count)
    settings = [
        MaskSetting(variant, "plain", hue) for variant in ("fame", "seed") for hue in ("correct", "published")
    ]
    assert len(list(masks_of(window(np.zeros((32, 32), bool)), settings, SMALL))) == 4
    assert sorted(computed) == [("plain", "correct"), ("plain", "published")]


@pytest.mark.parametrize(
    ("object_pixels", "reason"),
    [(19, "fewer than 20 object pixels"), (20, ""), (1024, "no background pixel")],
)
def test_clip_needs_twenty_object_pixels_and_some_background(object_pixels: int, reason: str) -> None:
    truth = (np.arange(1024) < object_pixels).reshape(32, 32)
    found = score_clip(window(truth), [SEED], SMALL)
    assert found.left_out == reason
    assert bool(found.figures) == (not reason)


def test_only_valid_pixels_make_twenty() -> None:
    truth = (np.arange(1024) < 20).reshape(32, 32)
    valid = np.ones((32, 32), bool)
    valid[0, 0] = False
    assert score_clip(window(truth, valid), [SEED], SMALL).left_out == "fewer than 20 object pixels"
    truth[0, 20] = True
    assert score_clip(window(truth, valid), [SEED], SMALL).object_share == 20 / 1023


def test_clips_without_truth_and_short_sequences_are_left_out_and_counted(tmp_path: Path) -> None:
    write_sequence(tmp_path / "short", count=6)
    folder = write_sequence(tmp_path / "gap", count=14)
    (folder / "masks" / "00006.png").unlink()
    scores = score_masks(find_sequences(tmp_path), [SEED], SMALL)
    gap, short = scores.sequences
    assert [one.left_out for one in gap.windows] == [
        "a frame without a true mask",
        "",
        "a frame without a true mask",
    ]
    assert short.left_out == {"too few frames for a clip": 1}
    assert scores.left_out == {"a frame without a true mask": 2, "too few frames for a clip": 1}
    assert scores.scored == [gap]


def test_nothing_to_score_is_an_error_that_counts_the_reasons(tmp_path: Path) -> None:
    write_sequence(tmp_path / "a", count=6)
    folder = write_sequence(tmp_path / "b", count=7)
    for path in (folder / "masks").iterdir():
        Image.fromarray(np.zeros((HEIGHT, WIDTH), np.uint8)).save(path)
    with pytest.raises(
        InputError, match="of 2 clips, 1 for too few frames for a clip, 1 for fewer than 20 ob"
    ) as found:
        score_masks(find_sequences(tmp_path), [SEED], SMALL)
    assert "covers 7 frames (--clip-frames, --frame-stride); the longest sequence has 7" in found.value.hint


def test_mask_and_frame_of_different_sizes_are_told(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "s", count=7)
    Image.fromarray(np.zeros((32, 48), np.uint8)).save(folder / "masks" / "00002.png")
    with pytest.raises(
        InputError, match=r"masks/00002\.png is 48×32 pixels, but its frame .*00002\.png is 96×64"
    ):
        score_masks(find_sequences(tmp_path), [SEED], SMALL)


def test_frames_of_different_sizes_are_told(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "s", count=7)
    for kind in ("frames", "masks"):
        path = folder / kind / "00002.png"
        Image.open(path).resize((48, 32)).save(path)
    with pytest.raises(InputError, match=r"the frames in .*frames are not all of the same size"):
        score_masks(find_sequences(tmp_path), [SEED], SMALL)


def test_every_sequence_counts_once_however_long_it_is() -> None:
    scored = (score("a/x", "a", 1.0, 1.0, 1.0, 0.2), score("a/y", "a", 0.4), score("b/z", "b", 0.2, 0.4))
    scores = MaskScores(SMALL, (SEED,), scored)
    assert scored[0].mean(0)["auc"] == pytest.approx(0.8)
    assert scores.groups == ["a", "b"]
    assert scores.mean(0, "a")["auc"] == pytest.approx(0.6)
    assert scores.mean(0, "b")["auc"] == pytest.approx(0.3)
    assert scores.mean(0)["auc"] == pytest.approx(0.5)
    assert scores.mean(0)["recall"] == pytest.approx(0.25)
    assert scores.mean(0, "b")["precision"] == 0.25


def test_several_processes_find_what_one_finds_and_progress_is_told(tmp_path: Path) -> None:
    for seed in range(3):
        write_sequence(tmp_path / str(seed), count=8, seed=seed)
    sequences = find_sequences(tmp_path)
    told: list[tuple[int, int]] = []
    one = score_masks(sequences, [SEED, FAME], SMALL, progress=lambda *counts: told.append(counts))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert score_masks(sequences, [SEED, FAME], SMALL, jobs=2) == one


def test_record_holds_every_figure_and_what_made_it(tmp_path: Path) -> None:
    for name in ("set/a", "set/b"):
        write_sequence(tmp_path / "truth" / name, count=11)
    (tmp_path / "truth" / "set" / "a" / "masks" / "00000.png").unlink()
    scores = score_masks(find_sequences(tmp_path / "truth"), [SEED, FAME], SMALL)
    write_scores(tmp_path / "out" / "masks.json", scores, tmp_path / "truth", 1.5)
    record = json.loads((tmp_path / "out" / "masks.json").read_text())
    assert record["protocol"] == SMALL.to_dict()
    assert record["truth"]["windows"] == 4
    assert record["truth"]["windows_scored"] == 3
    assert record["truth"]["windows_left_out"] == {"a frame without a true mask": 1}
    assert {"fame", "numpy", "opencv", "torch", "python"} == set(record["versions"])
    seed, fame = record["settings"]
    assert (seed["variant"], seed["motion"], seed["hue"]) == ("seed", "plain", "correct")
    assert seed["mean"] == seed["groups"]["set"]
    assert seed["mean"]["auc"] == pytest.approx(scores.mean(0)["auc"], abs=1e-6)
    assert fame["mean"]["iou"] == pytest.approx(scores.mean(1)["iou"], abs=1e-6)
    first, second = record["sequences"]
    assert first["windows"][0] == {"start": 0, "left_out": "a frame without a true mask"}
    assert second["windows"][0]["figures"]["seed, plain"]["recall"] == 1
    assert len(second["content"]) == 64


def test_record_tells_other_truth_from_the_same(tmp_path: Path) -> None:
    def content() -> str:
        return score_masks(find_sequences(tmp_path), [SEED], SMALL).sequences[0].content

    folder = write_sequence(tmp_path / "s", count=7)
    before = content()
    assert content() == before
    path = folder / "masks" / "00002.png"
    mask = np.array(Image.open(path))
    mask[0, 0] = 255
    Image.fromarray(mask).save(path)
    assert content() != before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clip_frames": 1}, "--clip-frames is 1; expected at least 2"),
        ({"frame_stride": 0}, "--frame-stride is 0; expected at least 1"),
        ({"hop_frames": 0}, "--hop-frames is 0; expected at least 1"),
        ({"size_px": 8}, "--size-px is 8; expected at least 16"),
        ({"map_short_side_px": 4}, "--map-short-side-px is 4; expected at least 8"),
        ({"beta": 0.0}, "--beta is 0.0; expected above 0"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        MaskProtocol(**options)  # type: ignore[arg-type]


def test_names_of_settings_tell_them_apart() -> None:
    assert MaskSetting("fame", "compensated", "published").name == "fame, compensated, published hue"
    assert MaskSetting().name == "fame, plain"


PUBLISHED = {
    "davis2016/breakdance": (0.84, 0.97, 0.82),
    "davis2016/dog": (0.24, 0.72, 0.93),
    "davis2016/motocross-jump": (0.63, 0.57, 0.84),
    "sbi2015/HighwayI": (0.80, 0.91, 0.49),
    "sbi2015/HumanBody2": (0.88, 0.93, 0.94),
}
"""AUC of FAME's mask, the plain seed and a centred blob, measured by another program at full resolution."""


@pytest.mark.real
def test_figures_are_those_that_another_program_measured(real_data: Path) -> None:
    sequences = find_sequences(real_data / "masks")
    scores = score_masks(sequences, [FAME, SEED, GAUSS], MaskProtocol(map_short_side_px=128))
    assert [one.name for one in scores.scored] == sorted(PUBLISHED)
    for sequence in scores.scored:
        found = [sequence.mean(number)["auc"] for number in range(3)]
        assert found == pytest.approx(PUBLISHED[sequence.name], abs=0.02)
    assert sum(len(sequence.windows) for sequence in scores.scored) == 13
