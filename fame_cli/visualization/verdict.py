"""The question that a misleading background puts, and what each network answered, in one picture."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from fame_cli.visualization.charts import colors_of, new_figure, save_figure
from fame_cli.visualization.pictures import RGB

FRAMES = 3
"""Of each clip, one beside the other: enough to see which way something moves."""


@dataclass(frozen=True)
class Shown:
    """A clip and the motion in it."""

    frames: RGB
    """(T, H, W, 3) uint8."""
    motion: str


@dataclass(frozen=True)
class Verdict:
    """A test clip between the two that it can be taken for."""

    same_motion: Shown
    """Learned from: the motion of the test clip before the background that it had then."""
    same_background: Shown
    """Learned from: another motion before the background of the test clip."""
    tested: Shown
    said: Mapping[str, str]
    """The motion that each network named in the test clip, by its name."""


def draw_verdict(verdict: Verdict, path: Path) -> None:
    """One row: both clips that were learned from, the test clip, and what each network said it shows."""
    figure = new_figure(12.0, 1.9)
    panels = figure.subplots(1, 4, width_ratios=[1, 1, 1, 0.75])
    clips = {
        "learned from": verdict.same_motion,
        "learned from, another background": verdict.same_background,
        "tested before that background": verdict.tested,
    }
    for axes, (title, clip) in zip(panels, clips.items(), strict=False):
        show_clip(axes, clip, f"{title}\n{in_words(clip.motion)}")
    show_answers(panels[-1], verdict)
    save_figure(figure, path)


def show_clip(axes: Axes, clip: Shown, title: str) -> None:
    """Frames of a clip from left to right, a gap between them."""
    places = np.linspace(0, len(clip.frames) - 1, FRAMES).round().astype(int)
    gap = np.full((clip.frames.shape[1], 3, 3), 255, np.uint8)
    row = [part for place in places for part in (clip.frames[place], gap)][:-1]
    axes.imshow(np.concatenate(row, axis=1), interpolation="nearest")
    axes.set_title(title, fontsize=11)
    axes.set_axis_off()


def show_answers(axes: Axes, verdict: Verdict) -> None:
    axes.set_axis_off()
    axes.set_title("what each network\nsays that it is", fontsize=11)
    names = list(verdict.said)
    for row, (name, color) in enumerate(zip(names, colors_of(names), strict=True)):
        height = 0.9 - 0.55 * row
        answer = "right" if verdict.said[name] == verdict.tested.motion else "wrong"
        said = f"{in_words(verdict.said[name])} – {answer}"
        axes.text(0.1, height, name, color=color, fontsize=11, fontweight="bold", transform=axes.transAxes)
        axes.text(0.1, height - 0.23, said, fontsize=11, transform=axes.transAxes)


def in_words(motion: str) -> str:
    return motion.replace("_", " ")
