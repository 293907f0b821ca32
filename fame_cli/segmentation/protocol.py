"""How masks are scored against true ones: the options of ``fame eval masks``."""

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
    """Which clips are cut from a sequence, and how their masks are made and compared."""

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
        """What a statistics store would be computed with for these clips and one setting."""
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
    """One way to make masks; several are scored side by side."""

    variant: VariantOption = MaskConfig.variant
    motion: MotionOption = StatisticsConfig.motion
    hue: HueOption = StatisticsConfig.hue

    @property
    def decisive(self) -> tuple[str, ...]:
        """What its masks depend on: a centred blob on nothing of the clip, the seed on no colour."""
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
