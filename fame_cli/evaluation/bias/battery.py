"""The tests of the bias report: which clips each shows, whose label counts, and which way is better."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from fame_cli.evaluation.bias import alter
from fame_cli.evaluation.bias.material import Material

Better = Literal["higher", "lower", "neither"]

AS_THEY_ARE = "as_they_are"

ALTERATIONS: Mapping[str, Callable[[Material], Tensor]] = {
    "stripes": lambda m: alter.paste(m.frames, m.mask, m.stripes),
    "scenes": lambda m: alter.paste(m.frames, m.mask, m.scene),
    "stripes_still": lambda m: alter.repeat_frame(alter.paste(m.frames, m.mask, m.stripes)),
    "scenes_still": lambda m: alter.repeat_frame(alter.paste(m.frames, m.mask, m.scene)),
    "same_class": lambda m: alter.paste(m.frames, m.mask, m.same),
    "other_class": lambda m: alter.paste(m.frames, m.mask, m.other),
    "background_mean": lambda m: alter.remove_foreground(m.frames, m.mask),
    "background_median": lambda m: alter.replace_foreground(m.frames, m.mask, m.median),
    "foreground": lambda m: alter.keep_foreground(m.frames, m.mask),
    "shuffled": lambda m: alter.shuffle_frames(m.frames, m.name),
    "reversed": lambda m: alter.reverse_frames(m.frames),
    "one_frame": lambda m: alter.repeat_frame(m.frames),
}
"""By name, what makes the clips (clips, T, S, S, 3) uint8 of a video."""


@dataclass(frozen=True)
class BiasTest:
    """A row of the report."""

    name: str
    title: str
    clips: str
    """Name of an alteration, or ``AS_THEY_ARE``."""
    better: Better
    label: Literal["foreground", "background"] = "foreground"
    """Whose class an answer has to be, to count."""
    unless: str = ""
    """An alteration of which the answer has to be wrong as well."""

    @property
    def needs(self) -> Literal["same", "other", ""]:
        """Which other video lends the background."""
        if self.clips == "same_class":
            return "same"
        return "other" if self.clips in ("other_class", "scenes", "scenes_still") else ""


TESTS = (
    BiasTest(AS_THEY_ARE, "as they are", AS_THEY_ARE, "higher"),
    BiasTest("scuba_stripes", "on stripes (SCUBA)", "stripes", "higher"),
    BiasTest("scufo_stripes", "on stripes, one frame (SCUFO)", "stripes_still", "lower"),
    BiasTest(
        "contrasted_stripes",
        "on stripes, contrasted",
        "stripes",
        "higher",
        unless="stripes_still",
    ),
    BiasTest("scuba_scenes", "on another scene (SCUBA)", "scenes", "higher"),
    BiasTest("scufo_scenes", "on a scene, one frame (SCUFO)", "scenes_still", "lower"),
    BiasTest(
        "contrasted_scenes",
        "on a scene, contrasted",
        "scenes",
        "higher",
        unless="scenes_still",
    ),
    BiasTest("swap_same", "on a same-class background", "same_class", "higher"),
    BiasTest("swap_other", "on an other-class background", "other_class", "higher"),
    BiasTest("swap_background", "that background's class wins", "other_class", "lower", label="background"),
    BiasTest("background_mean", "background only, mean colour", "background_mean", "lower"),
    BiasTest("background_median", "background only, median", "background_median", "lower"),
    BiasTest("foreground_only", "foreground only", "foreground", "higher"),
    BiasTest("shuffled", "frames shuffled", "shuffled", "neither"),
    BiasTest("reversed", "frames reversed", "reversed", "neither"),
    BiasTest("one_frame", "one frame repeated", "one_frame", "neither"),
)
"""In the order of the report."""
