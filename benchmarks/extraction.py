"""How fast videos become a frame store, next to ffmpeg's command line and to bare decoding with OpenCV.

    python benchmarks/extraction.py VIDEOS [--repeats 5] [--copies 4] [--ffmpeg ffmpeg]

Every video of the folder VIDEOS is decoded and kept as JPEG at a short side of 128 pixels: by the whole
command ``fame extract``, from its start to its end; by the stage alone; and by one call of ffmpeg a video, as
many at a time as there are workers, to one MJPEG stream a video and to a file a frame. OpenCV decodes the
same videos and keeps nothing. All in turn, on one core and on two, as many workers as cores and one thread in
each.
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

CONFIG = ExtractConfig(jpeg_quality=93)
FFMPEG_QUALITY = "2"
"""Of ffmpeg's JPEG encoder, the second best: brightness against the scaled frames of UCF101 clips comes to
43.7 dB with it, and to 43.8 dB in a store of the quality above."""


def fame_extract(videos: Path, work: Path, jobs: int) -> None:
    """The whole command, to a WORK that is not there yet."""
    shutil.rmtree(work, ignore_errors=True)
    fame("extract", videos, "-o", work, "--jobs", jobs, "--jpeg-quality", CONFIG.jpeg_quality)


def stage_alone(manifest: Manifest, work: Path, jobs: int) -> None:
    shutil.rmtree(work, ignore_errors=True)
    frames.extract(work, manifest, CONFIG, Workers(jobs))


def ffmpeg_stream(ffmpeg: str, video: Path, target: Path) -> None:
    """All frames of a video in one file, as many threads as ours: one."""
    command = [*ffmpeg_input(ffmpeg, video, "-threads", "1"), "-filter_threads", "1", "-threads", "1"]
    command += ["-fps_mode", "passthrough", "-pix_fmt", "yuvj420p", "-q:v", FFMPEG_QUALITY]
    subprocess.run([*command, "-f", "mjpeg", f"{target}.mjpeg"], check=True)


def ffmpeg_files(ffmpeg: str, video: Path, target: Path) -> None:
    """A file a frame and ffmpeg's own choice of threads: how frames are mostly extracted."""
    target.mkdir()
    command = [*ffmpeg_input(ffmpeg, video), "-q:v", FFMPEG_QUALITY, f"{target}/%06d.jpg"]
    subprocess.run(command, check=True)


def ffmpeg_input(ffmpeg: str, video: Path, *options: str) -> list[str]:
    short = CONFIG.short_side_px
    size = f"scale='if(gt(iw,ih),-1,{short})':'if(gt(iw,ih),{short},-1)'"
    return [ffmpeg, "-v", "error", "-nostdin", "-y", *options, "-i", str(video), "-an", "-vf", size]


FFMPEG = {"ffmpeg": ffmpeg_stream, "ffmpeg, files": ffmpeg_files}


def by_ffmpeg(call: Callable[..., None], ffmpeg: str, videos: list[Path], folder: Path, jobs: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    with ThreadPoolExecutor(jobs) as calls:
        targets = (folder / str(number) for number in range(len(videos)))
        list(calls.map(lambda *paths: call(ffmpeg, video=paths[0], target=paths[1]), videos, targets))


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
            name: functools.partial(by_ffmpeg, call, ffmpeg, files, scratch / name, jobs)
            for name, call in FFMPEG.items()
        },
        "fame extract": lambda: fame_extract(videos, scratch / "command", jobs),
        "stage alone": lambda: stage_alone(manifest, scratch / "stage", jobs),
        "OpenCV, decoding": lambda: by_opencv(files, jobs),
    }
    seconds = paired(functions, repeats)
    count = sum(video.frame_count for video in manifest.videos)
    print(f"\n{len(files)} videos, {count} frames, {jobs} worker{'s' * (jobs > 1)} on as many cores:")
    for other in (*FFMPEG, "OpenCV, decoding"):
        show(seconds, other, count, "frames")
    for name, folder in {"ours": "stage/frames", **{name: name for name in FFMPEG}}.items():
        print(f"{name}: {bytes_in(scratch / folder) / count:,.0f} bytes a frame")


def bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--copies", type=int, default=4, help="of each video, so that a run is long enough")
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
