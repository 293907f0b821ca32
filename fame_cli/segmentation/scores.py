"""Scores of masks against true masks: means over clips, sequences and sets, and their file."""

import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import cv2
import numpy as np
import torch

from fame_cli import __version__
from fame_cli.config import fingerprint
from fame_cli.disk import write_json
from fame_cli.segmentation.protocol import MaskProtocol, MaskSetting

SCHEMA_VERSION = 1
FIGURES = ("auc", "recall", "precision", "iou")
DIGITS = 6
"""Decimal places of figures in the file."""

Figures = dict[str, float]
"""Values by the names in FIGURES, each in [0, 1]."""


@dataclass(frozen=True)
class ClipScore:
    """The scores of a clip; no figures if it was left out."""

    start: int
    """Its first frame, from 0."""
    left_out: str = ""
    """The reason, if it was left out."""
    object_share: float | None = None
    """Share of object among the scored pixels."""
    figures: tuple[Figures, ...] = ()
    """One entry per setting."""


@dataclass(frozen=True)
class SequenceScore:
    """The clips of a sequence."""

    name: str
    group: str
    frames: int
    content: str
    """SHA-256 of all frame and mask pixels read."""
    windows: tuple[ClipScore, ...]

    @property
    def scored(self) -> list[ClipScore]:
        return [window for window in self.windows if window.figures]

    @property
    def left_out(self) -> Counter[str]:
        """Number of clips left out, by reason."""
        return Counter(window.left_out for window in self.windows if window.left_out)

    def mean(self, setting: int) -> Figures:
        """Mean over the scored clips, of which there is at least one."""
        return mean_figures([window.figures[setting] for window in self.scored])


@dataclass(frozen=True)
class MaskScores:
    """The figures of every setting on every sequence."""

    protocol: MaskProtocol
    settings: tuple[MaskSetting, ...]
    sequences: tuple[SequenceScore, ...]

    @property
    def scored(self) -> list[SequenceScore]:
        """Sequences with at least one scored clip."""
        return [sequence for sequence in self.sequences if sequence.scored]

    @property
    def best(self) -> int:
        """Index of the setting with the highest mean AUC; ties go to the first."""
        return max(range(len(self.settings)), key=lambda setting: self.mean(setting)["auc"])

    @property
    def groups(self) -> list[str]:
        """The sets of the scored sequences."""
        return sorted({sequence.group for sequence in self.scored})

    @property
    def left_out(self) -> Counter[str]:
        """Number of clips left out in all sequences, by reason."""
        return sum((sequence.left_out for sequence in self.sequences), Counter[str]())

    def mean(self, setting: int, group: str | None = None) -> Figures:
        """Mean over all sequences or one group; each sequence counts once, however long it is."""
        chosen = [sequence for sequence in self.scored if group in (None, sequence.group)]
        return mean_figures([sequence.mean(setting) for sequence in chosen])


def mean_figures(figures: Sequence[Figures]) -> Figures:
    return {name: fmean(one[name] for one in figures) for name in FIGURES}


def write_scores(path: Path, scores: MaskScores, truth: Path, seconds: float) -> None:
    """Write every figure and everything it was computed from, atomically."""
    sequences = scores.sequences
    record = {
        "schema_version": SCHEMA_VERSION,
        "protocol": scores.protocol.to_dict(),
        "truth": {
            "folder": str(truth),
            "content": fingerprint([[sequence.name, sequence.content] for sequence in sequences]),
            "sequences": len(sequences),
            "sequences_scored": len(scores.scored),
            "windows": sum(len(sequence.windows) for sequence in sequences),
            "windows_scored": sum(len(sequence.scored) for sequence in sequences),
            "windows_left_out": dict(scores.left_out),
        },
        "versions": versions(),
        "seconds": round(seconds, 2),
        "settings": [setting_record(scores, number) for number in range(len(scores.settings))],
        "sequences": [sequence_record(scores, sequence) for sequence in sequences],
    }
    write_json(path, record)


def versions() -> dict[str, str]:
    return {
        "fame": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "torch": torch.__version__,
    }


def setting_record(scores: MaskScores, number: int) -> dict[str, Any]:
    setting = scores.settings[number]
    return {
        "name": setting.name,
        **setting.to_dict(),
        "mean": round_figures(scores.mean(number)),
        "groups": {group: round_figures(scores.mean(number, group)) for group in scores.groups if group},
    }


def sequence_record(scores: MaskScores, sequence: SequenceScore) -> dict[str, Any]:
    names = [setting.name for setting in scores.settings]
    return {
        "name": sequence.name,
        "group": sequence.group,
        "frames": sequence.frames,
        "content": sequence.content,
        "windows_scored": len(sequence.scored),
        "windows_left_out": dict(sequence.left_out),
        "mean": {name: round_figures(sequence.mean(number)) for number, name in enumerate(names)}
        if sequence.scored
        else {},
        "windows": [window_record(names, window) for window in sequence.windows],
    }


def window_record(names: Sequence[str], window: ClipScore) -> dict[str, Any]:
    if not window.figures:
        return {"start": window.start, "left_out": window.left_out}
    assert window.object_share is not None
    return {
        "start": window.start,
        "object_share": round(window.object_share, DIGITS),
        "figures": {
            name: round_figures(figures) for name, figures in zip(names, window.figures, strict=True)
        },
    }


def round_figures(figures: Figures) -> Figures:
    return {name: round(value, DIGITS) for name, value in figures.items()}
