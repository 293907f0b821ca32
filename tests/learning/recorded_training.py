"""A pretraining that keeps what its first step saw and did; run by torchrun, the same on each of its ranks.

Arguments: folder of the stores, folder for the runs and records, and what happens to rank 1 after step 2.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch

from fame_cli.config import PretrainConfig
from fame_cli.data.frames import open_frame_store
from fame_cli.data.manifest import read_manifest
from fame_cli.data.statistics import open_statistics_store
from fame_cli.distraction.build import reads_maps
from fame_cli.learning import pretrain as pretrain_room
from fame_cli.learning.distributed import rank, together
from fame_cli.learning.objectives.objective import Figures, Views
from fame_cli.learning.training import Training

MOCO = PretrainConfig.from_options(
    backbone="small",
    clip_frames=4,
    frame_stride=2,
    crop_px=32,
    batch_size=4,
    steps=4,
    queue_length=10,
    embedding_dim=8,
    branch="both",
    batch_norm_clips=0,
)
CONFIGS = {
    "moco": MOCO,
    "simclr": MOCO.with_options(objective="simclr", embedding_dim=8, statistics="online"),
    "byol": MOCO.with_options(objective="byol", embedding_dim=8, background="intra", branch="single"),
    "wide-micro": MOCO.with_options(
        objective="wide-micro",
        queue_length=10,
        embedding_dim=8,
        batch_norm_clips=2,
        background="still",
        branch="single",
        static_weight=0.5,
    ),
    "be": MOCO.with_options(
        distraction="frame-intra",
        batch_norm_clips=2,
        symmetric=False,
        positive="same-frames",
        extra_negative="intra-video",
        negative_gap_frames=4,
        head="linear",
    ),
    "rotation": MOCO.with_options(objective="rotation", consistency=0.5, distraction="frame-inter"),
    "order": MOCO.with_options(objective="order", order_gap_frames=1, distraction="frame-intra"),
}

Record = dict[str, Any]


def record_training(work: Path, run: Path, config: PretrainConfig, **options: Any) -> Record:
    """Pretrain on one CPU thread; the record holds the first step's views, figures, gradients and queue."""
    record: Record = {}

    class Recording(Training):
        def step(self, views: Views, number: int, *rest: Any) -> Figures:
            figures = super().step(views, number, *rest)
            record.setdefault("first_step", number)
            if number == record["first_step"]:
                record["views"] = torch.stack([view.clips for view in views.values()])
                record["partners"] = [view.partners for view in views.values() if view.partners is not None]
                record["figures"] = torch.stack([figures["loss"], figures["accuracy"]])
                record["gradients"] = [
                    parameter.grad.clone() for parameter in self.model.trainable_parameters()
                ]
                record["state"] = {name: value.clone() for name, value in self.model.state_dict().items()}
            record["last_state"] = self.model.state_dict()
            if rank() == 1 and number == 1 and "signal" in options:
                os.kill(os.getpid(), options["signal"])
            return figures

    before, pretrain_room.Training = pretrain_room.Training, Recording  # type: ignore[misc]
    try:
        frames = open_frame_store(work, read_manifest(work), None)
        statistics = None
        if reads_maps(config):
            statistics = open_statistics_store(work, frames, config.clip_frames, config.frame_stride, None)
        resume = (run / "config.toml").exists()
        pretrain_room.pretrain(run, frames, statistics, config, device="cpu", resume=resume)
    finally:
        pretrain_room.Training = before  # type: ignore[misc]
    return record


def main(work: Path, folder: Path, fate: str = "") -> None:
    torch.set_num_threads(1)
    with together():
        if fate:
            record_training(work, folder / "moco", MOCO, signal=signal.Signals[fate])
        for name, config in CONFIGS.items():
            record = record_training(work, folder / name, config)
            torch.save(record, folder / f"{name}-{rank()}.pt")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
    except KeyboardInterrupt:
        sys.exit("interrupted by the test")
