"""``fame benchmark``: what this machine does with a training."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from fame_cli.cli import console
from fame_cli.cli.masks import Frames, StatisticsStoreName
from fame_cli.cli.options import AsJson, own_number, takes
from fame_cli.cli.pretrain import Compile, Device, MemoryFormatOption, Workers
from fame_cli.config import PretrainConfig
from fame_cli.option import Option


@takes(PretrainConfig, leave_out=("split", "epochs", "steps"))
def train(
    config: PretrainConfig,
    work: Annotated[
        Path | None, typer.Argument(help="Train on its videos; without it, on noise, which needs no loading.")
    ] = None,
    steps: Annotated[int, own_number("steps", int, Option("Steps to time.", at_least=1))] = 20,
    frames: Frames = None,
    statistics_store: StatisticsStoreName = None,
    device: Device = "auto",
    workers: Workers = None,
    compile: Compile = False,
    memory_format: MemoryFormatOption = "auto",
    as_json: AsJson = False,
) -> int:
    """Time pretraining steps: samples per second, waiting for data, memory, and share of peak throughput.

    Peak throughput is the rate of one large 3-D convolution, measured in the same run: bf16 on a GPU, fp32 on
    a CPU.
    """
    from fame_cli.data.frames import open_frame_store
    from fame_cli.data.manifest import read_manifest
    from fame_cli.data.statistics import open_statistics_store
    from fame_cli.distraction.build import reads_maps
    from fame_cli.learning.benchmark import benchmark_training, time_memory_formats
    from fame_cli.learning.device import choose_device
    from fame_cli.learning.memory_format import choose_memory_format

    store = cached = None
    if work is not None:
        store = open_frame_store(work, read_manifest(work), frames)
        if reads_maps(config):
            cached = open_statistics_store(
                work, store, config.clip_frames, config.frame_stride, statistics_store, hue=config.hue
            )
    target = choose_device(device)
    with console.progress("training", "steps") as tell:
        speed = benchmark_training(
            config,
            target,
            store,
            cached,
            steps=steps,
            workers=workers,
            compile=compile,
            memory_format=memory_format,
            tell=tell,
        )
    formats = time_memory_formats(config, target)
    waiting = "nothing was loaded" if speed.data_wait is None else f"{speed.data_wait:.1%}"
    rate, best = speed.flops_per_second / 1e9, speed.convolution_flops_per_second / 1e9
    rows = [
        ("samples a second", f"{speed.samples_per_second:.1f}"),
        ("waiting for data", waiting),
        ("peak memory", console.size(speed.peak_memory_bytes)),
        ("arithmetic", f"{rate:,.0f} GFLOP/s"),
        ("of a 3-D convolution's rate", f"{speed.share_of_convolution_rate:.0%} of {best:,.0f} GFLOP/s"),
    ]
    rows += [(f"{name}, a small step", f"{1000 * seconds:,.0f} ms") for name, seconds in formats.items()]
    shape = f"{config.batch_size} videos, {config.clip_frames} x {config.crop_px}²"
    title = f"{config.objective.name}, {config.backbone}, {shape}, {config.precision} on {target}"
    console.table(title, ["", f"{steps} steps"], rows)
    if as_json:
        share = speed.share_of_convolution_rate
        told = {**asdict(speed), "share_of_convolution_rate": share, "seconds_of_a_small_step": formats}
        console.say_json({"title": title, "device": str(target), "options": config.to_dict(), **told})
    used, faster = choose_memory_format(memory_format), min(formats, key=formats.__getitem__)
    advice = "it was used" if used == faster else f"give --memory-format {faster}, to pretrain as well"
    console.say(f"The faster memory format here is {faster}: {advice}.")
    return 0
