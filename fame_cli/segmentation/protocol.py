"""How masks are scored against true masks: the options of ``fame eval masks``."""

from dataclasses import dataclass
from typing import Annotated

from fame_cli.config import (
    ClipConfig,
    HopFrames,
    MapShortSidePx,
    MaskConfig,
    MotionOption,
    StatisticsConfig,
    require_difference,
)
from fame_cli.configuration import Configuration
from fame_cli.method import Beta, HueOption, VariantOption
from fame_cli.option import Option


@dataclass(frozen=True)
class MaskProtocol(ClipConfig):
    """How clips are cut from a sequence, and how their masks are computed and compared."""

    hop_frames: HopFrames = 16
    size_px: Annotated[
        int,
        Option(
            "Side of the square that whole frames, true masks and masks are scaled to.",
            unit="pixels",
            at_least=16,
            group="Clips",
        ),
    ] = 128
    map_short_side_px: MapShortSidePx = StatisticsConfig.map_short_side_px
    beta: Beta = MaskConfig.beta

    def __post_init__(self) -> None:
        super().__post_init__()
        require_difference(self)

    def statistics(self, setting: "MaskSetting") -> StatisticsConfig:
        """The statistics options for these clips and one setting."""
        return StatisticsConfig(
            clip_frames=self.clip_frames,
            frame_stride=self.frame_stride,
            hop_frames=self.hop_frames,
            map_short_side_px=self.map_short_side_px,
            hue=setting.hue,
            motion=setting.motion,
        )


@dataclass(frozen=True)
class MaskSetting(Configuration):
    """One way to compute masks; several are compared."""

    variant: VariantOption = MaskConfig.variant
    motion: MotionOption = StatisticsConfig.motion
    hue: HueOption = StatisticsConfig.hue

    @property
    def decisive(self) -> tuple[str, ...]:
        """The options that affect its masks: a centred blob ignores the clip, the seed ignores colour."""
        match self.variant:
            case "gauss":
                return (self.variant,)
            case "seed" | "grid":
                return (self.variant, self.motion)
            case _:
                return (self.variant, self.motion, self.hue)

    @property
    def name(self) -> str:
        if self.variant == "gauss":
            return self.variant
        return f"{self.variant}, {self.motion}" + (", published hue" if self.hue == "published" else "")
