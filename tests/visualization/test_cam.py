"""Activation maps against arrays computed by hand, and the sheets made from them."""

import numpy as np
import pytest

from fame_cli.errors import ArtefactError
from fame_cli.visualization.cam import (
    Answer,
    CamExample,
    cam_animation,
    cam_sheet,
    class_activation_map,
    class_agnostic_map,
    upsample,
)
from fame_cli.visualization.sheet import MARK_COLORS

FEATURES = np.array([[[[1.0, -2.0], [0.0, 3.0]]], [[[1.0, 0.0], [4.0, -1.0]]]])
"""(D=2, t=1, h=2, w=2)"""


def test_class_agnostic_map_is_the_rescaled_mean_of_absolute_features() -> None:
    # |f| summed over D: 2, 2, 4, 4; min-max gives 0, 0, 1, 1.
    assert np.array_equal(class_agnostic_map(FEATURES), np.float32([[[0, 0], [1, 1]]]))


def test_one_loud_channel_counts_no_more_than_its_size() -> None:
    # Sums of absolute values 4, 4 and 0 (squares would put the first above the second).
    features = np.array([[[[4.0, 2.0, 0.0]]], [[[0.0, 2.0, 0.0]]]])
    assert np.array_equal(class_agnostic_map(features), np.float32([[[1, 1, 0]]]))


def test_class_activation_map_is_the_weighted_sum_above_zero() -> None:
    # 2·f_0 + 1·f_1 = 3, -4, 4, 5; ReLU 3, 0, 4, 5; min-max .6, 0, .8, 1.
    found = class_activation_map(FEATURES, np.array([2.0, 1.0]))
    assert np.allclose(found, [[[0.6, 0], [0.8, 1]]])


def test_a_map_that_speaks_against_the_class_everywhere_is_zero() -> None:
    assert np.array_equal(class_activation_map(np.ones((3, 2, 2, 2)), -np.ones(3)), np.zeros((2, 2, 2)))


def test_a_positive_factor_on_the_features_changes_no_map() -> None:
    features = np.random.default_rng(0).normal(size=(5, 2, 3, 3))
    weight = np.random.default_rng(1).normal(size=5)
    assert np.allclose(class_activation_map(features, weight), class_activation_map(7 * features, weight))
    assert np.allclose(class_agnostic_map(features), class_agnostic_map(7 * features))


def test_features_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ArtefactError, match="not finite"):
        class_agnostic_map(np.full((2, 1, 2, 2), np.nan))


def test_upsampling_in_time_is_linear_between_the_middles_of_the_cells() -> None:
    maps = np.stack([np.zeros((2, 2)), np.ones((2, 2))])
    found = upsample(maps, 8, 4, 4)
    assert found.shape == (8, 4, 4)
    assert np.allclose(found[:, 0, 0], [0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1])


def test_upsampling_in_space_keeps_the_hottest_cell_in_its_place() -> None:
    maps = np.zeros((1, 3, 3))
    maps[0, 2, 0] = 1
    found = upsample(maps, 2, 30, 60)
    assert found.shape == (2, 30, 60)
    row, column = np.unravel_index(found[1].argmax(), (30, 60))
    assert row >= 20
    assert column < 20


def clip(count: int = 4) -> np.ndarray:
    return np.full((count, 24, 32, 3), 90, dtype=np.uint8)


def unit_maps() -> np.ndarray:
    return np.linspace(0, 1, 18).reshape(2, 3, 3)


def has(sheet: np.ndarray, color: tuple[int, int, int]) -> bool:
    return bool((sheet == color).all(axis=2).any())


def test_a_right_prediction_is_marked_right_and_a_wrong_one_wrong() -> None:
    right = CamExample("a", clip(), [Answer("", unit_maps(), unit_maps(), "run")], "run")
    wrong = CamExample("b", clip(), [Answer("", unit_maps(), unit_maps(), "jump")], "run")
    assert has(cam_sheet([right]), MARK_COLORS["right"])
    assert not has(cam_sheet([right]), MARK_COLORS["wrong"])
    assert has(cam_sheet([wrong]), MARK_COLORS["wrong"])
    assert not has(cam_sheet([wrong]), MARK_COLORS["right"])


def test_without_a_true_class_nothing_is_marked() -> None:
    sheet = cam_sheet([CamExample("a", clip(), [Answer("", unit_maps(), unit_maps(), "run")])])
    assert not has(sheet, MARK_COLORS["right"])
    assert not has(sheet, MARK_COLORS["wrong"])


def test_each_model_and_the_mask_add_columns() -> None:
    def sheet_width(models: int, mask: bool) -> int:
        answers = [Answer(f"m{number}", unit_maps()) for number in range(models)]
        example = CamExample("a", clip(), answers, mask=np.ones((24, 32)) if mask else None)
        return cam_sheet([example], frames_shown=1).shape[1]

    tile_width = round(32 * 128 / 24)
    assert sheet_width(2, False) == sheet_width(1, False) + tile_width + 10
    assert sheet_width(2, True) == sheet_width(2, False) + tile_width + 10


def test_cam_animation_follows_the_map_through_time() -> None:
    maps = np.zeros((2, 1, 1))
    maps[1] = 1
    frames = cam_animation([CamExample("a", clip(6), [Answer("m", maps)])])
    assert frames.shape[0] == 6
    middle_of_overlay = frames[:, -60, -80].astype(int)
    redness = middle_of_overlay[:, 0] - middle_of_overlay[:, 2]
    assert redness[-1] > redness[0] + 30
