"""What a training learns from: its videos, their statistics, what is wrong with them, and their loader."""

from collections.abc import Sequence

import torch
from torch.utils.data import DataLoader

from fame_cli.advice import stage_command
from fame_cli.config import PretrainConfig
from fame_cli.data.clips import clip_span, last_start
from fame_cli.data.dataset import PretrainClips, Sample, StepSampler
from fame_cli.data.frames import FrameStore
from fame_cli.data.statistics import StatisticsStore
from fame_cli.distraction.distraction import Distraction
from fame_cli.errors import ConfigurationError, InputError
from fame_cli.learning.device import loader_processes
from fame_cli.learning.distributed import OwnShare, rank_count
from fame_cli.learning.interrupt import loader_process
from fame_cli.learning.leg import count_steps
from fame_cli.learning.objectives.build import moco_roles, order_distance
from fame_cli.learning.objectives.order import CLIPS
from fame_cli.learning.resources import BatchSize, require_loader_resources
from fame_cli.method import MocoMethod, OrderConfig
from fame_cli.names import to_text

FEW_STEPS = 100
"""Fewer are warned of: the demo, whose videos are made to be learned from, takes 180."""

TENSORS = 16
"""Of a loaded view, about: a clip, its maps, and what was drawn for it."""


def training_videos(frames: FrameStore, config: PretrainConfig) -> list[int]:
    """Places of the videos to learn from: those of the split, or all where no video has one.

    Raises InputError where there are none, ConfigurationError where they do not fill a batch.
    """
    manifest = frames.manifest
    splits = sorted({video.split for video in manifest.videos if video.split})
    video_indices = manifest.video_indices(config.split if splits else "")
    if not video_indices:
        where = f" in split {config.split!r}; its splits: {', '.join(splits)}" if splits else ""
        raise InputError(
            f"the manifest has no readable video{where}.",
            "Look at status and reason in manifest.csv, or choose another split with --split.",
        )
    if len(video_indices) < 2:
        raise InputError(
            "there is only one video to learn from.",
            "Training takes two or more: a clip gets the background of another video, and is told from it.",
        )
    if len(video_indices) < config.batch_size:
        raise ConfigurationError(
            f"--batch-size is {config.batch_size}, but there are only {len(video_indices)} videos to learn "
            "from.",
            f"Give --batch-size {len(video_indices)} or less.",
        )
    short, wanted = count_short(config, [frames.videos[index].frame_count for index in video_indices])
    if short == len(video_indices):
        raise ConfigurationError(
            f"three clips in order take {wanted} frames, and no video to learn from has so many.",
            "Give fewer --clip-frames, a smaller --frame-stride or fewer --order-gap-frames.",
        )
    return video_indices


def count_short(config: PretrainConfig, frame_counts: Sequence[int]) -> tuple[int, int]:
    """How many of the videos are too short for three clips in order, and the frames that these take.

    No video is, but for the order of clips.
    """
    if not isinstance(config.objective, OrderConfig):
        return 0, 0
    span = clip_span(config.clip_frames, config.frame_stride)
    wanted = span + (CLIPS - 1) * order_distance(config, config.objective)
    return sum(count < wanted for count in frame_counts), wanted


def warnings_of(config: PretrainConfig, frame_counts: Sequence[int]) -> list[str]:
    """What to mind of a training on videos of so many frames each, before it begins."""
    moco, found = config.objective, list[str]()
    steps = count_steps(config, len(frame_counts) // config.batch_size)
    if not config.steps and steps < FEW_STEPS:
        found.append(
            f"{config.epochs} epochs of {len(frame_counts)} videos in batches of {config.batch_size} make "
            f"{steps} steps, in which a network learns next to nothing. Give more --epochs, or a smaller "
            "--batch-size."
        )
    short, wanted = count_short(config, frame_counts)
    if short:
        found.append(
            f"{short} of {len(frame_counts)} videos have fewer than the {wanted} frames that three clips in "
            "order take: they are left out of the loss."
        )
    if not isinstance(moco, MocoMethod):
        return found
    if not 0 < moco.batch_norm_clips < config.batch_size:
        found.append(
            f"all {config.batch_size} videos of a batch are normalised in one group, so batch statistics may "
            "tell a query which key is its own. Give a --batch-norm-clips from 1 to below --batch-size."
        )
    if moco.queue_length > len(frame_counts):
        found.append(
            f"the queue of {moco.queue_length} keys is longer than the {len(frame_counts)} videos: about "
            f"{moco.queue_length / len(frame_counts):.0f} of them are of a query's own video. They are left "
            "out of its negatives; a shorter --queue-length keeps the keys fresher."
        )
    negative = next((role for role in moco_roles(config, moco) if role.name == "negative"), None)
    if negative is not None:
        span = clip_span(config.clip_frames, config.frame_stride)
        short = sum(last_start(count, span) < negative.gap_frames for count in frame_counts)
        if short:
            found.append(
                f"{short} of {len(frame_counts)} videos are too short for any clip {negative.gap_frames} "
                "frames apart: they have no negative of their own."
            )
    return found


def statistics_to_read(
    distraction: Distraction | None, statistics: StatisticsStore | None
) -> StatisticsStore | None:
    """The statistics where the distraction reads any; ConfigurationError where they are of another hue."""
    if distraction is None or statistics is None or not distraction.reads.maps:
        return None
    hue, kept = distraction.reads.hue, statistics.config.hue
    if kept != hue:
        raise ConfigurationError(
            f"--hue is {hue!r}, but {statistics.folder} was computed with {kept!r}.",
            f"Give --hue {kept}, or make others and name them with --statistics-store: "
            f"{stage_command(statistics.folder, hue=hue)}",
        )
    return statistics


def describe_data(frames: FrameStore, statistics: StatisticsStore | None) -> dict[str, str]:
    """What the run learns from, by name and by content."""
    work = to_text(str(frames.folder.absolute().parent.parent))
    data = {"work": work, "frames": frames.folder.name, "frames_content": frames.fingerprint}
    if statistics is not None:
        data |= {"statistics": statistics.folder.name, "statistics_content": statistics.fingerprint}
    return data


def make_loader(
    clips: PretrainClips,
    video_indices: list[int],
    config: PretrainConfig,
    first_step: int,
    total_steps: int,
    device: torch.device,
    workers: int | None,
) -> DataLoader[Sample]:
    """This rank's share of the samples of each step, from ``first_step`` on.

    Raises FameError where the machine has too little of what processes that load clips need.
    """
    workers = loader_processes(device) if workers is None else workers
    share = config.batch_size // rank_count()
    require_loader_resources(workers, BatchSize(share * clips.sample_bytes(), TENSORS * len(clips.roles)))
    steps = StepSampler(video_indices, config.batch_size, config.seed, first_step, total_steps)
    return DataLoader(
        clips,
        batch_sampler=OwnShare(steps, config.batch_size),
        num_workers=workers,
        pin_memory=device.type == "cuda",
        worker_init_fn=loader_process(),
    )
