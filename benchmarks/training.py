"""How fast a training step is on CPU cores, with and without what is done for it, and what it waits for.

    python benchmarks/training.py VIDEOS [--threads 2] [--batch-size 4] [--repeats 7] [--steps 5]

Compared are whole steps of MoCo (forward, backward, optimizer, momentum), R(2+1)D-18 at 16x112²: fp32
as torch lays clips out, the same with channels last, and both with bf16 autocast, each in turn. Then
the share of time that a training waits for its clips: VIDEOS is a folder of at least as many clips as a
batch has videos; it is extracted to a temporary folder first, with its statistics, and read as ``fame
benchmark train`` does.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from command import command_line, fame
from paired import paired, show

from fame_cli.config import Precision, PretrainConfig
from fame_cli.data.frames import open_frame_store
from fame_cli.data.manifest import read_manifest
from fame_cli.data.statistics import open_statistics_store
from fame_cli.learning.allocator import keep_freed_memory
from fame_cli.learning.benchmark import benchmark_training
from fame_cli.learning.objectives.objective import View
from fame_cli.learning.training import Training

CPU = torch.device("cpu")
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")
LAYOUTS = {"": torch.contiguous_format, ", channels last": torch.channels_last_3d}


def configuration(precision: Precision, batch_size: int) -> PretrainConfig:
    """The paper's training but for the batch, of whatever videos there are."""
    return PretrainConfig(precision=precision, batch_size=batch_size)


def one_step(precision: Precision, layout: torch.memory_format, batch_size: int) -> Callable[[], None]:
    """A step of a training of its own, on views of noise in the same layout as its weights."""
    config = configuration(precision, batch_size)
    training = Training(config, CPU)
    training.model.to(memory_format=layout)  # type: ignore[call-overload]
    shape = (2, batch_size, 3, config.clip_frames, config.crop_px, config.crop_px)
    first, second = (View(view.contiguous(memory_format=layout)) for view in torch.randn(shape))

    def step() -> None:
        training.step({"query": first, "key": second}, 0, 1, config.learning_rate)

    return step


def compare_steps(batch_size: int, repeats: int) -> None:
    steps = {
        precision + name: one_step(precision, layout, batch_size)
        for precision in PRECISIONS
        for name, layout in LAYOUTS.items()
    }
    show(paired(steps, repeats), "fp32", batch_size, "samples")


def measure_waiting(work: Path, batch_size: int, steps: int) -> None:
    """Print which share of a training on the videos of WORK is spent waiting for clips."""
    frames = open_frame_store(work, read_manifest(work))
    for precision in PRECISIONS:
        config = configuration(precision, batch_size)
        cached = open_statistics_store(work, frames, config.clip_frames, config.frame_stride)
        speed = benchmark_training(config, CPU, frames, cached, steps=steps)
        print(
            f"{precision}: {speed.samples_per_second:.2f} samples/s, {speed.data_wait:.1%} waiting for data"
        )


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=4, help="videos in a step, of two clips each")
    parser.add_argument("--repeats", type=int, default=7, help="steps of each kind")
    parser.add_argument("--steps", type=int, default=5, help="steps of each kind on the videos")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()  # as a training on a CPU does
    print(f"R(2+1)D-18, {options.batch_size} x 2 x 16 x 112², {options.threads} threads:", flush=True)
    compare_steps(options.batch_size, options.repeats)
    with tempfile.TemporaryDirectory() as scratch:
        fame("extract", options.videos, "-o", scratch)
        fame("masks", scratch)
        print("\nOn the videos, loading in the same process:", flush=True)
        measure_waiting(Path(scratch), options.batch_size, options.steps)


if __name__ == "__main__":
    main()
