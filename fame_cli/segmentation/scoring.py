"""How well masks find what moves: soft and hard masks of clips against true object masks.

The masks are computed as in training: from a clip's statistics at the resolution of a store.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from fame_cli.config import StatisticsConfig
from fame_cli.data.clip_statistics import ClipStatistics, statistics_of_clip
from fame_cli.data.clips import clip_indices, clip_span, hop_starts
from fame_cli.data.mask_image import read_frame, read_mask
from fame_cli.data.picture import Frame
from fame_cli.errors import InputError
from fame_cli.foreground.of_clips import Maps, masks_of_maps
from fame_cli.segmentation.protocol import MaskProtocol, MaskSetting
from fame_cli.segmentation.scores import ClipScore, Figures, MaskScores, SequenceScore
from fame_cli.segmentation.sequences import TrueSequence

Array = np.ndarray[Any, np.dtype[Any]]

LEAST_OBJECT_PIXELS = 20
"""Clips with fewer true object pixels, at ``size_px``, are not scored."""

TOO_FEW_FRAMES = "too few frames for a clip"
NO_MASK = "a frame without a true mask"
NO_OBJECT = f"fewer than {LEAST_OBJECT_PIXELS} object pixels"
NO_BACKGROUND = "no background pixel"


@dataclass(frozen=True)
class Shot:
    """A frame and its true mask, scaled to the protocol's square by area and nearest neighbour."""

    frame: Frame
    """(S, S, 3) uint8 RGB."""
    is_object: Array
    """(S, S) bool."""
    is_ignored: Array
    """(S, S) bool."""
    size: tuple[int, ...]
    """(H, W) of the image file."""


@dataclass(frozen=True)
class Window:
    """A clip and its true mask."""

    start: int
    frames: tuple[Frame, ...]
    """T of (S, S, 3) uint8 RGB."""
    truth: Array
    """(S, S) bool: pixels that are object in more than half of the frames."""
    valid: Array
    """(S, S) bool: pixels that no frame ignores."""


def score_masks(
    sequences: Sequence[TrueSequence],
    settings: Sequence[MaskSetting],
    protocol: MaskProtocol,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> MaskScores:
    """Score the masks of every setting on the clips of every sequence, ``jobs`` sequences at a time.

    Raises InputError if a file cannot be read or nothing can be scored.
    """
    import joblib

    parallel = joblib.Parallel(n_jobs=jobs, return_as="generator")
    calls = (joblib.delayed(score_sequence)(sequence, settings, protocol) for sequence in sequences)
    found: list[SequenceScore] = []
    report = progress or (lambda *_: None)
    report(0, len(sequences))
    for score in parallel(calls):
        found.append(score)
        report(len(found), len(sequences))
    scores = MaskScores(protocol, tuple(settings), tuple(found))
    if not scores.scored:
        raise nothing_scored_error(scores)
    return scores


def nothing_scored_error(scores: MaskScores) -> InputError:
    clip_frames, frame_stride = scores.protocol.clip_frames, scores.protocol.frame_stride
    span = clip_span(clip_frames, frame_stride)
    longest = max(sequence.frames for sequence in scores.sequences)
    reasons = ", ".join(f"{count} for {reason}" for reason, count in scores.left_out.items())
    hint = "Check the true masks: objects are 255, background 0, and every frame of a clip needs one."
    if TOO_FEW_FRAMES in scores.left_out:
        hint = (
            f"A clip of {clip_frames} frames at stride {frame_stride} covers {span} frames (--clip-frames, "
            f"--frame-stride); the longest sequence has {longest}."
        )
    return InputError(f"no clip can be scored: of {sum(scores.left_out.values())} clips, {reasons}.", hint)


def score_sequence(
    sequence: TrueSequence, settings: Sequence[MaskSetting], protocol: MaskProtocol
) -> SequenceScore:
    """Score every clip of a sequence, or give the reason why not."""
    cv2.setNumThreads(1)
    content = hashlib.sha256()
    windows = [
        window if isinstance(window, ClipScore) else score_clip(window, settings, protocol)
        for window in windows_of(sequence, protocol, content.update)
    ]
    frames = len(sequence.frames)
    return SequenceScore(sequence.name, sequence.group, frames, content.hexdigest(), tuple(windows))


def windows_of(
    sequence: TrueSequence, protocol: MaskProtocol, note: Callable[[bytes], object] = lambda _: None
) -> Iterator[Window | ClipScore]:
    """The clips of a sequence in order, one in memory at a time, or the reason why one cannot be scored.

    ``note`` is called with the pixels of each frame and mask read.
    """
    count, span = len(sequence.frames), clip_span(protocol.clip_frames, protocol.frame_stride)
    if count < span:
        yield ClipScore(0, TOO_FEW_FRAMES)
        return
    held: dict[int, Shot] = {}
    for start in hop_starts(count, span, protocol.hop_frames).tolist():
        indices = clip_indices(start, protocol.clip_frames, protocol.frame_stride, count).tolist()
        if any(sequence.masks[index] is None for index in indices):
            yield ClipScore(start, NO_MASK)
            continue
        held = {n: held.get(n) or read_shot(sequence, n, protocol.size_px, note) for n in indices}
        if len({shot.size for shot in held.values()}) > 1:
            raise InputError(f"the frames in {sequence.frames[start].parent} are not all of the same size.")
        yield window_of(start, list(held.values()))


def read_shot(sequence: TrueSequence, index: int, size_px: int, note: Callable[[bytes], object]) -> Shot:
    frame_path, mask_path = sequence.frames[index], sequence.masks[index]
    assert mask_path is not None
    frame, (is_object, is_ignored) = read_frame(frame_path), read_mask(mask_path)
    if frame.shape[:2] != is_object.shape:
        raise InputError(
            f"{mask_path} is {sides(is_object)} pixels, but its frame {frame_path} is {sides(frame)}."
        )
    for part in (frame, is_object, is_ignored):
        note(part.tobytes())
    enlarged = min(frame.shape[:2]) < size_px
    return Shot(
        frame=resize_square(frame, size_px, cv2.INTER_LINEAR if enlarged else cv2.INTER_AREA),
        is_object=resize_square(is_object.astype(np.uint8), size_px, cv2.INTER_NEAREST_EXACT) > 0,
        is_ignored=resize_square(is_ignored.astype(np.uint8), size_px, cv2.INTER_NEAREST_EXACT) > 0,
        size=frame.shape[:2],
    )


def sides(image: Array) -> str:
    return f"{image.shape[1]}×{image.shape[0]}"


def resize_square(image: Array, size_px: int, interpolation: int) -> Array:
    return cv2.resize(image, (size_px, size_px), interpolation=interpolation)


def window_of(start: int, shots: Sequence[Shot]) -> Window:
    times_object = np.sum([shot.is_object for shot in shots], axis=0)
    return Window(
        start=start,
        frames=tuple(shot.frame for shot in shots),
        truth=2 * times_object > len(shots),
        valid=~np.any([shot.is_ignored for shot in shots], axis=0),
    )


def score_clip(window: Window, settings: Sequence[MaskSetting], protocol: MaskProtocol) -> ClipScore:
    truth = window.truth[window.valid]
    if truth.sum() < LEAST_OBJECT_PIXELS:
        return ClipScore(window.start, NO_OBJECT)
    if truth.all():
        return ClipScore(window.start, NO_BACKGROUND)
    masks = masks_of(window, settings, protocol)
    figures = [mask_figures(soft, hard, window.truth, window.valid) for soft, hard in masks]
    return ClipScore(window.start, object_share=float(truth.mean()), figures=tuple(figures))


def masks_of(
    window: Window, settings: Sequence[MaskSetting], protocol: MaskProtocol
) -> Iterator[tuple[Array, Array]]:
    """Soft mask (S, S) float32 and hard mask (S, S) bool of a clip for each setting."""
    computed: dict[StatisticsConfig, ClipStatistics] = {}
    for setting in settings:
        config = protocol.statistics(setting)
        if config not in computed:
            computed[config] = statistics_of_clip(window.frames, config)
        kept = computed[config]
        maps = Maps(to_batch(kept.seed), to_batch(kept.bins.astype(np.int64)))
        counts = to_batch(kept.foreground).float(), to_batch(kept.background).float()
        masks = masks_of_maps(maps, protocol.size_px, protocol.beta, setting.variant, counts)
        yield masks.soft[0].numpy(), masks.hard[0].numpy()


def to_batch(values: Array) -> Tensor:
    return torch.from_numpy(values)[None]


def mask_figures(soft: Array, hard: Array, truth: Array, valid: Array) -> Figures:
    """AUC of a soft mask; recall, precision and IoU of a hard one: all (S, S), over the valid pixels.

    These must include both object and background. A hard mask with no valid pixel has precision 0.
    """
    soft, hard, truth = soft[valid], hard[valid], truth[valid]
    both = int((hard & truth).sum())
    return {
        "auc": area_under_curve(soft, truth),
        "recall": both / int(truth.sum()),
        "precision": both / max(1, int(hard.sum())),
        "iou": both / int((hard | truth).sum()),
    }


def area_under_curve(scores: Array, truth: Array) -> float:
    """The probability that an object pixel scores above a background pixel, with ties counting half.

    This is the exact area under the ROC curve, as the statistic of Mann and Whitney (1947).
    ``scores`` and ``truth`` (N,), with both classes present.
    """
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    # Twice the mean rank of equal scores, so that everything stays an integer.
    doubled_ranks = 2 * counts.cumsum() - counts + 1
    objects = int(truth.sum())
    background = truth.size - objects
    doubled_wins = int(doubled_ranks[places[truth]].sum()) - objects * (objects + 1)
    return doubled_wins / (2 * objects * background)
