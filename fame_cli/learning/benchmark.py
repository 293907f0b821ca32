"""How fast a pretraining is on this machine, and how near it comes to what the machine can do."""

import dataclasses
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import default_collate
from torch.utils.flop_counter import FlopCounterMode

from fame_cli.config import PretrainConfig
from fame_cli.data.clips import clip_span, generator_for
from fame_cli.data.dataset import Array, PretrainClips, Sample
from fame_cli.data.frames import FrameStore
from fame_cli.data.manifest import Video
from fame_cli.data.picture import Frame
from fame_cli.data.statistics import StatisticsStore
from fame_cli.distraction.build import build_distraction
from fame_cli.distraction.distraction import Distraction
from fame_cli.foreground.kernels import COLOUR_BINS
from fame_cli.learning.allocator import keep_freed_memory
from fame_cli.learning.batch import make_views
from fame_cli.learning.inputs import make_loader, training_videos
from fame_cli.learning.memory_format import FORMATS, MemoryFormat
from fame_cli.learning.resources import name_exhaustion
from fame_cli.learning.training import Training, compile_backbones

WARM_UP_STEPS = 2
"""Not timed: the first steps choose algorithms, allocate and, with ``compile``, translate."""

CONVOLUTION_ROUNDS = 10

FORMAT_VIDEOS = 8
FORMAT_STEPS = 3
"""Videos of a step and steps by which memory formats are compared."""


@dataclass(frozen=True)
class Speed:
    """What a benchmark measured."""

    steps: int
    samples_per_second: float
    """Videos, of two clips each."""
    data_wait: float | None
    """Share of the time in which the loop stood waiting for the loader; None where nothing was loaded."""
    peak_memory_bytes: int
    """Of the GPU, or of the process on a CPU."""
    flops_per_second: float
    """Floating-point operations of convolutions and matrix products, forward and backward."""
    convolution_flops_per_second: float
    """Of a large 3-D convolution alone, measured in the same run: bf16 on a GPU, fp32 on a CPU."""

    @property
    def share_of_convolution_rate(self) -> float:
        return self.flops_per_second / self.convolution_flops_per_second


@name_exhaustion()
def benchmark_training(
    config: PretrainConfig,
    device: torch.device,
    frames: FrameStore | None = None,
    cached: StatisticsStore | None = None,
    *,
    steps: int = 20,
    workers: int | None = None,
    compile: bool = False,
    memory_format: MemoryFormat = "auto",
    tell: Callable[[int, int], None] | None = None,
) -> Speed:
    """Time ``steps`` training steps as ``pretrain`` does them, on the videos of ``frames`` or on made clips.

    Raises what ``training_videos`` raises where the videos do not fill a batch.
    """
    if device.type == "cpu":
        keep_freed_memory()
    training = Training(config, device, memory_format=memory_format)
    distraction = build_distraction(config)
    batches: Iterable[Sample]
    if frames is None:
        batches = repeat(make_batch(training, distraction, config.batch_size), WARM_UP_STEPS + steps)
    else:
        video_indices, total = training_videos(frames, config), WARM_UP_STEPS + steps
        clips = PretrainClips(frames, cached, config, training.model.roles, distraction)
        batches = make_loader(clips, video_indices, config, 0, total, device, workers)
    flops = count_flops(training, distraction)
    if compile:
        compile_backbones(training.model)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    taken = []
    for timed in timed_steps(training, distraction, batches):
        taken.append(timed)
        if tell:
            tell(len(taken), WARM_UP_STEPS + steps)
    taken = taken[WARM_UP_STEPS:]
    seconds, waited = (sum(column) for column in zip(*taken, strict=True))
    return Speed(
        steps=steps,
        samples_per_second=steps * config.batch_size / seconds,
        data_wait=None if frames is None else waited / seconds,
        peak_memory_bytes=peak_memory(device),  # before the convolution below takes its own
        flops_per_second=steps * flops / seconds,
        convolution_flops_per_second=measure_convolution_rate(device),
    )


@name_exhaustion()
def time_memory_formats(config: PretrainConfig, device: torch.device) -> dict[MemoryFormat, float]:
    """Seconds of a training step with few made clips in each memory format: the median of some."""
    config = dataclasses.replace(config, batch_size=min(config.batch_size, FORMAT_VIDEOS))
    distraction, seconds = build_distraction(config), dict[MemoryFormat, float]()
    for name in FORMATS:
        training = Training(config, device, memory_format=name)
        batches = repeat(make_batch(training, distraction, config.batch_size), WARM_UP_STEPS + FORMAT_STEPS)
        taken = [step for step, _ in timed_steps(training, distraction, batches)]
        seconds[name] = statistics.median(taken[WARM_UP_STEPS:])
    return seconds


def timed_steps(
    training: Training, distraction: Distraction | None, batches: Iterable[Sample]
) -> Iterator[tuple[float, float]]:
    """Seconds of each step, those for which it waited for its batch among them, and those alone.

    The device finishes each step before the next batch is asked for, so that waiting is waiting: a training
    lets the host run ahead and is a little faster.
    """
    begun = time.perf_counter()
    for number, batch in enumerate(batches):
        loaded = time.perf_counter()
        roles, seed = training.model.roles, training.config.seed
        views = make_views(batch, roles, distraction, seed, number, training.device, training.memory_format)
        training.step(views, number, sys.maxsize, training.config.learning_rate)
        wait_for(training.device)
        ended = time.perf_counter()
        yield ended - begun, loaded - begun
        begun = time.perf_counter()


def wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def count_flops(training: Training, distraction: Distraction | None) -> int:
    """Floating-point operations of one step: a step of two videos is counted, and scaled to the batch."""
    config, batch = training.config, make_batch(training, distraction, 2)
    device, roles = training.device, training.model.roles
    views = make_views(batch, roles, distraction, config.seed, 0, device, training.memory_format)
    with FlopCounterMode(display=False) as counter:
        training.step(views, 0, 1, config.learning_rate)
    flops: int = counter.get_total_flops()
    return flops * config.batch_size // 2


class Noise:
    """Stands for both stores of a WORK folder: videos of noise that are a few clips long."""

    def __init__(self, config: PretrainConfig, count: int) -> None:
        self.side = config.crop_px
        length = 3 * clip_span(config.clip_frames, config.frame_stride)
        self.videos = [Video(str(number), "", frame_count=length) for number in range(count)]
        self.generator = generator_for(config.seed, "benchmark")

    def each_frame(self, video_index: int, indices: Array) -> Iterator[Frame]:  # noqa: ARG002
        shape = (self.side, self.side, 3)
        return (self.generator.integers(0, 256, shape, np.uint8) for _ in indices)

    def read_maps(self, video_index: int, start: int) -> tuple[Array, Array]:  # noqa: ARG002
        shape = (self.side, self.side)
        seed = self.generator.random(shape, np.float32)
        return seed, self.generator.integers(0, COLOUR_BINS, shape, np.uint16)


def make_batch(training: Training, distraction: Distraction | None, count: int) -> Sample:
    """A batch of ``count`` samples as the loader gives it, of noise."""
    config, noise = training.config, Noise(training.config, count)
    clips = PretrainClips(noise, noise, config, training.model.roles, distraction)
    batch: Sample = default_collate([clips[0, number] for number in range(count)])
    if training.device.type == "cuda":
        for view in batch.values():
            view |= {part: values.pin_memory() for part, values in view.items() if isinstance(values, Tensor)}
    return batch


def measure_convolution_rate(device: torch.device) -> float:
    """Floating-point operations a second of 3×3×3 convolutions of 256 channels, in the better layout."""
    on_gpu = device.type == "cuda"
    B, C, T, side = (64 if on_gpu else 2), 256, 8, 28
    dtype = torch.bfloat16 if on_gpu else torch.float32
    seconds = []
    for layout in (torch.contiguous_format, torch.channels_last_3d):
        clips = torch.rand(B, C, T, side, side, device=device, dtype=dtype).contiguous(memory_format=layout)
        weight = torch.rand(C, C, 3, 3, 3, device=device, dtype=dtype).contiguous(memory_format=layout)
        rounds = []
        for _ in range(CONVOLUTION_ROUNDS):
            wait_for(device)
            begun = time.perf_counter()
            functional.conv3d(clips, weight, padding=1)
            wait_for(device)
            rounds.append(time.perf_counter() - begun)
        seconds.append(statistics.median(rounds))
    return 2 * B * C * T * side**2 * C * 27 / min(seconds)


def peak_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
