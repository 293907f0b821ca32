"""The picture beside the figures of ``fame eval masks``: the worst and the best masks, and what is true."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fame_cli.data.clips import clip_indices
from fame_cli.data.mask_image import read_frame
from fame_cli.segmentation.protocol import MaskProtocol, MaskSetting
from fame_cli.segmentation.scores import ClipScore, Figures, MaskScores, SequenceScore
from fame_cli.segmentation.scoring import Window, masks_of, windows_of
from fame_cli.segmentation.sequences import TrueSequence
from fame_cli.visualization.masks import cut_out
from fame_cli.visualization.pictures import RGB, Picture, overlay, resize, to_rgb
from fame_cli.visualization.sheet import CAPTION_PX, CAPTION_WIDTH_PX, SheetRow, Tile, draw_sheet
from fame_cli.visualization.text import printable, shorten

TILE_HEIGHT_PX = 144
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
HEAT_STRENGTH = 0.85
VEIL = 0.4
"""How much is left of a picture's contrast where pixels do not count."""
LEAST_WIDTH_PX = 192


@dataclass(frozen=True)
class ScoredMask:
    """The masks that a setting made of a clip, and what they are worth."""

    soft_mask: Picture
    """(S, S) in [0, 1]"""
    mask: Picture
    """(S, S) of 0 and 1"""
    figures: Figures


@dataclass(frozen=True)
class MaskScoreExample:
    """A clip with its truth and its masks."""

    caption: str
    frame: Picture
    """(H, W, 3), the middle one"""
    truth: Picture
    """(S, S) of 0 and 1"""
    valid: Picture
    """(S, S) of 0 and 1, the pixels that count"""
    masks: Sequence[ScoredMask]
    """By each setting"""


def mask_score_sheet(
    examples: Sequence[MaskScoreExample], settings: Sequence[MaskSetting], best: int = 0
) -> RGB:
    """A row a clip: its middle frame with the true object, then the masks of each setting.

    Sequences are ranked by the setting ``best``. Where there is one setting only, what its hard mask keeps
    is shown as well.
    """
    alone = len(settings) == 1
    titles = ["true object", *(setting.name for setting in settings)] + ["kept"] * alone
    ranked = "" if alone else f" of “{settings[best].name}”, the best of these"
    explanation = (
        f"Sequences from the worst to the best AUC{ranked}, each with the clip nearest to its mean. White "
        "line: border of what is object in more than half of the clip. Colours: soft mask, red is most "
        "likely foreground, blue least. Black line: border of what the hard mask keeps."
    )
    if not all(example.valid.all() for example in examples):
        explanation += " White veil: pixels that do not count, since the truth ignores them in some frame."
    return draw_sheet(
        [score_row(example) for example in examples],
        titles,
        heading="Masks against true ones",
        explanation=explanation,
        tile_height_px=TILE_HEIGHT_PX,
    )


def score_row(example: MaskScoreExample) -> SheetRow:
    frame = to_rgb(example.frame)
    # Scaled here already, so that lines are equally thin on frames of any size.
    frame = to_rgb(resize(frame, TILE_HEIGHT_PX, round(frame.shape[1] * TILE_HEIGHT_PX / frame.shape[0])))
    pictures = [draw_outline(veil(frame, example.valid), example.truth, WHITE)]
    for scored in example.masks:
        colours = overlay(frame, scored.soft_mask, HEAT_STRENGTH)
        pictures.append(draw_outline(draw_outline(colours, scored.mask, BLACK), example.truth, WHITE))
    if len(example.masks) == 1:
        pictures.append(draw_outline(cut_out(frame, example.masks[0].mask), example.truth, WHITE))
    notes = ["", *(format_figures(scored.figures) for scored in example.masks), ""]
    return SheetRow(
        example.caption,
        [Tile(widen(picture), note) for picture, note in zip(pictures, notes, strict=False)],
    )


def format_figures(figures: Figures) -> str:
    return "AUC {auc:.2f} · IoU {iou:.2f}\nrecall {recall:.2f} · precision {precision:.2f}".format(**figures)


def widen(picture: RGB) -> RGB:
    """The picture with white at its sides where it is narrower than the figures beneath it."""
    lacking = max(0, LEAST_WIDTH_PX - picture.shape[1])
    sides = (lacking // 2, lacking - lacking // 2)
    return np.pad(picture, ((0, 0), sides, (0, 0)), constant_values=255)


def veil(picture: RGB, valid: Picture) -> RGB:
    """The picture, pale where a mask (h, w) is 0."""
    pale = np.uint8(255 - VEIL * 255) + (VEIL * picture).astype(np.uint8)
    return np.where(enlarge(valid, picture)[..., None], picture, pale)


def enlarge(mask: Picture, picture: RGB) -> NDArray[np.bool_]:
    """A mask at the size of a picture, its border smooth rather than in stairs."""
    height, width = picture.shape[:2]
    return cv2.resize((mask > 0).astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) > 0.5


def draw_outline(picture: RGB, mask: Picture, color: tuple[int, int, int]) -> RGB:
    """The picture with the border of a mask, which may be smaller, as a thin line; a white one edged."""
    fitted = enlarge(mask, picture).astype(np.uint8)
    lines, _ = cv2.findContours(fitted, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    drawn = picture.copy()
    if color == WHITE:
        cv2.drawContours(drawn, lines, -1, BLACK, 3)
    cv2.drawContours(drawn, lines, -1, color, 1)
    return drawn


def examples_of(
    scores: MaskScores,
    sequences: Sequence[TrueSequence],
    count: int,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[MaskScoreExample]:
    """Clips of the worst and the best sequences, ``count`` in all; their masks are made again from files."""
    files = {sequence.name: sequence for sequence in sequences}
    chosen, examples = choose_scores(scores, count), list[MaskScoreExample]()
    for rank, score in chosen:
        progress(len(examples), len(chosen))
        place = place_of(rank, len(scores.scored))
        examples.append(example_of(files[score.name], score, place, scores))
    progress(len(examples), len(chosen))
    return examples


def choose_scores(scores: MaskScores, count: int) -> list[tuple[int, SequenceScore]]:
    """The worst and the best sequences by the AUC of the best setting; each with its rank, 0 the worst."""
    best = scores.best
    ranked = list(enumerate(sorted(scores.scored, key=lambda score: score.mean(best)["auc"])))
    worst = ranked[: (count + 1) // 2]
    return worst + ranked[max(len(worst), len(ranked) - count // 2) :]


def place_of(rank: int, count: int) -> str:
    end = {0: " (worst)", count - 1: " (best)"}.get(rank, "") if count > 1 else ""
    return f"{rank + 1} of {count}{end}"


def example_of(
    sequence: TrueSequence, score: SequenceScore, place: str, scores: MaskScores
) -> MaskScoreExample:
    best, protocol = scores.best, scores.protocol
    chosen = typical(score, best)
    window = read_window(sequence, chosen.start, protocol)
    indices = clip_indices(
        chosen.start, protocol.clip_frames, protocol.frame_stride, len(sequence.frames)
    ).tolist()
    masks = masks_of(window, scores.settings, protocol)
    assert chosen.object_share is not None
    caption = [
        shorten(printable(score.name), CAPTION_WIDTH_PX, CAPTION_PX),
        place,
        f"mean AUC {score.mean(best)['auc']:.2f} (clips: {len(score.scored)})",
        f"shown: frames {indices[0]} to {indices[-1]}",
        f"object: {chosen.object_share:.1%} of pixels",
    ]
    return MaskScoreExample(
        caption="\n".join(caption),
        frame=read_frame(sequence.frames[indices[len(indices) // 2]]),
        truth=window.truth & window.valid,
        valid=window.valid,
        masks=[
            ScoredMask(soft, hard, figures)
            for (soft, hard), figures in zip(masks, chosen.figures, strict=True)
        ],
    )


def typical(score: SequenceScore, setting: int = 0) -> ClipScore:
    """The clip whose AUC, by one setting, is nearest to the sequence's mean."""
    mean = score.mean(setting)["auc"]
    return min(score.scored, key=lambda window: abs(window.figures[setting]["auc"] - mean))


def read_window(sequence: TrueSequence, start: int, protocol: MaskProtocol) -> Window:
    for window in windows_of(sequence, protocol):
        if isinstance(window, Window) and window.start == start:
            return window
    raise AssertionError(start)
