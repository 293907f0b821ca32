"""How masks are scored against true ones: the options of ``fame eval masks``."""

from dataclasses import dataclass

from fame_cli.config import Configuration, Hue, Motion, PretrainConfig, StatisticsConfig, Variant


@dataclass(frozen=True)
class MaskProtocol(Configuration):
    """Which clips are cut from a sequence, and how their masks are made and compared."""

    clip_frames: int = 16
    """Frames in a clip, T."""
    frame_stride: int = 2
    """Distance between neighbouring frames of a clip, in frames of the sequence."""
    hop_frames: int = 16
    """Distance between the starts of neighbouring clips, in frames of the sequence."""
    size_px: int = 128
    """Side of the square that whole frames, true masks and masks are scaled to, in pixels."""
    map_short_side_px: int = StatisticsConfig.map_short_side_px
    """Side of the maps that masks are made from, as a statistics store keeps them, in pixels."""
    beta: float = PretrainConfig.beta
    """Share of a clip that the hard mask keeps, β in Eq. 4."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(self.clip_frames >= 2, "clip_frames", "at least 2, since the seed is a difference")
        self.require(self.frame_stride >= 1, "frame_stride", "at least 1")
        self.require(self.hop_frames >= 1, "hop_frames", "at least 1")
        self.require(self.size_px >= 16, "size_px", "at least 16 pixels")
        self.require(self.map_short_side_px >= 8, "map_short_side_px", "at least 8 pixels")
        self.require(0 < self.beta <= 1, "beta", "above 0, at most 1")

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

    variant: Variant = PretrainConfig.variant
    motion: Motion = StatisticsConfig.motion
    hue: Hue = StatisticsConfig.hue

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
