"""How fast videos become a frame store, next to ffmpeg's command line and to bare decoding with OpenCV.

    python benchmarks/extraction.py VIDEOS [--repeats 5] [--copies 2] [--ffmpeg ffmpeg]

Every video of the folder VIDEOS is decoded and kept as JPEG at a short side of 128 pixels: by the whole
command ``fame extract``, from its start to its end; by the stage alone, its worker processes running already;
and by one call of ffmpeg a video, as many at a time as there are workers, to one MJPEG stream a video. OpenCV
decodes the same videos and keeps nothing. All in turn, on one core and on two, as many workers as cores and
one thread in each.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import joblib
from copies import linked_copies
from paired import paired, show

from fame_cli.config import ExtractConfig
from fame_cli.data import frames
from fame_cli.data.manifest import Manifest, read_manifest
from fame_cli.workers import Workers

CONFIG = ExtractConfig()
FFMPEG_QUALITY = 2
"""The best that ffmpeg's JPEG encoder gives unless told twice."""


def fame_extract(videos: Path, work: Path, jobs: int) -> None:
    """The whole command, to a WORK that is not there yet."""
    shutil.rmtree(work, ignore_errors=True)
    command = [sys.executable, "-m", "fame_cli", "extract", str(videos), "-o", str(work), "--jobs", str(jobs)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def stage_alone(manifest: Manifest, work: Path, jobs: int) -> None:
    shutil.rmtree(work, ignore_errors=True)
    frames.extract(work, manifest, CONFIG, Workers(jobs))


def ffmpeg_call(ffmpeg: str, video: Path, target: Path) -> None:
    short = CONFIG.short_side_px
    size = f"scale='if(gt(iw,ih),-1,{short})':'if(gt(iw,ih),{short},-1)'"
    command = [ffmpeg, "-v", "error", "-nostdin", "-y", "-threads", "1", "-i", str(video), "-an", "-vf", size]
    command += ["-filter_threads", "1", "-threads", "1", "-fps_mode", "passthrough", "-pix_fmt", "yuvj420p"]
    command += ["-q:v", str(FFMPEG_QUALITY), "-f", "mjpeg", str(target)]
    subprocess.run(command, check=True)


def by_ffmpeg(ffmpeg: str, videos: list[Path], folder: Path, jobs: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    with ThreadPoolExecutor(jobs) as calls:
        targets = (folder / f"{number}.mjpeg" for number in range(len(videos)))
        list(calls.map(ffmpeg_call, [ffmpeg] * len(videos), videos, targets))


def decode_alone(video: Path) -> int:
    """Frames that OpenCV's own loop gets out of a video."""
    cv2.setNumThreads(1)
    capture = cv2.VideoCapture(str(video), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    count = 0
    while capture.read()[0]:
        count += 1
    return count


def by_opencv(videos: list[Path], jobs: int) -> int:
    return sum(joblib.Parallel(jobs)(joblib.delayed(decode_alone)(video) for video in videos))


def compare(videos: Path, scratch: Path, ffmpeg: str, jobs: int, repeats: int) -> None:
    """Print the frames a second of each way on as many cores as ``jobs``."""
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:jobs]))
    fame_extract(videos, scratch / "command", jobs)
    manifest = read_manifest(scratch / "command")
    files = [manifest.root / video.path for video in manifest.videos]
    functions: dict[str, Callable[[], None]] = {
        "ffmpeg": lambda: by_ffmpeg(ffmpeg, files, scratch / "mjpeg", jobs),
        "fame extract": lambda: fame_extract(videos, scratch / "command", jobs),
        "stage alone": lambda: stage_alone(manifest, scratch / "stage", jobs),
        "OpenCV, decoding": lambda: by_opencv(files, jobs) and None,
    }
    seconds = paired(functions, repeats)
    count = sum(video.frames for video in manifest.videos)
    print(f"\n{len(files)} videos, {count} frames, {jobs} worker{'s' * (jobs > 1)} on as many cores:")
    show(seconds, "ffmpeg", count, "frames")
    show(seconds, "OpenCV, decoding", count, "frames")
    ours = bytes_in(scratch / "stage" / "frames") / count
    print(f"bytes a frame: {ours:,.0f} ours, {bytes_in(scratch / 'mjpeg') / count:,.0f} ffmpeg's")


def bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("videos", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--copies", type=int, default=2, help="of each video, so that a run is long enough")
    parser.add_argument("--ffmpeg", default="ffmpeg", help="the program, if it is not on the path")
    options = parser.parse_args()
    cores = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory() as scratch:
        videos = Path(scratch) / "videos"
        linked_copies(options.videos, videos, options.copies)
        for jobs in range(1, min(2, len(cores)) + 1):
            os.sched_setaffinity(0, cores)
            compare(videos, Path(scratch), options.ffmpeg, jobs, options.repeats)


if __name__ == "__main__":
    main()
