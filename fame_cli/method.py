"""The distractions and objectives to choose from, each with its own options and defaults."""

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
Psi = Literal["max", "mean", "global"]

Beta = Annotated[
    float,
    Option(
        "Fraction of a clip kept as foreground, β in Eq. 4; 1 keeps everything and merges nothing.",
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
        "How hue is binned: correctly, or as in the published code, where it wraps (to reproduce it only).",
        group="Foreground",
    ),
]
Gamma = Annotated[
    float,
    Option(
        "Maximum share of the other clip or frame, drawn uniformly from 0 to this for each clip.",
        above=0,
        at_most=1,
        group="Distraction",
    ),
]
BackgroundOption = Annotated[
    Background,
    Option(
        "Source of the new background (Table 4): another time of the same video (intra), another video "
        "(inter), or what that video shows most of the time (still, its median; not in the paper).",
        group="Distraction",
    ),
]
Sigma = Annotated[
    float,
    Option("Standard deviation of the noise, in units of the normalised clip.", above=0, group="Distraction"),
]
EmbeddingDim = Annotated[
    int, Option("Dimension of the embedding that the loss compares.", at_least=1, group="Objective")
]
Momentum = Annotated[
    float,
    Option(
        "Momentum of MoCo's key encoder, or initial momentum of BYOL's target (it rises to 1).",
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
    """The options of every distraction."""

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
    background: BackgroundOption = "inter"
    statistics: Annotated[
        StatisticsSource,
        Option(
            "Source of masks: cached by fame masks, or computed online from each crop as in the paper.",
            group="Foreground",
        ),
    ] = "cached"
    hue: HueOption = "correct"


@dataclass(frozen=True)
class NoiseConfig(DistractionMethod):
    """One image of noise on all frames of a clip (BE, Table 4)."""

    name: Literal["noise"] = "noise"
    sigma: Sigma = 1.0


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
    """MoCo v2 as in FAME, with the switches that turn it into BE's, and what is built on it."""

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
            "Videos batch-normalised together; keys are grouped differently from queries, so batch "
            "statistics do not reveal a key. 8 as on the paper's 8 GPUs; 0 is the whole batch.",
            unit="clips",
            at_least=0,
            group="Objective",
        ),
    ] = 8
    symmetric: Annotated[
        bool,
        Option(
            "Use each view as query and key in turn, as in FAME, or only one way, as in BE.",
            group="Objective",
        ),
    ] = True
    positive: Annotated[
        Positive,
        Option(
            "The positive of a query: a clip from another time of its video, as in FAME, or the same frames "
            "in another crop, as in BE.",
            group="Objective",
        ),
    ] = "another-time"
    extra_negative: Annotated[
        ExtraNegative,
        Option(
            "Additional negative of each query: none, or a clip from another time of its video (BE).",
            group="Objective",
        ),
    ] = "none"
    negative_gap_frames: Annotated[
        int,
        Option(
            "Minimum distance from the query to that clip, in frames of the video; 0 is half a clip's span.",
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
class PretextConfig(Method):
    """The options of every pretext task: BE's consistency, L = L_p + β·L_be (Wang et al. 2021)."""

    consistency: Annotated[
        float,
        Option(
            "Weight β of the consistency between a clip and the same frames in another crop, distracted "
            "(BE); 0 leaves it out, and the task's own clips are distracted.",
            at_least=0,
            group="Objective",
        ),
    ] = 0.0
    psi: Annotated[
        Psi,
        Option(
            "Part of a feature map that the consistency compares: its maximum over space at each time (as "
            "we recall the paper), its mean over space (BE's published code), or the mean of the whole map.",
            group="Objective",
        ),
    ] = "max"


@dataclass(frozen=True)
class RotationConfig(PretextConfig):
    """Which way is up? (3D RotNet: Jing et al. 2018)."""

    name: Literal["rotation"] = "rotation"


@dataclass(frozen=True)
class PuzzleConfig(PretextConfig):
    """Put four pieces of a clip into their order (space-time cubic puzzles: Kim et al. 2019)."""

    name: Literal["puzzle"] = "puzzle"
    channel_replication: Annotated[
        float,
        Option(
            "Probability of replacing all colour channels of a clip with one; below 1, a lens's shift "
            "between colours reveals some cells.",
            at_least=0,
            at_most=1,
            group="Objective",
        ),
    ] = 1.0


@dataclass(frozen=True)
class OrderConfig(PretextConfig):
    """In which order were three clips? (Xu et al. 2019)."""

    name: Literal["order"] = "order"
    order_gap_frames: Annotated[
        int,
        Option(
            "Video frames between the end of one of the three clips and the start of the next.",
            unit="frames",
            at_least=0,
            group="Objective",
        ),
    ] = 8


@dataclass(frozen=True)
class OwnObjective(Method):
    """An objective of the user's own, ``package.module:name``."""


ObjectiveConfig = (
    MocoConfig
    | SimclrConfig
    | ByolConfig
    | RotationConfig
    | PuzzleConfig
    | OrderConfig
    | WideMicroConfig
    | OwnObjective
)
