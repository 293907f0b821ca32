"""How fast videos become a frame store, next to ffmpeg's command line and to bare decoding with OpenCV.

    python benchmarks/extraction.py VIDEOS [--repeats 5] [--copies 2] [--ffmpeg ffmpeg]

Every video of the folder VIDEOS is decoded and kept as JPEG at a short side of 128 pixels: by the whole
command ``fame extract``, from its start to its end; by the stage alone, its worker processes running already;
and by one call of ffmpeg a video, as many at a time as there are workers, to one MJPEG stream a video, at the
qualities next to ours. OpenCV decodes the same videos and keeps nothing. All in turn, on one core and on two,
as many workers as cores and one thread in each.
"""

import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import joblib
from command import command_line, fame
from copies import linked_copies
from paired import paired, show

from fame_cli.config import ExtractConfig
from fame_cli.data import frames
from fame_cli.data.manifest import Manifest, read_manifest
from fame_cli.workers import Workers

CONFIG = ExtractConfig()
FFMPEG_QUALITIES = (1, 2)
"""Of ffmpeg's JPEG encoder; 1 is best. Ours lies between: brightness against the scaled frames of UCF101
clips came to 48.5 dB at 1, 43.9 dB at 2 and 45.3 dB in the store."""


def fame_extract(videos: Path, work: Path, jobs: int) -> None:
    """The whole command, to a WORK that is not there yet."""
    shutil.rmtree(work, ignore_errors=True)
    fame("extract", videos, "-o", work, "--jobs", jobs)


def stage_alone(manifest: Manifest, work: Path, jobs: int) -> None:
    shutil.rmtree(work, ignore_errors=True)
    frames.extract(work, manifest, CONFIG, Workers(jobs))


def ffmpeg_call(ffmpeg: str, quality: int, video: Path, target: Path) -> None:
    short = CONFIG.short_side_px
    size = f"scale='if(gt(iw,ih),-1,{short})':'if(gt(iw,ih),{short},-1)'"
    command = [ffmpeg, "-v", "error", "-nostdin", "-y", "-threads", "1", "-i", str(video), "-an", "-vf", size]
    command += ["-filter_threads", "1", "-threads", "1", "-fps_mode", "passthrough", "-pix_fmt", "yuvj420p"]
    command += ["-qmin", "1", "-q:v", str(quality), "-f", "mjpeg", str(target)]
    subprocess.run(command, check=True)


def by_ffmpeg(ffmpeg: str, quality: int, videos: list[Path], folder: Path, jobs: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    with ThreadPoolExecutor(jobs) as calls:
        targets = (folder / f"{number}.mjpeg" for number in range(len(videos)))
        list(calls.map(functools.partial(ffmpeg_call, ffmpeg, quality), videos, targets))


def decode_alone(video: Path) -> int:
    """Frames that OpenCV's own loop gets out of a video."""
    cv2.setNumThreads(1)
    capture = cv2.VideoCapture(str(video), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    count = 0
    while capture.read()[0]:
        count += 1
    return count


def by_opencv(videos: list[Path], jobs: int) -> None:
    joblib.Parallel(jobs)(joblib.delayed(decode_alone)(video) for video in videos)


def compare(videos: Path, scratch: Path, ffmpeg: str, jobs: int, repeats: int) -> None:
    """Print the frames a second of each way on as many cores as ``jobs``."""
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:jobs]))
    fame_extract(videos, scratch / "command", jobs)
    manifest = read_manifest(scratch / "command")
    files = [manifest.root / video.path for video in manifest.videos]
    functions: dict[str, Callable[[], None]] = {
        **{
            f"ffmpeg -q:v {quality}": functools.partial(
                by_ffmpeg, ffmpeg, quality, files, scratch / f"mjpeg-{quality}", jobs
            )
            for quality in FFMPEG_QUALITIES
        },
        "fame extract": lambda: fame_extract(videos, scratch / "command", jobs),
        "stage alone": lambda: stage_alone(manifest, scratch / "stage", jobs),
        "OpenCV, decoding": lambda: by_opencv(files, jobs),
    }
    seconds = paired(functions, repeats)
    count = sum(video.frames for video in manifest.videos)
    print(f"\n{len(files)} videos, {count} frames, {jobs} worker{'s' * (jobs > 1)} on as many cores:")
    for other in ("ffmpeg -q:v 1", "ffmpeg -q:v 2", "OpenCV, decoding"):
        show(seconds, other, count, "frames")
    folders = {f"ffmpeg -q:v {quality}": f"mjpeg-{quality}" for quality in FFMPEG_QUALITIES}
    for name, folder in {"ours": "stage/frames", **folders}.items():
        print(f"{name}: {bytes_in(scratch / folder) / count:,.0f} bytes a frame")


def bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    parser = command_line(__doc__)
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
