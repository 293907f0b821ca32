"""The pretraining loop: batch, views, merge, loss, backward, step, momentum, log, checkpoint."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from fame_cli.config import PretrainConfig, TrackerName
from fame_cli.data.dataset import PretrainClips
from fame_cli.data.frames import FrameStore
from fame_cli.data.statistics import StatisticsStore
from fame_cli.distraction.build import build_distraction
from fame_cli.errors import ArtefactError
from fame_cli.learning.allocator import keep_freed_memory
from fame_cli.learning.backbones import require_fits
from fame_cli.learning.batch import make_views
from fame_cli.learning.checkpoint import save_backbone
from fame_cli.learning.device import choose_device
from fame_cli.learning.distributed import (
    any_rank,
    mean_over_ranks,
    rank,
    rank_count,
    require_shares,
    require_whole_groups,
    together,
    wait_for_all,
)
from fame_cli.learning.initial import read_initial
from fame_cli.learning.inputs import (
    describe_data,
    make_loader,
    statistics_to_read,
    training_videos,
    warnings_of,
)
from fame_cli.learning.interrupt import catch_interrupts
from fame_cli.learning.key_leak import KeyLeak, batches_to_measure, measure_key_leak
from fame_cli.learning.leg import begin_leg, count_steps
from fame_cli.learning.log import Log, StepInfo, divergence_error
from fame_cli.learning.memory_format import MemoryFormat
from fame_cli.learning.objectives.build import network_input, require_parts
from fame_cli.learning.objectives.moco import MoCo
from fame_cli.learning.overwrite import remove_run
from fame_cli.learning.pretraining_set import describe_set
from fame_cli.learning.resources import name_exhaustion
from fame_cli.learning.run import RunFolder, resume_command
from fame_cli.learning.schedule import cosine
from fame_cli.learning.trackers import Picture, require_tracker
from fame_cli.learning.training import Training

PICTURES = 10
"""Of what a training is given: one at its start, and after each tenth of it."""

Draw = Callable[[PretrainClips, Sequence[int], int, int], Mapping[str, Picture]]
"""Makes pictures of the training's clips, given the indices of its videos, an epoch and a step, by name."""


@dataclass(frozen=True)
class Outcome:
    """What a call of ``pretrain`` did."""

    run: Path
    first_step: int
    total_steps: int
    last: dict[str, float]
    """The last row of metrics.jsonl."""
    seconds: float
    key_leak: KeyLeak | None = None
    """How far keys are told by batch statistics, where that was measured now."""


@together()
@name_exhaustion()
def pretrain(
    run: Path,
    frames: FrameStore,
    statistics: StatisticsStore | None,
    config: PretrainConfig,
    *,
    resume: bool = False,
    overwrite: bool = False,
    init_from: Path | None = None,
    device: str = "auto",
    workers: int | None = None,
    compile: bool = False,
    memory_format: MemoryFormat = "auto",
    checkpoint_seconds: float = 60,
    track: TrackerName = "none",
    draw: Draw | None = None,
    tell: Callable[[StepInfo], None] | None = None,
    warn: Callable[[str], None] | None = None,
) -> Outcome:
    """Pretrain a backbone with merged clips into the folder ``run``.

    Stopped at any step (an interrupt saves first), it goes on from its last checkpoint with ``resume``. On a
    CPU the result is the same to the last bit as that of a run never stopped. Called in each of the processes
    that torchrun starts, they train together on what one process would: the first alone writes and tells.

    Args:
        run: the run's folder, made if need be.
        frames: where the clips come from.
        statistics: cached statistics of the same videos, or None where the distraction reads none.
        config: everything that decides the result.
        resume: go on with a run that was stopped, or, with more epochs or steps, with a finished one.
        overwrite: remove the run that is there, with its results, and begin anew.
        init_from: weights to begin with, a file or the folder of a finished run.
        device: "cpu", "cuda", "cuda:1" … or "auto", the first GPU if there is one.
        workers: processes that load clips, of each training process; None chooses by the device.
        compile: translate the backbones by torch.compile.
        memory_format: of weights and clips, see ``choose_memory_format``.
        checkpoint_seconds: time between checkpoints.
        track: where figures and pictures go besides TensorBoard.
        draw: makes the pictures.
        tell: called with where the training stands after each step whose loss is known.
        warn: called with each thing to mind of the options and the videos, when the training begins.

    Raises:
        ConfigurationError, InputError, ArtefactError: see ``RunFolder.begin`` and ``training_videos``.
        FameError: where the loss or the weights are no finite numbers, or something of the machine runs out.
        KeyboardInterrupt: after an interrupt or SIGTERM, when the step is done and saved.
    """
    started = time.monotonic()
    require_shares(config.batch_size)
    require_whole_groups(config.batch_size, config.batch_norm_clips)
    require_fits(config.backbone, *network_input(config))
    require_parts(config)
    require_tracker(track)
    distraction = build_distraction(config)
    statistics = statistics_to_read(distraction, statistics)
    video_indices = training_videos(frames, config)
    steps_per_epoch = len(video_indices) // config.batch_size
    total_steps = count_steps(config, steps_per_epoch)
    target = choose_device(device)
    initial = read_initial(init_from, config.backbone) if init_from else None
    if target.type == "cpu":
        keep_freed_memory()
    folder = RunFolder(run, writes=rank() == 0)
    videos = describe_set(frames.manifest, video_indices)
    data = describe_data(frames, statistics)
    if initial:
        seen = initial.pretraining_set
        videos = replace(videos, earlier=None if seen is None else (seen,))
        data |= initial.source
    machine = {
        "device": device,
        "compile": compile,
        "memory_format": memory_format,
        "checkpoint_seconds": checkpoint_seconds,
        **({} if workers is None else {"workers": workers}),
        **({} if track == "none" else {"track": track}),
    }
    if overwrite and folder.writes:
        remove_run(run)
    longer = any_rank(folder.begin(config.to_dict(), data, videos, resume, machine))
    with folder.locked(), catch_interrupts() as stopping, ExitStack() as ending:
        if any_rank(folder.writes and folder.backbone.exists() and not longer):
            return Outcome(run, total_steps, total_steps, folder.last_metrics(), 0.0)
        warnings = warnings_of(config, [frames.videos[index].frame_count for index in video_indices])
        if longer and folder.writes:
            warnings.insert(0, begin_leg(folder, config, steps_per_epoch))
        training = Training(
            config,
            target,
            compile=compile,
            memory_format=memory_format,
            initial=initial.backbone if initial else None,
        )
        begun = any_rank(folder.writes and resume and folder.checkpoint.exists())
        if not begun and any_rank(folder.writes and bool(folder.read_metrics())):
            raise ArtefactError(
                f"{folder.checkpoint} is missing, but {folder.metrics.name} tells of steps that were done.",
                "Copy it back, or start another run with -o.",
            )
        step = training.restore(folder.checkpoint) if begun else 0
        if folder.writes and not begun:
            training.save(folder.checkpoint, 0)
        folder.cut_metrics(step)
        folder.note(f"{'resumed at' if step else 'begun:'} step {step} of {total_steps} on {target}")
        for warning in warnings:
            folder.note(f"warning: {warning}")
            if warn and folder.writes:
                warn(warning)
        clips = PretrainClips(frames, statistics, config, training.model.roles, distraction)
        loader = make_loader(clips, video_indices, config, step, total_steps, target, workers)
        chance = training.model.chance
        log = Log(folder, config, step, total_steps, steps_per_epoch, chance, tell, track, warn)
        ending.callback(log.end)
        saved_at = time.monotonic()
        for batch in log.track_waiting(loader):
            if draw and folder.writes and step % max(1, total_steps // PICTURES) == 0:
                log.add_pictures(step, draw(clips, video_indices, step // steps_per_epoch, step))
            learning_rate = cosine(step, total_steps, config.learning_rate)
            views = make_views(
                batch,
                training.model.roles,
                distraction,
                config.seed,
                step,
                target,
                training.memory_format,
            )
            figures = training.step(views, step, total_steps, learning_rate)
            log.add(step, mean_over_ranks(figures), learning_rate)
            step += 1
            stop = any_rank(stopping())
            if folder.writes and (stop or time.monotonic() - saved_at >= checkpoint_seconds):
                log.drain()
                # The loss is of the weights before the step: it does not tell of those to be saved.
                require_finite(training.model, step)
                training.save(folder.checkpoint, step)
                saved_at = time.monotonic()
            if stop:
                wait_for_all()  # the first has saved then
                folder.note(f"interrupted after step {step}")
                raise KeyboardInterrupt(f"Go on: {resume_command(run, rank_count())}")
        log.close()
        require_finite(training.model, step)
        if leak := find_key_leak(training, clips, video_indices, total_steps):
            leak.write(folder.key_leak)
            folder.note(str(leak))
        if folder.writes:
            training.save(folder.checkpoint, step)
            metadata = {
                name: str(getattr(config, name)) for name in ("clip_frames", "frame_stride", "crop_px")
            }
            save_backbone(folder.backbone, training.model.backbone, config.backbone, metadata)
        folder.note(f"finished after step {step}")
        wait_for_all()
        seconds = time.monotonic() - started
        return Outcome(run, total_steps - len(loader), total_steps, folder.last_metrics(), seconds, leak)


def find_key_leak(
    training: Training, clips: PretrainClips, video_indices: list[int], total_steps: int
) -> KeyLeak | None:
    """How far keys are told by batch statistics; None where there is nothing to measure it with.

    That is with other objectives than MoCo, on several processes, and where the videos make one batch only.
    """
    config, model = training.config, training.model
    steps_per_epoch = len(video_indices) // config.batch_size
    count = min(batches_to_measure(config.batch_size), steps_per_epoch)
    if not isinstance(model, MoCo) or rank_count() > 1 or count < 2:
        return None
    # Batches of one further epoch, so that no video is in two of them.
    first = -(-total_steps // steps_per_epoch) * steps_per_epoch
    loader = make_loader(clips, video_indices, config, first, first + count, training.device, workers=0)
    return measure_key_leak(
        model,
        (
            make_views(
                batch,
                model.roles,
                clips.distraction,
                config.seed,
                first + number,
                training.device,
                training.memory_format,
            )
            for number, batch in enumerate(loader)
        ),
    )


def require_finite(model: nn.Module, step: int) -> None:
    """Raise FameError where so many steps made weights that are no finite numbers."""
    if not all(values.isfinite().all() for values in model.state_dict().values()):
        raise divergence_error(f"the weights are no finite numbers after {step} steps")
