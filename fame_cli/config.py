"""Every option of every stage, defined once: with its default, bounds, unit, help and group (``option.py``).

Those that belong to one distraction or one objective are in ``method.py``.

The command line, the check of a recipe, the tables in ``docs/commands`` and the record of a run are derived
from here. A configuration is frozen and consists of plain values, so it can be written as TOML, compared, and
turned into a fingerprint that names the folder of its results.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Annotated, Literal

from fame_cli.configuration import Configuration, Section
from fame_cli.method import (
    BackgroundOption,
    Beta,
    Branch,
    DistractionConfig,
    DistractionMethod,
    FameConfig,
    Gamma,
    Hue,
    HueOption,
    MocoConfig,
    MocoMethod,
    NoDistraction,
    ObjectiveConfig,
    PuzzleConfig,
    Sigma,
    VariantOption,
)
from fame_cli.option import Option

GROUPS = (
    "Data",
    "Frames",
    "Clips",
    "Foreground",
    "Distraction",
    "Objective",
    "Optimisation",
    "Vote",
    "Machine",
)
"""Headings of options in ``--help`` and in the docs, in order."""

Motion = Literal["plain", "compensated"]
BackboneName = Literal[
    "r2plus1d_18", "r3d_18", "r3d_34", "i3d", "s3d", "c3d", "swin3d_t", "mvit_v2_s", "small"
]
Optimizer = Literal["sgd", "adamw"]
Precision = Literal["fp32", "bf16"]
TrainOn = Literal["clips", "features"]
KeptEpoch = Literal["last", "best-on-test"]
TrackerName = Literal["none", "wandb", "mlflow"]
ExportForm = Literal["torchscript", "onnx", "safetensors", "hub"]

PUZZLE_FRAMES = 8
"""Minimum length of a clip cut into four times: a piece of one frame in a cell of two can be jittered."""


def fingerprint(value: object) -> str:
    """Ten hexadecimal digits of the SHA-256 of a value's canonical JSON; equal values, equal digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:10]


Seed = Annotated[int, Option("Seed of every random choice.", at_least=0, group="Optimisation")]
WeightDecay = Annotated[float, Option("Weight decay.", at_least=0, group="Optimisation")]
PrecisionOption = Annotated[
    Precision, Option("Precision of the network: fp32, or bf16 autocast.", group="Machine")
]
CropScaleMin = Annotated[
    float, Option("Smallest fraction of the frame area in a random crop.", above=0, at_most=1, group="Clips")
]
FlipProbability = Annotated[
    float,
    Option(
        "Probability of a horizontal flip in training; 0 where the direction of a motion matters.",
        at_least=0,
        at_most=1,
        group="Clips",
    ),
]
MotionOption = Annotated[
    Motion,
    Option(
        "Compute the seed from the frames as they are, or after compensating for camera motion.",
        group="Foreground",
    ),
]
HopFrames = Annotated[
    int,
    Option(
        "Distance between the starts of neighbouring clips, in frames of the video.",
        unit="frames",
        at_least=1,
        group="Clips",
    ),
]
MapShortSidePx = Annotated[
    int,
    Option(
        "Shorter side of the maps (seed and colour bins) that masks are computed from.",
        unit="pixels",
        at_least=8,
        group="Foreground",
    ),
]


@dataclass(frozen=True)
class ExtractConfig(Configuration):
    """What a frame store holds."""

    short_side_px: Annotated[
        int,
        Option(
            "Shorter side of the stored frames; smaller videos keep their size.",
            unit="pixels",
            at_least=16,
            group="Frames",
        ),
    ] = 128
    jpeg_quality: Annotated[
        int, Option("JPEG quality of the stored frames.", at_least=1, at_most=100, group="Frames")
    ] = 95
    max_fps: Annotated[
        float,
        Option(
            "Maximum frame rate to keep, in frames per second; extra frames are dropped evenly. 0 keeps all.",
            at_least=0,
            group="Frames",
        ),
    ] = 0.0


@dataclass(frozen=True)
class ClipConfig(Configuration):
    """The length of a clip: options of every stage that cuts clips from videos."""

    clip_frames: Annotated[
        int, Option("Number of frames in a clip, T.", unit="frames", at_least=1, group="Clips")
    ] = 16
    frame_stride: Annotated[
        int,
        Option(
            "Distance between neighbouring frames of a clip, in frames of the video.",
            unit="frames",
            at_least=1,
            group="Clips",
        ),
    ] = 2


def require_difference(config: ClipConfig) -> None:
    """Raise ConfigurationError where clips are too short for a mask."""
    config.require(config.clip_frames >= 2, "clip_frames", "at least 2, since the seed is a difference")


@dataclass(frozen=True)
class StatisticsConfig(ClipConfig):
    """What is stored for each clip: seed and colour bins (FAME, section 3.2)."""

    hop_frames: HopFrames = 8
    map_short_side_px: MapShortSidePx = 64
    hue: HueOption = "correct"
    motion: MotionOption = "plain"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_difference(self)


@dataclass(frozen=True)
class CropConfig(ClipConfig):
    """A clip of square frames, as a network expects it."""

    crop_px: Annotated[
        int,
        Option(
            "Side of the square that frames are cropped to (112 for R(2+1)D, 224 for I3D).",
            unit="pixels",
            at_least=16,
            group="Clips",
        ),
    ] = 112


@dataclass(frozen=True)
class MaskConfig(Configuration):
    """How a mask is computed from the statistics of a clip."""

    beta: Beta = 0.5
    variant: VariantOption = "fame"


@dataclass(frozen=True)
class DistractionsConfig(MaskConfig, ClipConfig):
    """Clips, and every distraction of them, to be looked at."""

    background: BackgroundOption = "inter"
    sigma: Sigma = 1.0
    gamma: Gamma = 0.3
    seed: Seed = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_difference(self)


@dataclass(frozen=True)
class PretrainConfig(CropConfig):
    """Everything that determines what a pretraining computes (FAME, section 4.2, unless noted)."""

    split: Annotated[
        str, Option("Split to learn from; all videos where the manifest has no splits.", group="Data")
    ] = "train"
    crop_scale_min: CropScaleMin = 0.2
    color_jitter: Annotated[
        float,
        Option("Strength of the colour jitter, a factor on (0.4, 0.4, 0.4, 0.1).", at_least=0, group="Clips"),
    ] = 1.0
    flip_probability: FlipProbability = 0.5
    distraction: Annotated[
        DistractionConfig,
        Section(
            "How a clip's background is made uninformative: FAME's merge, a row of BE's Table 4 (noise, "
            "mixup, cutmix, a still frame of another video or of the clip itself), or your own.",
            group="Distraction",
        ),
    ] = FameConfig()  # noqa: RUF009, it is frozen
    objective: Annotated[
        ObjectiveConfig,
        Section(
            "Self-supervised objective: MoCo v2 as in the paper, SimCLR, BYOL, wide-micro (MoCo with more "
            "losses), a pretext task (which way is up, a puzzle of a clip's pieces, the order of three "
            "clips), or your own.",
            group="Objective",
        ),
    ] = MocoConfig()  # noqa: RUF009
    backbone: Annotated[BackboneName | str, Option("3-D encoder, or your own.", group="Objective")] = (
        "r2plus1d_18"
    )
    epochs: Annotated[int, Option("Number of passes over the videos.", at_least=1, group="Optimisation")] = (
        200
    )
    steps: Annotated[
        int,
        Option(
            "Total number of training steps; 0 trains for --epochs instead.",
            at_least=0,
            group="Optimisation",
        ),
    ] = 0
    batch_size: Annotated[
        int,
        Option("Videos per step over all processes.", at_least=2, group="Optimisation"),
    ] = 64
    optimizer: Annotated[
        Optimizer, Option("SGD with momentum 0.9 as in the paper, or AdamW.", group="Optimisation")
    ] = "sgd"
    learning_rate: Annotated[
        float,
        Option(
            "Initial learning rate; it decays to 0 along a half cosine.",
            above=0,
            group="Optimisation",
            flags=("--lr",),
        ),
    ] = 0.01
    weight_decay: WeightDecay = 1e-4
    seed: Seed = 0
    precision: PrecisionOption = "fp32"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_difference(self)
        if isinstance(self.objective, MocoMethod):
            self.objective.require(
                self.objective.queue_length >= self.batch_size,
                "queue_length",
                f"at least the batch size, {self.batch_size}",
            )
        if isinstance(self.objective, PuzzleConfig):
            self.require(
                self.clip_frames >= PUZZLE_FRAMES,
                "clip_frames",
                f"at least {PUZZLE_FRAMES}, since a puzzle cuts a clip into four times",
            )

    @property
    def merges(self) -> bool:
        """Whether any clip is distracted; none and FAME with β = 1 are the plain baseline."""
        keeps_all = isinstance(self.distraction, FameConfig) and self.distraction.beta == 1
        return not (keeps_all or isinstance(self.distraction, NoDistraction))

    @property
    def branch(self) -> Branch:
        """Which clips of a video are distracted."""
        return self.distraction.branch if isinstance(self.distraction, DistractionMethod) else "single"

    @property
    def hue(self) -> Hue | None:
        """How the statistics that are read bin hue; None where that does not matter."""
        return self.distraction.hue if isinstance(self.distraction, FameConfig) else None

    @property
    def batch_norm_clips(self) -> int:
        """Clips that are normalised together; 0 is the whole batch."""
        return self.objective.batch_norm_clips if isinstance(self.objective, MocoMethod) else 0


@dataclass(frozen=True)
class EvaluationConfig(CropConfig):
    """Options of every evaluation: which videos, and how clips are cut from them (FAME, section 4.2)."""

    defaults_shown = dict.fromkeys(("clip_frames", "frame_stride", "crop_px"), "as pretrained")

    train_split: Annotated[
        str, Option("Split with the videos to train on, or to retrieve.", group="Data")
    ] = "train"
    test_split: Annotated[
        str, Option("Split with the videos to classify, or to use as queries.", group="Data")
    ] = "test"
    clips: Annotated[
        int,
        Option(
            "Clips per video, evenly spread; a video's prediction is the mean over its clips.",
            at_least=1,
            group="Clips",
        ),
    ] = 10
    seed: Seed = 0
    precision: PrecisionOption = "fp32"


@dataclass(frozen=True)
class RetrievalConfig(EvaluationConfig):
    """Nearest neighbours of test videos among training videos (FAME, section 4.2, Table 2)."""


@dataclass(frozen=True)
class KnnConfig(EvaluationConfig):
    """A vote among the nearest training videos (Wu et al. 2018, section 3.4)."""

    neighbours: Annotated[
        int, Option("Number of nearest training videos that vote, k.", at_least=1, group="Vote")
    ] = 20
    temperature: Annotated[
        float,
        Option(
            "Temperature of the vote; a neighbour's weight is exp(similarity / temperature).",
            above=0,
            group="Vote",
        ),
    ] = 0.07


@dataclass(frozen=True)
class ClassifierConfig(EvaluationConfig):
    """Training of a classifier on labelled videos; the defaults are those of the published finetuning."""

    epochs: Annotated[
        int, Option("Number of passes over the training videos.", at_least=1, group="Optimisation")
    ] = 150
    batch_size: Annotated[
        int,
        Option(
            "Clips per step; a single leftover clip joins the last step.",
            at_least=1,
            group="Optimisation",
        ),
    ] = 128
    learning_rate: Annotated[
        float,
        Option("Learning rate before the first milestone.", above=0, group="Optimisation", flags=("--lr",)),
    ] = 0.025
    weight_decay: WeightDecay = 1e-4
    milestones: Annotated[
        tuple[int, ...],
        Option(
            "Epochs at which the learning rate is multiplied by --milestone-factor.",
            at_least=0,
            group="Optimisation",
        ),
    ] = (60, 120)
    milestone_factor: Annotated[
        float,
        Option("Factor on the learning rate at each milestone.", above=0, at_most=1, group="Optimisation"),
    ] = 0.1
    dropout: Annotated[
        float, Option("Dropout before the last layer.", at_least=0, below=1, group="Optimisation")
    ] = 0.7
    crop_scale_min: CropScaleMin = 0.2
    flip_probability: FlipProbability = 0.5


@dataclass(frozen=True)
class FinetuneConfig(ClassifierConfig):
    """Training of the whole network (FAME, section 4.2; the published command)."""

    keep_epoch: Annotated[
        KeptEpoch,
        Option(
            "Which epoch's network is tested: the last; or the best one on the test videos themselves, as in "
            "BE's published code, which makes figures too high, and the result says so.",
            group="Optimisation",
        ),
    ] = "last"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(self.learning_rate > 0, "learning_rate", "a positive number")


@dataclass(frozen=True)
class LinearConfig(ClassifierConfig):
    """Training of the last layer alone, on L2-normalised features of the frozen encoder."""

    epochs: int = 100
    batch_size: int = 256
    learning_rate: Annotated[
        float,
        Option(
            "Learning rate before the first milestone; 0 means the number of classes to the power of 3/4.",
            at_least=0,
            group="Optimisation",
            flags=("--lr",),
        ),
    ] = 0.0
    weight_decay: float = 0.0
    milestones: tuple[int, ...] = (60, 80)
    dropout: float = 0.0
    train_on: Annotated[
        TrainOn,
        Option(
            "Train on clips augmented anew in every epoch, as in the paper, or on stored features of evenly "
            "spread clips.",
            group="Optimisation",
        ),
    ] = "clips"
    sweep: Annotated[
        tuple[float, ...],
        Option(
            "Learning rates to choose from on held-out training videos (with --train-on features).",
            above=0,
            group="Optimisation",
        ),
    ] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(
            self.train_on == "features" or not self.sweep, "sweep", "nothing, except with --train-on features"
        )


@dataclass(frozen=True)
class BiasConfig(LinearConfig):
    """A linear probe, and what it makes of test clips whose background or order was changed."""

    train_on: TrainOn = "features"
    beta: Beta = 0.5
    variant: VariantOption = "fame"
