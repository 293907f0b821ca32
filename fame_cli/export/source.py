"""What is exported: the backbone of a run, and what another program has to know of it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from fame_cli import __version__
from fame_cli.config import PretrainConfig
from fame_cli.data.views import MEAN, STD
from fame_cli.errors import ArtefactError
from fame_cli.learning.backbones import Backbone
from fame_cli.learning.checkpoint import load_training, read_backbone, require_named
from fame_cli.learning.leg import count_steps
from fame_cli.learning.pretraining_set import PretrainingSet, read_set
from fame_cli.learning.run import RunFolder, finish_command
from fame_cli.option import is_object_path


@dataclass(frozen=True)
class Source:
    """The newest backbone of a run.

    source = read_source(Path("run"))
    features = source.backbone(torch.zeros(source.clip_shape))
    """

    run: Path
    file: Path
    """Where the weights stand."""
    config: PretrainConfig
    backbone: Backbone
    """On the CPU, in evaluation mode."""
    videos: PretrainingSet | None
    step: int | None
    """Steps that trained it; None where the run does not tell how many its epochs had."""
    total_steps: int | None
    finished: bool

    @property
    def clip_shape(self) -> tuple[int, int, int, int, int]:
        """Of one clip (1, 3, T, S, S)."""
        return (1, 3, self.config.clip_frames, self.config.crop_px, self.config.crop_px)

    @property
    def about(self) -> dict[str, Any]:
        """What a program has to know to feed it, as plain values."""
        config = self.config
        return {
            "backbone": config.backbone,
            "feature_dim": self.backbone.feature_dim,
            "clip_frames": config.clip_frames,
            "frame_stride": config.frame_stride,
            "crop_px": config.crop_px,
            "mean": [round(value, 6) for value in MEAN.flatten().tolist()],
            "std": [round(value, 6) for value in STD.flatten().tolist()],
            "step": self.step,
            "finished": self.finished,
            "fame": __version__,
        }

    @property
    def usage(self) -> str:
        """The same in a sentence, for who feeds the network by hand."""
        config, about = self.config, self.about
        shape = ", ".join(map(str, self.clip_shape[1:]))
        return (
            f"It takes clips (B, {shape}) of frames {config.frame_stride} apart, "
            f"their RGB in [0, 1] less the mean {about['mean']} and over the deviation {about['std']}, and "
            f"gives features (B, {self.backbone.feature_dim}). The file says so too."
        )

    @property
    def metadata(self) -> dict[str, str]:
        """The same and the options of the pretraining, as words by name: what files can carry."""
        values = {**self.about, "recipe": self.config.to_dict()}
        return {
            name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()
        }


def read_source(run: Path, backbone: str | None = None) -> Source:
    """The backbone of a finished run, or of the newest checkpoint of another.

    Args:
        run: the folder that ``fame pretrain`` made.
        backbone: the run's network where that is one of your own, ``package.module:name``.

    Raises:
        ArtefactError: there is no such run, it has no weights yet, or they are damaged.
    """
    folder = RunFolder(run)
    if not run.is_dir():
        raise ArtefactError(
            f"{run}: there is no such run.", "Give the folder that fame pretrain made with -o."
        )
    asked = folder.read()
    config = PretrainConfig.from_dict(asked["pretrain"])
    videos = read_set(folder.pretraining_set)
    total = count_steps(config, len(videos.videos) // config.batch_size) if videos else config.steps or None
    finished = folder.backbone.exists()
    file = folder.backbone if finished else folder.checkpoint
    if not file.exists():
        raise ArtefactError(
            f"{run} holds no weights: neither {folder.backbone.name} nor a checkpoint is there.",
            f"Go on with it: {finish_command(Path('WORK'), run)}",
        )
    name = config.backbone
    if is_object_path(name):
        name = require_named(file, name, backbone)
    step = total if finished else int(load_training(file, torch.device("cpu"))["step"])
    network = read_backbone(file, name).backbone.eval()
    return Source(run, file, config, network, videos, step, total, finished)
