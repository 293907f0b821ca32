"""What a video costs among few and among many, and how much memory a large one takes.

    python benchmarks/scale.py VIDEOS [--copies 1 10 100] [--jobs 2]

All are whole commands, from their start to their end. First both stages on two videos made of the frames of
one of VIDEOS, 20 minutes of 320×240 and a short one of 2560×1600: what the largest process of each command
took at most. Then ``fame extract`` and ``fame masks`` on so many copies of every video of the folder VIDEOS,
both once more when there is nothing left to do, and ``fame status``.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
from command import command_line, fame
from copies import linked_copies

STAGES = ("extract", "masks")
LARGE = {"20 minutes of 320×240": (320, 240, 20 * 60 * 25), "2560×1600": (2560, 1600, 250)}
"""Width, height and frames of the videos made to measure memory."""
FPS = 25


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


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--copies", type=int, nargs="*", default=[1, 10, 100])
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    example = next(path for path in sorted(options.videos.rglob("*")) if path.is_file())
    with tempfile.TemporaryDirectory() as scratch:
        memory_of_large(example, Path(scratch))
        for copies in options.copies:
            cost_of_many(options.videos, Path(scratch), copies, options.jobs)


if __name__ == "__main__":
    main()
