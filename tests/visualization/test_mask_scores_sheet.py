"""The sheet of masks beside true ones: which sequences, which clip of each, and what is drawn."""

from pathlib import Path

import numpy as np
import pytest
from segmentation.true_sequences import write_sequence

from fame_cli.segmentation.protocol import MaskProtocol, MaskSetting
from fame_cli.segmentation.scores import ClipScore, MaskScores, SequenceScore
from fame_cli.segmentation.scoring import score_masks
from fame_cli.segmentation.sequences import find_sequences
from fame_cli.visualization.mask_scores import (
    BLACK,
    LEAST_WIDTH_PX,
    TILE_HEIGHT_PX,
    WHITE,
    MaskScoreExample,
    ScoredMask,
    choose_scores,
    draw_outline,
    examples_of,
    mask_score_sheet,
    typical,
    veil,
    widen,
)

PROTOCOL = MaskProtocol(clip_frames=4, frame_stride=2, hop_frames=3, size_px=32, map_short_side_px=32)
FIGURES = {"auc": 0.5, "recall": 0.25, "precision": 0.125, "iou": 0.1}
SEED, FAME = MaskSetting("seed"), MaskSetting("fame")
GRAY = (90, 90, 90)


def block(top: int, bottom: int) -> np.ndarray:
    mask = np.zeros((32, 32), bool)
    mask[top:bottom, 8:24] = True
    return mask


def example(settings: int = 1, size: tuple[int, int] = (64, 64), valid: bool = True) -> MaskScoreExample:
    counted = np.ones((32, 32), bool)
    counted[28:] = valid
    masks = [ScoredMask(np.zeros((32, 32), np.float32), block(4, 12), FIGURES)] * settings
    return MaskScoreExample("a clip", np.full((*size, 3), GRAY, np.uint8), block(16, 24), counted, masks)


def scored(name: str, *aucs: float) -> SequenceScore:
    windows = (ClipScore(3 * number, "", 0.1, (FIGURES | {"auc": auc},)) for number, auc in enumerate(aucs))
    return SequenceScore(name, "", 20, "", tuple(windows))


def count(picture: np.ndarray, color: tuple[int, int, int]) -> int:
    return int((picture == color).all(axis=-1).sum())


def test_border_is_a_line_around_the_mask() -> None:
    drawn = draw_outline(np.full((64, 64, 3), GRAY, np.uint8), block(16, 24), WHITE)
    line = (drawn == 255).all(axis=-1)
    assert line[:, 32].nonzero()[0].tolist() == [32, 47]
    assert line[40].nonzero()[0].tolist() == [16, 47]
    assert (drawn[31, 32] == 0).all()
    dark = draw_outline(np.full((64, 64, 3), GRAY, np.uint8), block(16, 24), BLACK)
    assert count(dark, WHITE) == 0
    assert count(dark, BLACK) == line.sum()


def test_border_of_a_hole_is_drawn_too() -> None:
    ring = block(4, 28)
    ring[10:20, 12:20] = False
    drawn = draw_outline(np.full((32, 32, 3), GRAY, np.uint8), ring, BLACK)
    assert (drawn == 0).all(axis=-1)[:, 16].sum() == 4


def test_pixels_that_do_not_count_are_pale() -> None:
    picture = np.full((64, 64, 3), GRAY, np.uint8)
    shown = veil(picture, example(valid=False).valid)
    assert (shown[:56] == picture[:56]).all()
    assert (shown[56:] > 150).all()


def test_one_setting_is_shown_with_what_it_keeps_and_several_side_by_side() -> None:
    narrow = mask_score_sheet([example()], [SEED])
    wide = mask_score_sheet([example(3)], [SEED, FAME, MaskSetting("gauss")])
    assert wide.shape[1] == narrow.shape[1] + LEAST_WIDTH_PX + 10
    # What is kept stands on gray in the last column of a single setting.
    kept = block(4, 12).mean() * TILE_HEIGHT_PX**2
    assert count(narrow, GRAY) == pytest.approx(count(wide, GRAY) + kept, abs=0.1 * kept)


def test_veil_is_explained_only_where_there_is_one() -> None:
    plain = mask_score_sheet([example()], [SEED])
    assert mask_score_sheet([example(), example()], [SEED]).shape[0] > plain.shape[0] + TILE_HEIGHT_PX
    assert mask_score_sheet([example(valid=False)], [SEED]).shape[0] > plain.shape[0]


def test_narrow_pictures_leave_room_for_their_figures() -> None:
    portrait = mask_score_sheet([example(size=(160, 40))], [SEED])
    square = mask_score_sheet([example()], [SEED])
    assert portrait.shape == square.shape
    assert widen(np.zeros((10, 31, 3), np.uint8)).shape == (10, LEAST_WIDTH_PX, 3)
    assert widen(np.zeros((10, 200, 3), np.uint8)).shape == (10, 200, 3)


@pytest.mark.parametrize(
    ("sequences", "shown", "expected"),
    [
        (1, 8, [0]),
        (8, 8, [0, 1, 2, 3, 4, 5, 6, 7]),
        (20, 8, [0, 1, 2, 3, 16, 17, 18, 19]),
        (20, 5, [0, 1, 2, 18, 19]),
        (20, 1, [0]),
        (3, 2, [0, 2]),
    ],
)
def test_the_worst_and_the_best_sequences_are_shown(sequences: int, shown: int, expected: list[int]) -> None:
    order = np.random.default_rng(0).permutation(sequences)
    scores = MaskScores(PROTOCOL, (SEED,), tuple(scored(f"{n}", n / 100) for n in order))
    chosen = choose_scores(scores, shown)
    assert [int(score.name) for _, score in chosen] == expected
    assert [rank for rank, _ in chosen] == expected


def test_sequences_are_ranked_by_the_setting_that_is_best_over_all() -> None:
    def both(name: str, first: float, second: float) -> SequenceScore:
        figures = (FIGURES | {"auc": first}, FIGURES | {"auc": second})
        return SequenceScore(name, "", 20, "", (ClipScore(0, "", 0.1, figures),))

    scores = MaskScores(
        PROTOCOL, (SEED, FAME), (both("a", 0.1, 0.9), both("b", 0.2, 0.8), both("c", 0.3, 0.7))
    )
    assert scores.best == 1
    assert [score.name for _, score in choose_scores(scores, 3)] == ["c", "b", "a"]


def test_the_clip_shown_is_the_one_nearest_to_the_mean() -> None:
    assert typical(scored("s", 0.1, 0.6, 0.9)).start == 3
    assert typical(scored("s", 0.9)).start == 0


def test_masks_of_the_chosen_clip_are_made_again_as_they_were_scored(tmp_path: Path) -> None:
    for seed in range(3):
        write_sequence(tmp_path / f"s{seed}", count=14, seed=seed, step_px=seed)
    sequences = find_sequences(tmp_path)
    scores = score_masks(sequences, [SEED, FAME], PROTOCOL)
    examples = examples_of(scores, sequences, 8)
    assert len(examples) == 3
    assert "1 of 3 (worst)" in examples[0].caption
    assert "3 of 3 (best)" in examples[2].caption
    for one in examples:
        name = one.caption.splitlines()[0]
        sequence = next(score for score in scores.sequences if score.name == name)
        for number, mask in enumerate(one.masks):
            truth = one.truth
            assert mask.figures == typical(sequence, scores.best).figures[number]
            assert (mask.mask & truth).sum() / truth.sum() == mask.figures["recall"]
    assert mask_score_sheet(examples, scores.settings).dtype == np.uint8
