"""What mask and merge sheets show, and where."""

import numpy as np
import pytest

from fame_cli.visualization.masks import (
    GROUND,
    MaskExample,
    MergeExample,
    cut_out,
    mask_sheet,
    merge_animation,
    merge_sheet,
    share_held,
)
from fame_cli.visualization.pictures import heat

RED, GREEN, BLUE = (250, 0, 0), (0, 250, 0), (0, 0, 250)


def film(color: tuple[int, int, int], count: int = 4, side: int = 32) -> np.ndarray:
    return np.full((count, side, side, 3), color, dtype=np.uint8)


def share_of(sheet: np.ndarray, color: tuple[int, int, int]) -> int:
    return int((sheet == color).all(axis=2).sum())


def left_half(side: int = 32) -> np.ndarray:
    mask = np.zeros((side, side), np.uint8)
    mask[:, : side // 2] = 1
    return mask


def example(**more: object) -> MaskExample:
    maps = np.linspace(0, 3, 64, dtype=np.float32).reshape(8, 8)
    return MaskExample("a clip", film(RED), maps, maps / 3, left_half(), **more)


def merge_example(count: int = 4) -> MergeExample:
    mask = left_half()
    merged = np.where(mask[None, ..., None] > 0, film(RED, count), film(BLUE, count)).astype(np.uint8)
    return MergeExample("red on blue", film(RED, count), mask, film(BLUE, count), merged)


def test_cut_out_keeps_pixels_under_the_mask_and_grays_the_rest() -> None:
    frame = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    kept = cut_out(frame, np.array([[1, 0], [0, 1]]))
    assert np.array_equal(kept[0, 0], frame[0, 0])
    assert np.array_equal(kept[1, 1], frame[1, 1])
    assert (kept[0, 1] == GROUND).all()
    assert (kept[1, 0] == GROUND).all()


def test_a_small_mask_is_enlarged_in_blocks() -> None:
    kept = cut_out(film(RED, 1, 4)[0], np.array([[1, 0], [0, 0]]))
    assert (kept[:2, :2] == RED).all()
    assert (kept[2:] == GROUND).all()


def test_share_held_is_the_recall_of_the_true_mask() -> None:
    assert share_held(np.array([[1, 1, 1, 0]]), np.array([[0, 0, 1, 1]])) == 0.5
    assert share_held(np.array([[1, 1]]), np.array([[0, 0]])) == 1.0


def test_mask_sheet_shows_frames_and_the_kept_half_on_gray() -> None:
    sheet = mask_sheet([example()], 0.5, frames_shown=2)
    tile = 128 * 128
    assert share_of(sheet, RED) == pytest.approx(2.5 * tile, rel=0.02)
    assert share_of(sheet, (GROUND,) * 3) == pytest.approx(0.5 * tile, rel=0.01)


def test_each_variant_and_the_true_mask_add_a_column() -> None:
    alone = mask_sheet([example()], 0.5)
    with_truth = mask_sheet([example(true_mask=left_half())], 0.5)
    with_both = mask_sheet([example(true_mask=left_half(), variants={"grid": left_half()})], 0.5)
    assert with_truth.shape[1] == alone.shape[1] + 128 + 10
    assert with_both.shape[1] == with_truth.shape[1] + 128 + 10


def test_the_true_mask_is_outlined_on_what_is_kept() -> None:
    truth = np.zeros((32, 32), bool)
    truth[8:16, 8:16] = True
    plain = mask_sheet([example()], 0.5)
    outlined = mask_sheet([example(true_mask=truth)], 0.5)
    kept_left = plain.shape[1] - 16 - 128
    offset = outlined.shape[0] - plain.shape[0]
    assert offset >= 0
    column = outlined[:, kept_left + 48]
    assert (column == 255).all(axis=1).sum() < len(column)
    edge = outlined[:, kept_left + 32 : kept_left + 34]
    assert ((edge == 0).all(axis=2)).any()
    assert not (plain[:, kept_left + 32 : kept_left + 34] == 0).all(axis=2).any()


def test_the_seed_is_shown_from_its_least_to_its_greatest_value() -> None:
    seed = np.full((32, 32), 5.0)
    seed[:, 16:] = 8.0
    sheet = mask_sheet([MaskExample("", film(RED), seed, np.zeros((32, 32)), left_half())], 0.5)
    least, greatest = heat(np.array([[0.0, 1.0]]))[0]
    assert share_of(sheet, tuple(least)) > 1.4 * 128 * 128
    assert share_of(sheet, tuple(greatest)) > 0.4 * 128 * 128


def test_a_static_clip_with_a_constant_seed_can_be_drawn() -> None:
    still = MaskExample("still", film(GREEN), np.zeros((8, 8)), np.zeros((8, 8)), left_half())
    assert share_of(mask_sheet([still], 0.5), GREEN) > 0


def test_merge_sheet_shows_both_clips_and_their_halves() -> None:
    sheet = merge_sheet([merge_example()], frames_shown=2)
    tile = 112 * 112
    # A merged frame is enlarged smoothly, so a few pixels at its seam are neither red nor blue.
    assert share_of(sheet, RED) == pytest.approx(3 * tile, rel=0.05)
    assert share_of(sheet, BLUE) == pytest.approx(3 * tile, rel=0.05)


def test_merge_animation_has_a_frame_for_each_of_the_shortest_clip() -> None:
    frames = merge_animation([merge_example(4), merge_example(3)])
    assert frames.shape[0] == 3
    assert frames.dtype == np.uint8


def test_merge_animation_plays() -> None:
    moving = film(RED)
    moving[2] = GREEN
    still = merge_example()
    frames = merge_animation([MergeExample("", moving, still.mask, still.background, still.merged)])
    assert share_of(frames[2], GREEN) == 160 * 160
    assert share_of(frames[1], GREEN) == 0
