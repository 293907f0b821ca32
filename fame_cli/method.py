"""What can be chosen as distraction and as objective, each with options and defaults of its own."""

from dataclasses import dataclass
from typing import Annotated, Literal

from fame_cli.configuration import Method
from fame_cli.option import Option

Hue = Literal["correct", "published"]
Variant = Literal["fame", "seed", "grid", "gauss", "joint"]
Background = Literal["intra", "inter", "still"]
Branch = Literal["single", "both"]
StatisticsSource = Literal["cached", "online"]
Positive = Literal["another-time", "same-frames"]
ExtraNegative = Literal["none", "intra-video"]
SemiNegative = Literal["donor", "still"]
Head = Literal["mlp", "linear"]

Beta = Annotated[
    float,
    Option(
        "Fraction of a clip kept as foreground, β in Eq. 4; 1 keeps all and merges nothing.",
        above=0,
        at_most=1,
        group="Foreground",
    ),
]
VariantOption = Annotated[
    Variant, Option("How foreground is separated from background (Table 6).", group="Foreground")
]
HueOption = Annotated[
    Hue,
    Option(
        "How hue is binned: correctly, or as in the published code, where it wraps (for parity only).",
        group="Foreground",
    ),
]
Gamma = Annotated[
    float,
    Option(
        "Bound of the other clip's or frame's share, drawn evenly from 0 to it for each clip.",
        above=0,
        at_most=1,
        group="Distraction",
    ),
]
EmbeddingDim = Annotated[
    int, Option("Size of the embedding that the loss compares.", at_least=1, group="Objective")
]
Momentum = Annotated[
    float,
    Option(
        "Momentum of MoCo's key encoder, or of BYOL's target at the start (it rises to 1).",
        at_least=0,
        below=1,
        group="Objective",
    ),
]
Temperature = Annotated[float, Option("Temperature of the loss.", above=0, group="Objective")]


@dataclass(frozen=True)
class NoDistraction(Method):
    """The plain baseline."""

    name: Literal["none"] = "none"


@dataclass(frozen=True)
class DistractionMethod(Method):
    """What every distraction has."""

    branch: Annotated[
        Branch,
        Option("Distract one clip of each video, or both (Table 5).", group="Distraction"),
    ] = "single"


@dataclass(frozen=True)
class FameConfig(DistractionMethod):
    """The background of another clip behind the foreground (FAME, section 3.2)."""

    name: Literal["fame"] = "fame"
    beta: Beta = 0.5
    variant: VariantOption = "fame"
    background: Annotated[
        Background,
        Option(
            "Source of the new background (Table 4): another time of the same video (intra), another video "
            "(inter), or what that video shows most of the time (still, its median; not in the paper).",
            group="Distraction",
        ),
    ] = "inter"
    statistics: Annotated[
        StatisticsSource,
        Option(
            "Where masks come from: cached by fame masks, or computed online from each crop as in the paper.",
            group="Foreground",
        ),
    ] = "cached"
    hue: HueOption = "correct"


@dataclass(frozen=True)
class NoiseConfig(DistractionMethod):
    """One image of noise on all frames of a clip (BE, Table 4)."""

    name: Literal["noise"] = "noise"
    sigma: Annotated[
        float,
        Option(
            "Standard deviation of the noise, in units of the normalised clip.", above=0, group="Distraction"
        ),
    ] = 1.0


@dataclass(frozen=True)
class MixupConfig(DistractionMethod):
    """Another video's clip mixed in (BE, Table 4)."""

    name: Literal["mixup"] = "mixup"
    gamma: Gamma = 0.3


@dataclass(frozen=True)
class CutmixConfig(DistractionMethod):
    """A box of another video's clip (BE, Table 4)."""

    name: Literal["cutmix"] = "cutmix"


@dataclass(frozen=True)
class StillFrameConfig(DistractionMethod):
    """One frame of another video, or of the clip itself, mixed into all frames (BE, section 3.1, Table 4)."""

    name: Literal["frame-inter", "frame-intra"] = "frame-intra"
    gamma: Gamma = 0.3


@dataclass(frozen=True)
class OwnDistraction(DistractionMethod):
    """A distraction of the user's own, ``package.module:name``."""


DistractionConfig = (
    NoDistraction | FameConfig | NoiseConfig | MixupConfig | CutmixConfig | StillFrameConfig | OwnDistraction
)


@dataclass(frozen=True)
class MocoMethod(Method):
    """What MoCo and the methods built on it have: MoCo v2 as in FAME, and the switches that make it BE's."""

    queue_length: Annotated[
        int,
        Option(
            "Negatives in the queue, K: 2048 for UCF101, 65536 for Kinetics-400.",
            at_least=1,
            group="Objective",
        ),
    ] = 2048
    embedding_dim: EmbeddingDim = 128
    momentum: Momentum = 0.999
    temperature: Temperature = 0.1
    batch_norm_clips: Annotated[
        int,
        Option(
            "Videos that are normalised together, keys in another grouping than queries, so that batch "
            "statistics do not give a key away. 8 as on the paper's 8 GPUs; 0 takes the whole batch.",
            unit="clips",
            at_least=0,
            group="Objective",
        ),
    ] = 8
    symmetric: Annotated[
        bool,
        Option(
            "Each view is query and key in turn, as in FAME; or one way only, as in BE.", group="Objective"
        ),
    ] = True
    positive: Annotated[
        Positive,
        Option(
            "What a query has to match: a clip at another time of its video, as in FAME, or the same frames "
            "in another crop, as in BE.",
            group="Objective",
        ),
    ] = "another-time"
    extra_negative: Annotated[
        ExtraNegative,
        Option(
            "A negative of each query's own: none, or a clip at another time of its video (BE).",
            group="Objective",
        ),
    ] = "none"
    negative_gap_frames: Annotated[
        int,
        Option(
            "Least distance from the query to that clip, in frames of the video; 0 is half a clip's span.",
            unit="frames",
            at_least=0,
            group="Objective",
        ),
    ] = 0
    head: Annotated[
        Head,
        Option("Projection head: two layers (MoCo v2), or one (BE's published code).", group="Objective"),
    ] = "mlp"


@dataclass(frozen=True)
class MocoConfig(MocoMethod):
    """MoCo v2 (He et al. 2020, Chen et al. 2020)."""

    name: Literal["moco"] = "moco"


@dataclass(frozen=True)
class WideMicroConfig(MocoMethod):
    """MoCo with a semi-negative and a loss of what moves: an interpretation (docs/wide-micro.md)."""

    name: Literal["wide-micro"] = "wide-micro"
    alpha: Annotated[
        float,
        Option("Weight of the semi-negative, α; 0 leaves it out.", at_least=0, group="Objective"),
    ] = 1.0
    semi_negative: Annotated[
        SemiNegative,
        Option(
            "What is the negative of weight α: the clip whose background the query has (donor), or the "
            "positive without its motion (still).",
            group="Objective",
        ),
    ] = "donor"
    wide_weight: Annotated[
        float, Option("Weight of MoCo's loss with the semi-negative.", at_least=0, group="Objective")
    ] = 1.0
    micro_weight: Annotated[
        float,
        Option("Weight of the loss of what moves, μ; 0 leaves it out.", at_least=0, group="Objective"),
    ] = 1.0
    static_weight: Annotated[
        float,
        Option("Weight of a loss that teaches the scene, ν; 0 leaves it out.", at_least=0, group="Objective"),
    ] = 0.0
    saliency_layer: Annotated[
        int,
        Option(
            "Stage of the network, from 1, whose changes over time tell what moves.",
            at_least=1,
            group="Objective",
        ),
    ] = 1
    saliency_temperature: Annotated[
        float,
        Option(
            "The lower, the more the loss of what moves keeps to the strongest changes.",
            above=0,
            group="Objective",
        ),
    ] = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        weights = self.wide_weight, self.micro_weight, self.static_weight
        self.require(any(weights), "wide_weight", "above 0 where --micro-weight and --static-weight are 0")

    @property
    def decomposes(self) -> bool:
        """Whether any loss looks at what moves or stays."""
        return self.micro_weight > 0 or self.static_weight > 0

    @property
    def needs_donors(self) -> bool:
        """Whether it compares with the clips that the distraction put into others."""
        return (self.alpha > 0 and self.semi_negative == "donor") or self.static_weight > 0


@dataclass(frozen=True)
class SimclrConfig(Method):
    """SimCLR (Chen et al. 2020)."""

    name: Literal["simclr"] = "simclr"
    embedding_dim: EmbeddingDim = 128
    temperature: Temperature = 0.1


@dataclass(frozen=True)
class ByolConfig(Method):
    """BYOL (Grill et al. 2020, section 3.3)."""

    name: Literal["byol"] = "byol"
    embedding_dim: EmbeddingDim = 256
    momentum: Momentum = 0.996


@dataclass(frozen=True)
class OwnObjective(Method):
    """An objective of the user's own, ``package.module:name``."""


ObjectiveConfig = MocoConfig | SimclrConfig | ByolConfig | WideMicroConfig | OwnObjective
