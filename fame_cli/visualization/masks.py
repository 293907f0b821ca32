"""Pictures of masks and merged clips, as in Figures 2 and 3 of the paper (Ding et al. 2022)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from fame_cli.visualization.pictures import RGB, Picture, heat, rescale, resize, strip, to_rgb
from fame_cli.visualization.sheet import SheetRow, Tile, draw_sheet

GROUND = 200
"""Gray level that stands where a mask keeps nothing."""
TILE_HEIGHT_PX = 128


@dataclass(frozen=True)
class MaskExample:
    """A clip and what its mask was made of; maps may be smaller than the frames."""

    caption: str
    frames: Picture
    """(T, H, W, 3)"""
    seed: Picture
    """(h, w), Eq. 2, any range"""
    soft_mask: Picture
    """(h, w) in [0, 1], Eq. 3"""
    mask: Picture
    """(h, w) of 0 and 1, Eq. 4"""
    true_mask: Picture | None = None
    """(h, w) of 0 and 1, the true foreground of the middle frame, where it is known"""
    variants: Mapping[str, Picture] = field(default_factory=dict)
    """Other masks (h, w) of 0 and 1 by their name, such as seed, grid, gauss (Table 6)"""


@dataclass(frozen=True)
class MergeExample:
    """Two clips and what merging them gave."""

    caption: str
    foreground: Picture
    """(T, H, W, 3), the clip that keeps its foreground"""
    mask: Picture
    """(h, w) of 0 and 1"""
    background: Picture
    """(T, H, W, 3), the clip that lends its background"""
    merged: Picture
    """(T, H, W, 3)"""


def mask_sheet(examples: Sequence[MaskExample], beta: float, *, frames_shown: int = 3) -> RGB:
    """A row a clip: some frames, seed, soft mask, what the mask keeps, the true mask, what variants keep.

    Every example has a true mask or none has, and all have the same variants.
    """
    with_truth = examples[0].true_mask is not None
    explanation = (
        "Seed and soft mask: red is most likely foreground, blue least. "
        "Kept: the middle frame, gray where the background of another clip will be."
    )
    titles = ["clip", "seed", "soft mask", f"kept, β = {beta:g}"]
    titles += ["true mask"] * with_truth + [f"kept by\n{name}" for name in examples[0].variants]
    return draw_sheet(
        [_mask_row(example, frames_shown) for example in examples],
        titles,
        heading="What the masks keep as foreground",
        explanation=explanation + " White line: border of the true mask." * with_truth,
    )


def merge_sheet(examples: Sequence[MergeExample], *, frames_shown: int = 2) -> RGB:
    """A row a pair: foreground clip, mask, background clip and merged clip, some frames each."""
    rows = [
        SheetRow(
            example.caption,
            [
                strip(example.foreground, frames_shown),
                example.mask > 0,
                strip(example.background, frames_shown),
                strip(example.merged, frames_shown),
            ],
        )
        for example in examples
    ]
    titles = ["foreground clip", "mask", "background clip", "merged clip"]
    explanation = (
        "The merged clip shows the foreground clip where the mask is white, else the background clip."
    )
    return draw_sheet(rows, titles, heading="Merging", explanation=explanation, tile_height_px=112)


def merge_animation(examples: Sequence[MergeExample]) -> RGB:
    """Frames (N, H, W, 3) of foreground, background and merged clips playing beside each other.

    N is the number of frames of the shortest clip.
    """
    clips = [(example.foreground, example.background, example.merged) for example in examples]
    titles = ["foreground clip", "background clip", "merged clip"]
    sheets = []
    for time in range(min(len(clip) for row in clips for clip in row)):
        rows = [
            SheetRow(example.caption, [clip[time] for clip in row])
            for example, row in zip(examples, clips, strict=True)
        ]
        sheets.append(draw_sheet(rows, titles, tile_height_px=160))
    return np.stack(sheets)


def cut_out(picture: Picture, mask: Picture) -> RGB:
    """The picture (H, W, 3) where the mask (h, w) is 1, an even gray where it is 0."""
    rgb = to_rgb(picture)
    return np.where(fit_mask(mask, rgb)[..., None], rgb, np.uint8(GROUND))


def share_held(mask: Picture, true_mask: Picture) -> float:
    """Share of the true foreground's pixels that a mask of the same shape keeps (recall), in [0, 1]."""
    truth = true_mask > 0
    return float((mask > 0)[truth].mean()) if truth.any() else 1.0


def _mask_row(example: MaskExample, frames_shown: int) -> SheetRow:
    middle = to_rgb(example.frames[len(example.frames) // 2])
    # Scaled here already, so that the outline is thin on small frames too.
    width = round(middle.shape[1] * TILE_HEIGHT_PX / middle.shape[0])
    middle = resize(middle, TILE_HEIGHT_PX, width)
    maps = [
        heat(resize(rescale(values), TILE_HEIGHT_PX, width)) for values in (example.seed, example.soft_mask)
    ]
    kept = [
        _kept_tile(middle, mask, example.true_mask) for mask in (example.mask, *example.variants.values())
    ]
    truth = [] if example.true_mask is None else [fit_mask(example.true_mask, middle)]
    return SheetRow(example.caption, [strip(example.frames, frames_shown), *maps, kept[0], *truth, *kept[1:]])


def _kept_tile(frame: RGB, mask: Picture, true_mask: Picture | None) -> Tile:
    picture = cut_out(frame, mask)
    if true_mask is None:
        return Tile(picture)
    truth = fit_mask(true_mask, frame)
    outlines, _ = cv2.findContours(truth.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    # White on black, so that it is seen on any picture.
    cv2.drawContours(picture, outlines, -1, (0, 0, 0), 3)
    cv2.drawContours(picture, outlines, -1, (255, 255, 255), 1)
    return Tile(picture, f"{share_held(fit_mask(mask, frame), truth):.0%} of true mask")


def fit_mask(mask: Picture, frame: Picture) -> NDArray[np.bool_]:
    """The mask as booleans at the size of the frame, or of another mask."""
    height, width = frame.shape[:2]
    binary = (mask > 0).astype(np.uint8)
    return cv2.resize(binary, (width, height), interpolation=cv2.INTER_NEAREST) > 0
