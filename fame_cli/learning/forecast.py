"""What a training would do, how much disk that takes and how long, told without doing it."""

import statistics
from pathlib import Path

from torch import nn

from fame_cli.config import PretrainConfig
from fame_cli.data.frames import FrameStore
from fame_cli.forecast import Forecast
from fame_cli.learning.inputs import training_videos
from fame_cli.learning.leg import count_steps
from fame_cli.learning.objectives.build import build_objective
from fame_cli.learning.run import RunFolder

RECENT_STEPS = 100
"""Of which the rate is taken."""
MOMENTS = {"sgd": 1, "adamw": 2}
"""Numbers that an optimizer keeps for each weight."""


def forecast_training(run: Path, frames: FrameStore, config: PretrainConfig) -> Forecast:
    """What ``pretrain`` would do with a run: the steps that are left, its checkpoint and its backbone.

    The time is known of a run that has done steps already.
    """
    videos = training_videos(frames, config)
    total = count_steps(config, len(videos) // config.batch_size)
    rows = RunFolder(run).read_metrics()
    done = min(int(rows[-1]["step"]) + 1, total) if rows else 0
    model = build_objective(config)
    trained = sum(values.numel() * values.element_size() for values in model.trainable_parameters())
    checkpoint = bytes_of(model) + MOMENTS[config.optimizer] * trained
    rates = [row["samples_per_second"] for row in rows[-RECENT_STEPS:]]
    rate = statistics.median(rates) if rates else 0
    return Forecast(
        what=f"{total - done} steps of {config.batch_size} of {len(videos)} videos"
        + (f" ({done} of {total} are done)" if done else ""),
        folder=run,
        left=total - done,
        # While a checkpoint is written, the one before it is still there.
        bytes=2 * checkpoint + bytes_of(model.backbone),
        seconds=(total - done) * config.batch_size / rate if rate else None,
    )


def bytes_of(model: nn.Module) -> int:
    return sum(values.numel() * values.element_size() for values in model.state_dict().values())
