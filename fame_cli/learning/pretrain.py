"""The pretraining loop: batch, views, merge, loss, backward, step, momentum, log, checkpoint."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from fame_cli import stage
from fame_cli.config import PretrainConfig
from fame_cli.data.dataset import PretrainClips, StepSampler
from fame_cli.data.frames import FrameStore
from fame_cli.data.statistics import StatisticsStore
from fame_cli.errors import ConfigurationError, InputError
from fame_cli.learning.backbones import build_backbone
from fame_cli.learning.batch import make_views
from fame_cli.learning.checkpoint import load_training, save_backbone, save_training
from fame_cli.learning.interrupt import leave_interrupts_to_the_parent, stop_requested
from fame_cli.learning.log import Log, Standing
from fame_cli.learning.moco import MoCo
from fame_cli.learning.run import RunFolder
from fame_cli.learning.schedule import cosine


@dataclass(frozen=True)
class Outcome:
    """What a call of ``pretrain`` did."""

    run: Path
    first_step: int
    total_steps: int
    last: dict[str, float]
    """The last row of metrics.jsonl."""
    seconds: float


def pretrain(
    run: Path,
    frames: FrameStore,
    statistics: StatisticsStore | None,
    config: PretrainConfig,
    *,
    resume: bool = False,
    device: str = "auto",
    workers: int | None = None,
    checkpoint_seconds: float = 60,
    tell: Callable[[Standing], None] | None = None,
) -> Outcome:
    """Pretrain a backbone by MoCo with merged clips into the folder ``run``.

    Stopped at any step (an interrupt saves first), it goes on from its last checkpoint with ``resume``. On a
    CPU the result is the same to the last bit as that of a run never stopped.
    """
    started = time.monotonic()
    positions = training_positions(frames, config)
    steps_per_epoch = len(positions) // config.batch_size
    total_steps = config.steps or config.epochs * steps_per_epoch
    target = choose_device(device)
    folder = RunFolder(run)
    folder.begin(config.to_dict(), describe_data(frames, statistics), resume)
    with stage.locked(run), stop_requested() as stopping:
        if folder.backbone.exists():
            return Outcome(run, total_steps, total_steps, folder.read_metrics()[-1], 0.0)
        training = Training(config, target)
        step = training.restore(folder, resume)
        folder.cut_metrics(step)
        folder.note(f"{'resumed at' if step else 'begun:'} step {step} of {total_steps} on {target}")
        loader = make_loader(frames, statistics, config, positions, step, total_steps, target, workers)
        log = Log(folder, config, step, total_steps, steps_per_epoch, tell)
        saved_at = time.monotonic()
        for batch in loader:
            learning_rate = cosine(step, total_steps, config.learning_rate)
            first, second = make_views(batch, config, step, target)
            with torch.autocast(target.type, torch.bfloat16, enabled=config.precision == "bf16"):
                loss = training.model(first, second)
            training.update(loss, learning_rate)
            log.add(step, loss, training.model.accuracy, learning_rate)
            step += 1
            if stopping() or time.monotonic() - saved_at >= checkpoint_seconds:
                log.drain()
                training.save(folder, step)
                saved_at = time.monotonic()
            if stopping():
                folder.note(f"interrupted after step {step}")
                raise KeyboardInterrupt
        log.close()
        training.save(folder, step)
        metadata = {name: str(getattr(config, name)) for name in ("clip_frames", "frame_stride", "crop_px")}
        save_backbone(folder.backbone, training.model.encoder_q.backbone, config.backbone, metadata)
        folder.note(f"finished after step {step}")
        last = folder.read_metrics()[-1]
        return Outcome(run, total_steps - len(loader), total_steps, last, time.monotonic() - started)


class Training:
    """Model and optimizer, and their way to and from a checkpoint."""

    def __init__(self, config: PretrainConfig, device: torch.device) -> None:
        torch.manual_seed(config.seed)
        model = MoCo(
            build_backbone(config.backbone),
            embedding_dim=config.embedding_dim,
            queue_length=config.queue_length,
            momentum=config.momentum,
            temperature=config.temperature,
            seed=config.seed,
        )
        self.model = model.to(device).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.config = config
        parameters = model.encoder_q.parameters()
        self.optimizer: torch.optim.Optimizer
        if config.optimizer == "sgd":
            self.optimizer = torch.optim.SGD(
                parameters, config.learning_rate, momentum=0.9, weight_decay=config.weight_decay
            )
        else:
            self.optimizer = torch.optim.AdamW(
                parameters, config.learning_rate, weight_decay=config.weight_decay
            )

    def update(self, loss: Tensor, learning_rate: float) -> None:
        """One step of the optimizer, then the momentum step of the key encoder."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.model.update_keys()

    def save(self, folder: RunFolder, step: int) -> None:
        """Replace the checkpoint. Random states need no saving: every choice has an address."""
        state = {"step": step, "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        save_training(folder.checkpoint, state)

    def restore(self, folder: RunFolder, resume: bool) -> int:
        """Go back to the last checkpoint, if there is one; returns the step to go on with."""
        if not (resume and folder.checkpoint.exists()):
            return 0
        device = next(self.model.parameters()).device
        state = load_training(folder.checkpoint, device)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        return int(state["step"])


def training_positions(frames: FrameStore, config: PretrainConfig) -> list[int]:
    """Places of the videos to learn from: those of the split, or all where no video has one.

    Raises InputError where there are none, ConfigurationError where they do not fill a batch.
    """
    manifest = frames.manifest
    splits = sorted({video.split for video in manifest.videos if video.split})
    positions = manifest.positions(config.split if splits else "")
    if not positions:
        raise InputError(
            f"the manifest has no readable video in split {config.split!r}; its splits: {', '.join(splits)}.",
            "Choose another with --split, or look at status and reason in manifest.csv.",
        )
    if len(positions) < config.batch_size:
        raise ConfigurationError(
            f"--batch-size is {config.batch_size}, but there are only {len(positions)} videos to learn from.",
            f"Give --batch-size {len(positions)} or less.",
        )
    return positions


def describe_data(frames: FrameStore, statistics: StatisticsStore | None) -> dict[str, str]:
    """What the run learns from, by name and by content."""
    data = {"frames": frames.folder.name, "frames_content": frames.fingerprint}
    if statistics is not None:
        data |= {"statistics": statistics.folder.name, "statistics_content": statistics.fingerprint}
    return data


def choose_device(name: str) -> torch.device:
    """A torch device; "auto" is the first GPU, or the CPU where there is none."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigurationError(
            f"--device {name} cannot be used: {reason}", "Use --device cpu, or auto."
        ) from error
    torch.backends.cudnn.benchmark = True
    return device


def make_loader(
    frames: FrameStore,
    statistics: StatisticsStore | None,
    config: PretrainConfig,
    positions: list[int],
    first_step: int,
    total_steps: int,
    device: torch.device,
    workers: int | None,
) -> DataLoader[dict[str, Any]]:
    sampler = StepSampler(positions, config.batch_size, config.seed, first_step, total_steps)
    if workers is None:
        # On a CPU the step itself uses every core, so loading beside it gains nothing.
        workers = min(8, torch.get_num_threads()) if device.type == "cuda" else 0
    return DataLoader(
        PretrainClips(frames, statistics, config),
        batch_sampler=sampler,
        num_workers=workers,
        pin_memory=device.type == "cuda",
        worker_init_fn=leave_interrupts_to_the_parent,
    )
