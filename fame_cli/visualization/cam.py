"""Where a network looks: activation maps over the frames of a clip, as in Figure 4 of the paper."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fame_cli.visualization.masks import cut_out
from fame_cli.visualization.pictures import RGB, Picture, overlay, rescale, resize, strip
from fame_cli.visualization.sheet import Mark, SheetRow, Tile, draw_sheet

AGNOSTIC, CLASS, MOTION = "class-agnostic", "predicted class", "motion weights"


@dataclass(frozen=True)
class Answer:
    """What one model made of a clip; maps are (t, h, w) in [0, 1]."""

    model: str
    agnostic_map: Picture
    class_map: Picture | None = None
    predicted: str = ""
    motion_map: Picture | None = None
    """(1, h, w), adding up to 1: where the decomposition finds motion (``motion.py``)."""

    @property
    def maps(self) -> dict[str, Picture]:
        """Those that there are, by name."""
        found = {MOTION: self.motion_map, AGNOSTIC: self.agnostic_map, CLASS: self.class_map}
        return {name: one for name, one in found.items() if one is not None}


@dataclass(frozen=True)
class CamExample:
    """A clip, the answer of each model (the same models for every clip of a sheet) and the FAME mask."""

    caption: str
    frames: Picture
    """(T, H, W, 3), the very pixels that the models saw, so that the maps lie right"""
    answers: Sequence[Answer]
    true_class: str = ""
    mask: Picture | None = None
    """(h, w) of 0 and 1, what FAME keeps"""
    true_mask: Picture | None = None
    """(T, h, w) of 0 and 1, the true foreground of each frame, where it is known"""

    @property
    def masks(self) -> dict[str, Picture]:
        """Those that there are, (T, h, w), by name."""
        found = {"truth": self.true_mask}
        if self.mask is not None:
            found = {"mask": np.broadcast_to(self.mask, (len(self.frames), *self.mask.shape)), **found}
        return {name: mask for name, mask in found.items() if mask is not None}


def class_agnostic_map(features: Picture) -> NDArray[np.float32]:
    """Where a network responds at all: mean over D of the absolute features (D, t, h, w), min-max: (t, h, w).

    The mean of absolute values, not of squares: behind a ReLU it is the plain sum over channels of the
    usual class-agnostic map up to a factor, and one loud channel does not drown the others.
    """
    return rescale(np.abs(np.asarray(features, dtype=np.float32)).mean(axis=0))


def class_activation_map(features: Picture, weight: Picture) -> NDArray[np.float32]:
    """Zhou et al. 2016, Eq. 2: M_c(t,y,x) = Σ_d w_d^c f_d(t,y,x), then ReLU, then min-max over the clip.

    ``features`` (D, t, h, w) before global average pooling, ``weight`` (D,) of the class c; returns (t, h, w)
    in [0, 1]. The ReLU (not in Zhou et al.) leaves only what speaks for the class; a map that speaks against
    it everywhere becomes zeros. The class's bias is left out as in Zhou et al.: it is the same everywhere.
    A factor on the features (such as the probe's L2 normalisation) cancels in the min-max.
    """
    evidence = np.tensordot(np.asarray(weight, dtype=np.float32), np.asarray(features, np.float32), axes=1)
    return rescale(np.maximum(evidence, 0))


def upsample(maps: Picture, T: int, H: int, W: int) -> NDArray[np.float32]:
    """Maps (t, h, w) to (T, H, W): linear in time and space, cells centred (half-pixel), ends held."""
    t = len(maps)
    spatial = np.stack([resize(np.asarray(one, dtype=np.float32), H, W) for one in maps])
    times = np.clip((np.arange(T) + 0.5) * t / T - 0.5, 0, t - 1)
    before = np.floor(times).astype(int)
    after = np.minimum(before + 1, t - 1)
    share = (times - before).astype(np.float32)[:, None, None]
    return np.asarray(spatial[before] * (1 - share) + spatial[after] * share, dtype=np.float32)


def share_inside(maps: Picture, mask: Picture) -> float | None:
    """Share of the activation of maps (t, h, w) ≥ 0 that lies inside a mask (T, H, W) of 0 and 1.

    An even map gives the mask's share of the area. None where there is no activation.
    """
    fine = upsample(maps, *mask.shape).astype(np.float64)
    total = float(fine.sum())
    return float((fine * (np.asarray(mask) > 0)).sum()) / total if total > 0 else None


def cam_sheet(examples: Sequence[CamExample], *, frames_shown: int = 2) -> RGB:
    """A row a clip: frames, the overlays of each model's maps, the mask."""
    rows = [_row(example, *_films(example), frames_shown) for example in examples]
    return draw_sheet(
        rows,
        _titles(examples[0]),
        heading="Where the network looks",
        explanation="Red: strong activation, gray: none; each map is scaled to the range of its own clip. "
        "Beneath: how much of it lies inside what FAME keeps, and inside the true foreground if known"
        f"{_even(examples)}.",
    )


def cam_animation(examples: Sequence[CamExample]) -> RGB:
    """The columns of ``cam_sheet`` playing beside each other: (N, H, W, 3), N frames of the shortest clip."""
    films = [_films(example) for example in examples]
    length = min(len(example.frames) for example in examples)
    titles = _titles(examples[0])
    sheets = []
    for time in range(length):
        now = slice(time, time + 1)
        rows = [
            _row(example, frames[now], [overlaid[now] for overlaid in overlays], 1)
            for example, (frames, overlays) in zip(examples, films, strict=True)
        ]
        sheets.append(draw_sheet(rows, titles))
    return np.stack(sheets)


def _even(examples: Sequence[CamExample]) -> str:
    """What share of an even map would be inside the masks: their share of the area, over all clips."""
    areas: dict[str, list[float]] = {}
    for example in examples:
        for name, mask in example.masks.items():
            areas.setdefault(name, []).append(float(np.mean(np.asarray(mask) > 0)))
    told = " and ".join(f"{100 * np.mean(shares):.0f} % in {name}" for name, shares in areas.items())
    return f"; an even map would have {told}" if told else ""


def _films(example: CamExample) -> tuple[Picture, list[RGB]]:
    """The clip's frames and, for each map of each answer, the frames with the map laid over them."""
    T, H, W = example.frames.shape[:3]
    maps = [rescale(one) for answer in example.answers for one in answer.maps.values()]
    overlays = [
        np.stack([overlay(f, m) for f, m in zip(example.frames, upsample(one, T, H, W), strict=True)])
        for one in maps
    ]
    return example.frames, overlays


def _row(example: CamExample, frames: Picture, overlays: Sequence[RGB], frames_shown: int) -> SheetRow:
    remaining = iter(overlays)
    tiles = [Tile(strip(frames, frames_shown))]
    for answer in example.answers:
        for name, one in answer.maps.items():
            told = f"predicted: {answer.predicted}\n" if name == CLASS else ""
            mark = _mark(example, answer) if name == CLASS else None
            note = f"{told}{_shares(example, one)}".strip()
            tiles.append(Tile(strip(next(remaining), frames_shown), note, mark))
    if example.mask is not None:
        tiles.append(Tile(cut_out(example.frames[len(example.frames) // 2], example.mask)))
    caption = f"{example.caption}\ntrue: {example.true_class}" if example.true_class else example.caption
    return SheetRow(caption, tiles)


def _shares(example: CamExample, maps: Picture) -> str:
    shares = {name: share_inside(maps, mask) for name, mask in example.masks.items()}
    return ", ".join(
        f"{100 * share:.0f} % in {name}" if share is not None else f"none in {name}"
        for name, share in shares.items()
    )


def _mark(example: CamExample, answer: Answer) -> Mark | None:
    if not (example.true_class and answer.predicted):
        return None
    return "right" if answer.predicted == example.true_class else "wrong"


def _titles(example: CamExample) -> list[str]:
    titles = ["clip"]
    titles += [f"{answer.model}\n{name}".strip() for answer in example.answers for name in answer.maps]
    return titles + ["FAME keeps"] * (example.mask is not None)
