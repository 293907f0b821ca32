"""What is evaluated: weights, on the videos of a frame store, for a RUN folder; and how that is named."""

import functools
import hashlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from fame_cli import __version__
from fame_cli.config import EvaluationConfig, fingerprint
from fame_cli.data.group import group_of, ucf101_group
from fame_cli.errors import ArtefactError, ConfigurationError
from fame_cli.evaluation.keep_only import describe_masks
from fame_cli.evaluation.results import SCHEMA_VERSION
from fame_cli.evaluation.splits import LabelledVideos
from fame_cli.learning.backbones import Backbone, build_backbone, require_fits
from fame_cli.learning.checkpoint import read_backbone, weights_file, weights_fingerprint
from fame_cli.learning.foreign import (
    ONNX,
    SCRIPT,
    ForeignNetwork,
    Normalisation,
    kind_of_file,
    read_network,
)
from fame_cli.learning.pretraining_set import NOTHING, PretrainingSet, find_set
from fame_cli.learning.torchvision_weights import fetch_published
from fame_cli.learning.weights import KeyCount, fit_backbone

MOST_OF_A_CLIP = 4096
"""Frames, stride and pixels that a file may ask for: no network was pretrained on larger clips."""

CLIP_OPTIONS = ("clip_frames", "frame_stride", "crop_px")

ProgressWithNote = Callable[[int, int, str], None]
"""Called with the items done, the items in all, and a note such as the loss."""

Phase = Callable[[str, str], AbstractContextManager[ProgressWithNote]]
"""Begins a phase of the work, given its title and the unit of its items."""


def no_progress(_title: str, _unit: str) -> AbstractContextManager[ProgressWithNote]:
    return nullcontext(lambda _done, _total, _note: None)


@dataclass(frozen=True)
class Weights:
    """A backbone and where it came from."""

    backbone: Backbone
    """As it was read; a finetune trains a copy."""
    name: str
    source: str
    """The file, or "random"."""
    fingerprint: str
    keys: KeyCount | None
    """None for an untrained network, and one that came whole."""
    clip_options: dict[str, int]
    """clip_frames, frame_stride and crop_px of the pretraining, as far as the file tells."""
    account: str = ""
    """What became of each entry of the file, for people to read."""
    pretraining_set: PretrainingSet | None = None
    """The videos that it was pretrained on, where that is known."""

    @property
    def brings_network(self) -> bool:
        """Whether the network itself is of the file, a program that no name of a backbone stands for."""
        return self.name in (SCRIPT, ONNX)

    def __str__(self) -> str:
        return f"{self.source}: {self.account}" if self.account else f"untrained {self.name} (the baseline)"


def read_weights(path: Path, name: str | None = None, normalisation: Normalisation | None = None) -> Weights:
    """The backbone in a file of any known kind, as network ``name`` where the file does not name its own.

    ``normalisation`` is that of a TorchScript or ONNX file, which brings its own network. Raises
    ArtefactError unless every key of the network is there in the right shape.
    """
    path = weights_file(path)
    if kind := kind_of_file(path):
        return foreign_weights(path, kind, normalisation)
    if normalisation is not None:
        raise ConfigurationError(
            "--mean and --std go with TorchScript and ONNX files.",
            "A network of your own states them as its attribute normalisation (docs/bias.md).",
        )
    loaded = read_backbone(path, name)
    return Weights(
        backbone=loaded.backbone,
        name=loaded.fit.name,
        source=str(path),
        fingerprint=weights_fingerprint(path),
        keys=loaded.fit.keys,
        clip_options=told_clips(path, loaded.metadata),
        account=str(loaded.fit),
        pretraining_set=find_set(path),
    )


def told_clips(path: Path, told: Mapping[str, str]) -> dict[str, int]:
    """The clips that a file says its network was pretrained on, as far as it says so."""
    try:
        options = {option: int(told[option][:20]) for option in CLIP_OPTIONS if option in told}
        if not all(1 <= value <= MOST_OF_A_CLIP for value in options.values()):
            raise ValueError(f"{options}; expected 1 to {MOST_OF_A_CLIP}")
    except ValueError as error:
        raise ArtefactError(
            f"{path}: the clips of its pretraining are no whole numbers ({error}).",
            "The file was changed: copy it again, or pretrain again.",
        ) from error
    return options


def foreign_weights(path: Path, kind: str, normalisation: Normalisation | None) -> Weights:
    """The network that a TorchScript or ONNX file brings along."""
    parts = [weights_fingerprint(path), asdict(normalisation) if normalisation else None]
    network = read_network(path, normalisation)
    return Weights(
        backbone=network,
        name=kind,
        source=str(path),
        fingerprint=fingerprint(parts),
        keys=None,
        clip_options=told_clips(path, network.told),
        account="a network of its own, with "
        + ("the normalisation that was given" if normalisation else "the normalisation of Kinetics-400"),
    )


def published_weights(name: str, backbone: str | None) -> Weights:
    """Weights that torchvision publishes, ``torchvision:R2Plus1D_18_Weights.KINETICS400_V1`` and the like."""
    found = fetch_published(name)
    if backbone not in (None, found.backbone):
        raise ConfigurationError(f"{name} is of {found.backbone}, not {backbone}.", "Leave --backbone out.")
    network, fit = fit_backbone(Path(name), found.entries, found.backbone)
    if not found.normalisation.is_ours:
        network = ForeignNetwork(network, network.feature_dim, found.normalisation)
    return Weights(
        backbone=network,
        name=found.backbone,
        source=name,
        fingerprint=found.fingerprint,
        keys=fit.keys,
        clip_options=found.clip_options,
        account=str(fit),
    )


def own_weights(name: str) -> Weights:
    """A network of the user's own with the weights that it comes with."""
    backbone = build_backbone(name)
    return Weights(backbone, name, f"own ({name})", digest_of(backbone), None, {}, "as its function gives it")


def digest_of(backbone: Backbone) -> str:
    """Ten hexadecimal digits that tell a network's weights from others."""
    entries = {key: value.contiguous() for key, value in backbone.state_dict().items()}
    return hashlib.sha256(safetensors.torch.save(entries)).hexdigest()[:10]


def require_clips_fit(weights: Weights, config: EvaluationConfig) -> None:
    """Raise ConfigurationError where a network cannot take the clips of an evaluation."""
    if weights.brings_network and isinstance(weights.backbone, ForeignNetwork):
        weights.backbone.measure(weights.source, config.clip_frames, config.crop_px)
    else:
        require_fits(weights.name, config.clip_frames, config.crop_px)


def random_weights(name: str, seed: int) -> Weights:
    """An untrained network: what the protocol gives without any pretraining."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone = build_backbone(name)
    digest = digest_of(backbone)
    options = {option: getattr(EvaluationConfig, option) for option in CLIP_OPTIONS}
    return Weights(backbone, name, "random", digest, None, options, pretraining_set=NOTHING)


def clip_options(weights: Weights, **given: int | None) -> dict[str, int]:
    """The clips to evaluate on: as given, else as in the pretraining."""
    options = weights.clip_options | {name: value for name, value in given.items() if value is not None}
    if missing := [f"--{name.replace('_', '-')}" for name in CLIP_OPTIONS if name not in options]:
        raise ConfigurationError(
            f"{weights.source} does not tell which clips it was pretrained on.", f"Give {', '.join(missing)}."
        )
    return options


@dataclass(frozen=True)
class Evaluation:
    """Weights to evaluate, the videos to do it on, and where and how."""

    run: Path
    videos: LabelledVideos
    weights: Weights
    device: torch.device
    workers: int = 0
    """Processes that read clips; 0 reads them in this one."""
    progress: Phase = no_progress

    @functools.cached_property
    def seen(self) -> tuple[str, ...] | None:
        """Ids of the test videos that the weights were pretrained on; None where that is not known."""
        known = self.weights.pretraining_set
        return None if known is None else known.find_shared(self.videos.frames.manifest, self.videos.test)

    @functools.cached_property
    def related(self) -> tuple[str, ...] | None:
        """Ids of test videos that were not seen, while others of their group were; None where not known.

        Groups that a CSV file names are known below the folder that the pretraining took its videos from.
        """
        known, manifest = self.weights.pretraining_set, self.videos.frames.manifest
        if known is None or self.seen is None:
            return None
        groups = {ucf101_group(name).casefold() for part in known.parts for name in part.videos} - {""}
        for part in known.parts:
            if str(manifest.root) == part.root:
                groups |= {group_of(video) for video in manifest.videos if video.id in part.videos}
        test = zip(self.videos.test, self.videos.groups(self.videos.test), strict=True)
        ids = (manifest.videos[video_index].id for video_index, group in test if group in groups)
        seen = set(self.seen)
        return tuple(name for name in ids if name not in seen)

    def name(self, protocol: str, config: EvaluationConfig) -> str:
        """Name of an evaluation: another option, video, label, split or weight gives another name."""
        leaks = [None if found is None else sorted(found) for found in (self.seen, self.related)]
        parts = [SCHEMA_VERSION, config.to_dict(), self.videos.fingerprint, self.weights.fingerprint, leaks]
        kept = "-keep-only" if describe_masks(self.videos) else ""
        return f"{protocol}{kept}-{fingerprint(parts)}"

    def result_path(self, protocol: str, config: EvaluationConfig) -> Path:
        return self.run / "results" / f"{self.name(protocol, config)}.json"

    def evaluation_folder(self, protocol: str, config: EvaluationConfig) -> Path:
        """Where a training keeps its checkpoint and its classifier."""
        return self.run / "evaluations" / self.name(protocol, config)

    def record(self, config: EvaluationConfig) -> dict[str, Any]:
        """The part of a result that tells what made it."""
        frames, videos, weights = self.videos.frames, self.videos, self.weights
        source, seen, related = Path(weights.source), self.seen, self.related
        return {
            "configuration": config.to_dict(),
            "splits": {
                "train": {"name": config.train_split, "videos": len(videos.train)},
                "test": {
                    "name": config.test_split,
                    "videos": len(videos.test),
                    "groups": len(set(videos.groups(videos.test))),
                },
                "source": dict(frames.manifest.source),
                "content": videos.content,
            },
            "classes": videos.class_names,
            "weights": {
                "path": str(source.relative_to(self.run))
                if source.is_relative_to(self.run)
                else weights.source,
                "backbone": weights.name,
                "fingerprint": weights.fingerprint,
                "keys": asdict(weights.keys) if weights.keys else None,
            },
            "frames": {"folder": frames.folder.name, "fingerprint": frames.fingerprint},
            "keep_only": describe_masks(videos),
            "seen_test_videos": None if seen is None else len(seen),
            "related_test_videos": None if related is None else len(related),
            "device": str(self.device),
            "versions": {"fame": __version__, "torch": torch.__version__},
        }
