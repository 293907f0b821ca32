"""What a training sample costs to load, next to decoding its JPEGs alone and to reading the video file.

    python benchmarks/loading.py VIDEOS [--repeats 7] [--samples 40]

A sample is what pretraining takes of a video in a step: two clips of 16 frames at stride 2, each with a
random resized crop to 112², and the cached statistics in those crops. Compared are, in turn, in one process
and on one core: loading samples from the store; decoding the same 32 JPEGs of each from memory; and reading
two such clips from the video file with OpenCV and cropping them, once from the file's start on and once after
a jump, which many files answer with another frame than the one asked for.
"""

import os
import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch
from command import command_line, fame
from paired import paired, ratio, show

from fame_cli.config import PretrainConfig
from fame_cli.data.clips import clip_indices, clip_span, generator_for, random_resized_crop, random_start
from fame_cli.data.dataset import PretrainClips, crop_clip
from fame_cli.data.frames import FrameStore, decode_frame, open_frame_store, read_items
from fame_cli.data.manifest import read_manifest
from fame_cli.data.picture import Frame
from fame_cli.data.statistics import open_statistics_store
from fame_cli.distraction.build import build_distraction
from fame_cli.learning.objectives.objective import TWO_VIEWS

CONFIG = PretrainConfig()
SPAN = clip_span(CONFIG.clip_frames, CONFIG.frame_stride)


def clip_of(store: FrameStore, video_index: int, view: int) -> tuple[int, np.ndarray]:
    """Start and frames of a random clip."""
    count = store.videos[video_index].frame_count
    start = random_start(count, SPAN, generator_for(0, "benchmark", video_index, view))
    return start, clip_indices(start, CONFIG.clip_frames, CONFIG.frame_stride, count)


def from_file(path: Path, start: int, indices: np.ndarray, jump: bool) -> Frame:
    """(T, 112, 112, 3) uint8: the frames of a clip, read off the video file."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    number, frames = 0, []
    if jump:
        capture.set(cv2.CAP_PROP_POS_FRAMES, start)
        number = start
    for index in indices.tolist():
        while number <= index and capture.grab():
            number += 1
        frames.append(capture.retrieve()[1])
    box = random_resized_crop(*frames[0].shape[:2], CONFIG.crop_scale_min, generator_for(0, "crop", start))
    return crop_clip(np.stack(frames)[..., ::-1], box, CONFIG.crop_px)


def compare(work: Path, repeats: int, samples: int) -> None:
    manifest = read_manifest(work)
    store = open_frame_store(work, manifest)
    statistics = open_statistics_store(work, store, CONFIG.clip_frames, CONFIG.frame_stride)
    dataset = PretrainClips(store, statistics, CONFIG, TWO_VIEWS, build_distraction(CONFIG))
    usable = store.manifest.video_indices()
    video_indices = [usable[number % len(usable)] for number in range(samples)]
    clips = [
        (video_index, *clip_of(store, video_index, view))
        for video_index in video_indices
        for view in range(2)
    ]
    items = [
        (item, path)
        for video_index, _, indices in clips
        for path, row in [store.locate(video_index)]
        for item in read_items(path, row, indices)
    ]

    def load() -> None:
        for epoch, video_index in enumerate(video_indices):
            dataset[epoch, video_index]

    def decode() -> None:
        for item, path in items:
            decode_frame(item, path)

    def read(jump: bool) -> None:
        for video_index, start, indices in clips:
            from_file(manifest.root / store.videos[video_index].path, start, indices, jump)

    seconds = paired(
        {
            "loading from the store": load,
            "decoding its JPEGs": decode,
            "video file, from its start": lambda: read(jump=False),
            "video file, after a jump": lambda: read(jump=True),
        },
        repeats,
    )
    show(seconds, "loading from the store", samples, "samples")
    lower, median, upper = ratio(seconds, "loading from the store", "decoding its JPEGs")
    print(f"loading takes {median:.2f} times decoding alone (quartiles {lower:.2f} to {upper:.2f})")


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--samples", type=int, default=40)
    options = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as work:
        fame("extract", options.videos, "-o", work)
        fame("masks", work)
        compare(Path(work), options.repeats, options.samples)


if __name__ == "__main__":
    main()
