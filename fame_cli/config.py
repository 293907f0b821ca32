"""Every option of every stage, with its default, unit and meaning: the one truth that the command line,
the stages and the written record of a run share.

A configuration is frozen and made of plain values, so it can be written as TOML, compared, and turned into
a fingerprint that names the folder of what it made.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, Self, get_args, get_type_hints

from fame_cli.errors import ConfigurationError

LARGEST_SEED = 2**63
"""Torch takes none from here on."""

Hue = Literal["correct", "published"]
Motion = Literal["plain", "compensated"]
Variant = Literal["fame", "seed", "grid", "gauss", "joint"]
Background = Literal["none", "intra", "inter"]
Branch = Literal["single", "both"]
StatisticsSource = Literal["cached", "online"]
BackboneName = Literal["r2plus1d_18", "r3d_18", "r3d_34", "i3d", "s3d", "c3d", "small"]
ObjectiveName = Literal["moco", "simclr", "byol"]
Optimizer = Literal["sgd", "adamw"]
Precision = Literal["fp32", "bf16"]
TrainOn = Literal["clips", "features"]


@dataclass(frozen=True)
class Configuration:
    """Base of all configurations: checked on creation, convertible to and from plain values."""

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(type(self)).items():
            allowed, value = get_args(hint), getattr(self, name)
            if allowed and isinstance(allowed[0], str) and value not in allowed:
                raise ConfigurationError(
                    f"{option_name(name)} is {value!r}; it can be {', '.join(map(repr, allowed))}."
                )

    def require(self, holds: bool, name: str, expected: str) -> None:
        """Raise ConfigurationError naming the option, its value and what was expected unless ``holds``."""
        if not holds:
            raise ConfigurationError(f"{option_name(name)} is {getattr(self, name)!r}; expected {expected}.")

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from plain values; an unknown key is an error, a missing one takes its default."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ConfigurationError(
                f"unknown option {', '.join(unknown)}.", f"Known options: {', '.join(sorted(known))}."
            )
        return cls(**values)


def option_name(field_name: str) -> str:
    return "--" + field_name.replace("_", "-")


def fingerprint(value: object) -> str:
    """Ten hexadecimal digits of the SHA-256 of a value's canonical JSON; equal values, equal digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:10]


@dataclass(frozen=True)
class ExtractConfig(Configuration):
    """What a frame store holds."""

    short_side_px: int = 128
    """Shorter side of the stored frames in pixels; smaller videos are kept as they are."""
    jpeg_quality: int = 95
    """JPEG quality of the stored frames, 1 to 100."""
    max_fps: float = 0.0
    """Most frames a second to keep, evenly spread; 0 keeps all."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(self.short_side_px >= 16, "short_side_px", "at least 16 pixels")
        self.require(1 <= self.jpeg_quality <= 100, "jpeg_quality", "1 to 100")
        self.require(0 <= self.max_fps < math.inf, "max_fps", "a number of 0 or more")


@dataclass(frozen=True)
class StatisticsConfig(Configuration):
    """What is kept of each clip: seed, colour bins and colour counts (FAME, section 3.2)."""

    clip_frames: int = 16
    """Frames in a clip, T."""
    frame_stride: int = 2
    """Distance between neighbouring frames of a clip, in frames of the video."""
    hop_frames: int = 8
    """Distance between the starts of neighbouring clips, in frames of the video."""
    map_short_side_px: int = 64
    """Shorter side of the stored seed and colour-bin maps in pixels."""
    hue: Hue = "correct"
    """How hue is binned: correct, or as in the published code (where it wraps), for parity only."""
    motion: Motion = "plain"
    """Whether the seed is of the frames as they are, or after undoing the camera's motion between them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(self.clip_frames >= 2, "clip_frames", "at least 2, since the seed is a difference")
        self.require(self.frame_stride >= 1, "frame_stride", "at least 1")
        self.require(self.hop_frames >= 1, "hop_frames", "at least 1")
        self.require(self.map_short_side_px >= 8, "map_short_side_px", "at least 8 pixels")


@dataclass(frozen=True)
class PretrainConfig(Configuration):
    """Everything that decides what a pretraining computes (FAME, section 4.2, unless said otherwise)."""

    objective: ObjectiveName = "moco"
    """How the two clips of a video teach: moco, as the paper, simclr, or byol."""
    backbone: BackboneName = "r2plus1d_18"
    """The 3-D encoder."""
    clip_frames: int = 16
    """Frames in a clip, T."""
    frame_stride: int = 2
    """Distance between neighbouring frames of a clip, in frames of the video."""
    crop_px: int = 112
    """Side of the square crop in pixels (112 for R(2+1)D, 224 for I3D)."""
    split: str = "train"
    """Split to learn from; all videos where the manifest has no splits."""
    epochs: int = 200
    """Passes over the videos."""
    steps: int = 0
    """Training steps in all, instead of epochs; 0 means as many as the epochs make."""
    batch_size: int = 64
    """Videos in a step, of all processes together; each gives two clips."""
    optimizer: Optimizer = "sgd"
    """sgd (momentum 0.9), as the paper, or adamw."""
    learning_rate: float = 0.01
    """Learning rate at the start; it falls to 0 along a half cosine."""
    weight_decay: float = 1e-4
    """Weight decay."""
    queue_length: int = 2048
    """Negatives in MoCo's queue, K: 2048 for UCF101, 65536 for Kinetics-400; the others have none."""
    embedding_dim: int = 128
    """Size of the embedding that the loss compares."""
    momentum: float = 0.999
    """Momentum of MoCo's key encoder, or of BYOL's target at the start (it rises to 1); SimCLR has none."""
    temperature: float = 0.1
    """Temperature of the loss of MoCo and SimCLR; BYOL has none."""
    beta: float = 0.5
    """Share of a clip that is kept as foreground, β in Eq. 4; 1 merges nothing (the MoCo baseline)."""
    variant: Variant = "fame"
    """How foreground is told from background (Table 6)."""
    background: Background = "inter"
    """Where the new background comes from (Table 4): none, another time of the video, another video."""
    branch: Branch = "single"
    """Whether one or both of the two clips get a new background (Table 5)."""
    statistics: StatisticsSource = "cached"
    """cached: from the statistics store; online: from the cropped clip, as in the paper."""
    hue: Hue = "correct"
    """How hue is binned by online statistics (cached ones carry their own)."""
    crop_scale_min: float = 0.2
    """Smallest share of a frame's area that a random crop covers."""
    color_jitter: float = 1.0
    """Strength of the colour jitter: a factor on (0.4, 0.4, 0.4, 0.1)."""
    flip_probability: float = 0.5
    """How often a clip is flipped left to right; 0 where the direction of a motion matters."""
    seed: int = 0
    """Seed of every random choice."""
    precision: Precision = "fp32"
    """Arithmetic of the forward pass: fp32, or bf16 autocast."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(self.clip_frames >= 2, "clip_frames", "at least 2")
        self.require(self.frame_stride >= 1, "frame_stride", "at least 1")
        self.require(self.crop_px >= 16, "crop_px", "at least 16 pixels")
        self.require(abs(self.seed) < LARGEST_SEED, "seed", f"less than {LARGEST_SEED}")
        self.require(self.epochs >= 1, "epochs", "at least 1")
        self.require(self.steps >= 0, "steps", "0 or more")
        self.require(self.batch_size >= 2, "batch_size", "at least 2: a background comes from another clip")
        self.require(self.learning_rate > 0, "learning_rate", "a positive number")
        self.require(self.weight_decay >= 0, "weight_decay", "0 or more")
        self.require(
            self.objective != "moco" or self.queue_length >= self.batch_size,
            "queue_length",
            f"at least the batch size, {self.batch_size}",
        )
        self.require(self.embedding_dim >= 1, "embedding_dim", "at least 1")
        self.require(0 <= self.momentum < 1, "momentum", "from 0 to below 1")
        self.require(self.temperature > 0, "temperature", "a positive number")
        self.require(0 < self.beta <= 1, "beta", "above 0, at most 1")
        self.require(0 < self.crop_scale_min <= 1, "crop_scale_min", "above 0, at most 1")
        self.require(self.color_jitter >= 0, "color_jitter", "0 or more")
        self.require(0 <= self.flip_probability <= 1, "flip_probability", "from 0 to 1")

    @property
    def merges(self) -> bool:
        """Whether any clip gets a new background; β = 1 and background "none" are the MoCo baseline."""
        return self.beta < 1 and self.background != "none"


@dataclass(frozen=True)
class EvaluationConfig(Configuration):
    """What every evaluation shares: which videos, and how clips are cut from them (FAME, section 4.2)."""

    train_split: str = "train"
    """Split whose videos a classifier learns from, or are retrieved."""
    test_split: str = "test"
    """Split whose videos are classified, or query."""
    clips: int = 10
    """Clips spread evenly over each video; a video's prediction is the mean of theirs."""
    clip_frames: int = 16
    """Frames in a clip, T."""
    frame_stride: int = 2
    """Distance between neighbouring frames of a clip, in frames of the video."""
    crop_px: int = 112
    """Side of the square that the central square of a frame is scaled to, in pixels."""
    seed: int = 0
    """Seed of every random choice."""
    precision: Precision = "fp32"
    """Arithmetic of the encoder: fp32, or bf16 autocast."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(self.clips >= 1, "clips", "at least 1")
        self.require(abs(self.seed) < LARGEST_SEED, "seed", f"less than {LARGEST_SEED}")
        self.require(self.clip_frames >= 1, "clip_frames", "at least 1")
        self.require(self.frame_stride >= 1, "frame_stride", "at least 1")
        self.require(self.crop_px >= 16, "crop_px", "at least 16 pixels")


@dataclass(frozen=True)
class RetrievalConfig(EvaluationConfig):
    """Nearest neighbours of test videos among training videos (FAME, section 4.2, Table 2)."""


@dataclass(frozen=True)
class KnnConfig(EvaluationConfig):
    """A vote among the nearest training videos (Wu et al. 2018, section 3.4)."""

    neighbours: int = 20
    """Training videos that vote, k."""
    temperature: float = 0.07
    """A neighbour votes with exp(similarity / temperature)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(self.neighbours >= 1, "neighbours", "at least 1")
        self.require(self.temperature > 0, "temperature", "a positive number")


@dataclass(frozen=True)
class ClassifierConfig(EvaluationConfig):
    """Training of a classifier on labelled videos; the defaults are those of the published finetuning."""

    epochs: int = 150
    """Passes over the training videos."""
    batch_size: int = 128
    """Clips in a step."""
    learning_rate: float = 0.025
    """Learning rate before the first milestone."""
    weight_decay: float = 1e-4
    """Weight decay."""
    milestones: tuple[int, ...] = (60, 120)
    """Epochs at which the learning rate falls to a tenth."""
    dropout: float = 0.7
    """Dropout before the last layer."""
    crop_scale_min: float = 0.2
    """Smallest share of a frame's area that a random training crop covers."""
    flip_probability: float = 0.5
    """How often a training clip is flipped left to right; 0 where the direction of a motion matters."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(self.epochs >= 1, "epochs", "at least 1")
        self.require(self.batch_size >= 1, "batch_size", "at least 1")
        self.require(self.weight_decay >= 0, "weight_decay", "0 or more")
        self.require(0 <= self.dropout < 1, "dropout", "from 0 to below 1")
        self.require(0 < self.crop_scale_min <= 1, "crop_scale_min", "above 0, at most 1")
        self.require(0 <= self.flip_probability <= 1, "flip_probability", "from 0 to 1")


@dataclass(frozen=True)
class FinetuneConfig(ClassifierConfig):
    """Training of the whole network (FAME, section 4.2; the published command)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(self.learning_rate > 0, "learning_rate", "a positive number")


@dataclass(frozen=True)
class LinearConfig(ClassifierConfig):
    """Training of the last layer alone, on L2-normalised features of the frozen encoder."""

    epochs: int = 100
    """Passes over the training videos."""
    batch_size: int = 256
    """Clips in a step."""
    learning_rate: float = 0.0
    """Learning rate before the first milestone; 0: the number of classes to the power of 3/4."""
    weight_decay: float = 0.0
    """Weight decay."""
    milestones: tuple[int, ...] = (60, 80)
    """Epochs at which the learning rate falls to a tenth."""
    dropout: float = 0.0
    """Dropout before the last layer."""
    train_on: TrainOn = "clips"
    """clips: augmented anew in every epoch, as the paper; features: of evenly spread clips, kept on disk."""
    sweep: tuple[float, ...] = ()
    """Learning rates to choose from on held-out training videos, with features; none: learning_rate."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(
            self.learning_rate >= 0, "learning_rate", "a positive number, or 0 for that of the classes"
        )
        self.require(all(rate > 0 for rate in self.sweep), "sweep", "positive numbers")
        self.require(
            self.train_on == "features" or not self.sweep, "sweep", "nothing, except with --train-on features"
        )
