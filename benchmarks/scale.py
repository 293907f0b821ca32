"""What a video costs among few and among many, and how much memory a large one takes.

    python benchmarks/scale.py VIDEOS [--parts large many reading] [--copies 1 10 100] [--jobs 2]
                                      [--among 240000] [--repeats 9] [--samples 200]

Commands are whole, from their start to their end. First, "large": both stages on two videos made of the
frames of one of VIDEOS, 20 minutes of 320×240 and a short one of 2560×1600: what the largest process of each
command took at most. Then, "many": ``fame extract`` and ``fame masks`` on so many copies of every video of
the folder VIDEOS, both once more when there is nothing left to do, and ``fame status``.

Last, "reading": what a training sample costs among 40 videos and among 240,000, in turn, in one process and
on one core, and how long opening both stores of the latter takes, from reading the manifest on, and how much
memory. The many are links to the shards of the few, under a manifest, receipts and stages of their own, so
the disk that they are read from is not measured, and all that depends on their number is.
"""

import functools
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from command import command_line, fame
from copies import linked_copies, linked_work
from paired import paired, ratio, show

from fame_cli.config import PretrainConfig
from fame_cli.data.clips import Indices, clip_indices
from fame_cli.data.frames import FrameStore, open_frame_store
from fame_cli.data.manifest import read_manifest
from fame_cli.data.statistics import StatisticsStore, open_statistics_store

STAGES = ("extract", "masks")
LARGE = {"20 minutes of 320×240": (320, 240, 20 * 60 * 25), "2560×1600": (2560, 1600, 250)}
"""Width, height and frames of the videos made to measure memory."""
FPS = 25
FEW = 40
"""Videos, which fill five shards."""
PARTS = ("large", "many", "reading")
CONFIG = PretrainConfig()


def seconds_of(*words: object) -> float:
    started = time.perf_counter()
    fame(*words)
    return time.perf_counter() - started


def words_of(stage: str, videos: Path, work: Path, jobs: int) -> list[object]:
    source = [videos, "-o", work] if stage == "extract" else [work]
    return [stage, *source, "--jobs", jobs]


def cost_of_many(videos: Path, scratch: Path, copies: int, jobs: int) -> None:
    """Print what a video costs among ``copies`` of all of them."""
    linked, work = scratch / f"{copies} copies", scratch / f"work of {copies}"
    linked_copies(videos, linked, copies)
    count = sum(1 for path in linked.rglob("*") if path.is_symlink())
    first, again = (
        {stage: seconds_of(*words_of(stage, linked, work, jobs)) for stage in STAGES} for _ in range(2)
    )
    status = seconds_of("status", work)
    print(
        f"{count} videos: "
        + ", ".join(f"{stage} {1000 * first[stage] / count:.0f} ms a video" for stage in STAGES)
        + "; again: "
        + ", ".join(f"{stage} {again[stage]:.2f} s" for stage in STAGES)
        + f"; status {status:.2f} s",
        flush=True,
    )


def make_video(path: Path, example: Path, width: int, height: int, frames: int) -> None:
    """The frames of ``example``, enlarged and from the start again as often as needed."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (width, height))
    capture = cv2.VideoCapture(str(example))
    for _ in range(frames):
        read, frame = capture.read()
        if not read:
            capture = cv2.VideoCapture(str(example))
            read, frame = capture.read()
        writer.write(cv2.resize(frame, (width, height)))
    writer.release()


def largest_process_mb(*words: object) -> float:
    """The most memory that a process of a ``fame`` command had at a time."""
    command = [sys.executable, "-m", "fame_cli", *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"fame {' '.join(command[3:])} failed; run it by itself to see why")
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def memory_of_large(example: Path, scratch: Path) -> None:
    for name, (width, height, frames) in LARGE.items():
        videos, work = scratch / name, scratch / f"work of {name}"
        videos.mkdir()
        make_video(videos / "video.mp4", example, width, height, frames)
        for stage in STAGES:
            memory = largest_process_mb(*words_of(stage, videos, work, jobs=1))
            print(f"{stage} on {name}: {memory:.0f} MB", flush=True)


def few_and_many(videos: Path, scratch: Path, count: int) -> tuple[Path, Path]:
    """WORK folders of 40 videos, copies where there are not as many, and of ``count`` links to them."""
    linked, few, many = scratch / "few videos", scratch / "few", scratch / "many"
    files = sorted(path for path in videos.rglob("*") if path.is_file())
    linked.mkdir()
    for number in range(FEW):
        file = files[number % len(files)]
        (linked / f"{number:02d}{file.suffix}").symlink_to(file.resolve())
    fame("extract", linked, "-o", few)
    fame("masks", few)
    linked_work(few, many, count)
    return few, many


def open_both(work: Path) -> tuple[FrameStore, StatisticsStore]:
    frames = open_frame_store(work, read_manifest(work))
    return frames, open_statistics_store(work, frames, CONFIG.clip_frames, CONFIG.frame_stride)


def in_a_new_process(function: Callable[..., None], *given: object) -> None:
    process = multiprocessing.get_context("spawn").Process(target=function, args=given)
    process.start()
    process.join()
    if process.exitcode:
        sys.exit(process.exitcode)


def cost_of_opening(work: Path, samples: int) -> None:
    """Print what opening both stores takes, and what memory and open files the process then has."""
    started = time.perf_counter()
    frames, cached = open_both(work)
    seconds = time.perf_counter() - started
    video_indices = np.random.default_rng(0).choice(frames.manifest.video_indices(), samples).tolist()
    for video_index in video_indices:
        count = frames.videos[video_index].frame_count
        frames.read(video_index, clip_indices(0, CONFIG.clip_frames, CONFIG.frame_stride, count))
        cached.read_maps(video_index, 0)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(
        f"{len(frames.videos):,} videos: opened in {seconds:.1f} s; after {samples} clips the process has "
        f"taken {memory / 1e6:.0f} MB at most and holds {len(os.listdir('/dev/fd'))} files open",
        flush=True,
    )


def cost_of_samples(few: Path, many: Path, repeats: int, samples: int) -> None:
    """Print what training samples cost among few videos and among many."""
    import torch  # here, so that a process that only opens stores has its own memory measured

    from fame_cli.data.dataset import PretrainClips

    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    random = np.random.default_rng(0)

    def load(dataset: PretrainClips, usable: Indices) -> None:
        for video_index in random.choice(usable, samples).tolist():
            dataset[0, video_index]

    sets = {}
    for work in (many, few):
        frames, cached = open_both(work)
        name = f"among {len(frames.videos):,}"
        usable = np.array(frames.manifest.video_indices())
        sets[name] = functools.partial(load, PretrainClips(frames, cached, CONFIG), usable)
    seconds = paired(sets, repeats)
    show(seconds, f"among {FEW}", samples, "samples")
    lower, median, upper = ratio(seconds, next(iter(sets)), f"among {FEW}")
    print(f"a sample among many costs {median:.2f} times one among few ({lower:.2f} to {upper:.2f})")


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--copies", type=int, nargs="*", default=[1, 10, 100])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--among", type=int, default=240_000)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--samples", type=int, default=200)
    options = parser.parse_args()
    example = next(path for path in sorted(options.videos.rglob("*")) if path.is_file())
    with tempfile.TemporaryDirectory() as scratch:
        if "large" in options.parts:
            memory_of_large(example, Path(scratch))
        for copies in options.copies if "many" in options.parts else ():
            cost_of_many(options.videos, Path(scratch), copies, options.jobs)
        if "reading" in options.parts:
            few, many = few_and_many(options.videos, Path(scratch), options.among)
            open_both(many)  # makes the index, which the stages leave where they are complete
            for _ in range(3):
                in_a_new_process(cost_of_opening, many, options.samples)
            in_a_new_process(cost_of_samples, few, many, options.repeats, options.samples)


if __name__ == "__main__":
    main()
