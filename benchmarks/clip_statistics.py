"""How fast statistics and masks are, next to the published steps in plain torch and to JPEG decoding alone.

    python benchmarks/clip_statistics.py VIDEOS [--repeats 15]

VIDEOS is a folder of clips; it is extracted to a temporary folder first. All runs on one core, in turn.
Compared are: from the same decoded frames to the same masks (the published hue, maps of full size), once with
the usual allocator and once with one that keeps its memory; and the whole stage from the frame store, next to
decoding the same JPEGs from memory.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from command import command_line, fame
from paired import paired, ratio, show
from torch import Tensor
from torch.nn.functional import conv2d, pad

from fame_cli.config import Motion, StatisticsConfig
from fame_cli.data import statistics
from fame_cli.data.clip_statistics import maps_of_clip
from fame_cli.data.clips import central_square, clip_indices
from fame_cli.data.frames import FrameStore, decode_frame, open_frame_store, read_items
from fame_cli.data.manifest import read_manifest, shard_slices
from fame_cli.data.picture import Frame
from fame_cli.foreground.of_clips import Maps, masks_of_maps
from fame_cli.shard import shard_path

CROP_PX, CLIP_FRAMES, BATCH = 112, 16, 8
BETA = 0.5
KEEPING_ALLOCATOR = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "4000000000"}
PARITY = StatisticsConfig(clip_frames=CLIP_FRAMES, map_short_side_px=CROP_PX, hue="published")


def plain_masks(frames: Tensor) -> Tensor:
    """The published steps as one would write them: (B, T, H, W, 3) uint8 to masks (B, H, W)."""
    clips = frames.permute(0, 4, 1, 2, 3).float() / 255
    B, _, _, H, W = clips.shape
    seed = plain_rescale(plain_blur((clips[:, :, 1:] - clips[:, :, :-1]).abs().sum(1).mean(1))).flatten(1)
    hue, saturation, value = plain_hsv(clips.mean(2))
    hue = hue * 2 * torch.pi  # once more, as published
    x, y = (saturation * hue.cos() + 1) / 2, (saturation * hue.sin() + 1) / 2
    levels = [(9 * part + 1).round().long() - 1 for part in (x, y, value)]
    bins = (levels[0] + 10 * levels[1] + 100 * levels[2]).flatten(1)
    most = seed.topk(H * W // 2, dim=1).indices
    least = seed.topk(H * W // 10, dim=1, largest=False).indices
    posterior = torch.empty(B, H * W)
    for b in range(B):
        foreground = torch.bincount(bins[b][most[b]], minlength=1000).float()
        background = torch.bincount(bins[b][least[b]], minlength=1000).float() + 1
        foreground, background = foreground / foreground.sum(), background / background.sum()
        posterior[b] = (foreground / (foreground + background))[bins[b]]
    soft = plain_rescale(plain_blur(posterior.view(B, H, W))).flatten(1)
    kept = soft.topk(int(BETA * H * W), dim=1).indices
    return torch.zeros(B, H * W).scatter_(1, kept, 1).view(B, H, W)


def plain_blur(maps: Tensor) -> Tensor:
    side = min(maps.shape[1:])
    taps = int(0.1 * side) // 2 * 2 + 1
    offsets = torch.arange(taps) - taps // 2
    weights = torch.exp(-((offsets / (taps / 3)) ** 2) / 2)
    weights = (weights / weights.sum()).view(1, 1, 1, -1)
    padded = pad(maps[:, None], (taps // 2,) * 4, mode="reflect")
    return conv2d(conv2d(padded, weights), weights.transpose(2, 3))[:, 0]


def plain_rescale(maps: Tensor) -> Tensor:
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return (maps - low) / (high - low)


def plain_hsv(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    red, green, blue = images.unbind(1)
    value = images.amax(1)
    chroma = value - images.amin(1)
    divisor = torch.where(chroma == 0, 1, chroma)
    hue = torch.where(
        red == value,
        (green - blue) / divisor,
        torch.where(green == value, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
    )
    return hue / 6 % 1 * 2 * torch.pi, chroma / torch.where(value == 0, 1, value), value


def our_masks(clips: Frame) -> Tensor:
    """The same with what the package has for it."""
    maps = [maps_of_clip(frames, PARITY) for frames in clips]
    seed = torch.from_numpy(np.stack([seed for seed, _ in maps]))
    bins = torch.from_numpy(np.stack([bins for _, bins in maps]).astype(np.int64))
    return masks_of_maps(Maps(seed, bins), CROP_PX, BETA).hard


def overlap(ours: Tensor, theirs: Tensor) -> list[float]:
    """IoU of each pair of masks (B, H, W)."""
    one, other = ours.bool().flatten(1), theirs.bool().flatten(1)
    shares: list[float] = ((one & other).sum(1) / (one | other).sum(1)).tolist()
    return shares


def decoded_clips(store: FrameStore, count: int) -> Frame:
    """(count, T, 112, 112, 3) uint8: the central squares of one clip of each of the first videos."""
    clips: list[Frame] = []
    for video_index, video in enumerate(store.videos):
        if video.usable and len(clips) < count:
            indices = clip_indices(0, CLIP_FRAMES, 2, video.frame_count)
            frames = store.read(video_index, indices)
            top, left, height, width = central_square(*frames.shape[1:3])
            squares = (frame[top : top + height, left : left + width] for frame in frames)
            clips.append(np.stack([cv2.resize(square, (CROP_PX, CROP_PX)) for square in squares]))
    return np.stack(clips)


def from_pixels(store: FrameStore, repeats: int) -> None:
    """Print how many times as fast as plain torch the masks are made from the same decoded frames."""
    clips = decoded_clips(store, 4 * BATCH)
    clips = clips[: len(clips) // BATCH * BATCH or len(clips)]
    tensor = torch.from_numpy(clips)
    batches = [slice(b, b + BATCH) for b in range(0, len(clips), BATCH)]
    singles = [slice(n, n + 1) for n in range(len(clips))]
    shares = [share for at in batches for share in overlap(our_masks(clips[at]), plain_masks(tensor[at]))]
    print(f"mask IoU with the published steps: mean {np.mean(shares):.4f}, median {np.median(shares):.4f}")

    def theirs(parts: list[slice]) -> None:
        for at in parts:
            plain_masks(tensor[at])

    def ours(parts: list[slice]) -> None:
        for at in parts:
            our_masks(clips[at])

    seconds = paired(
        {
            "torch, clip by clip": lambda: theirs(singles),
            f"torch, {BATCH} at once": lambda: theirs(batches),
            "ours, clip by clip": lambda: ours(singles),
            f"ours, {BATCH} at once": lambda: ours(batches),
        },
        repeats,
    )
    show(seconds, min(list(seconds)[:2], key=lambda name: np.median(seconds[name])), len(clips), "clips")


def from_store(store: FrameStore, folder: Path, repeats: int) -> None:
    """Print what the whole stage costs next to decoding the JPEGs that it needs from memory.

    The stage decodes them at half their size, where the camera's motion is not looked for.
    """
    config = StatisticsConfig()
    tasks, items = [], []
    for name, videos in shard_slices(store.videos):
        path = shard_path(store.folder, name)
        counts = tuple(video.frame_count if video.usable else 0 for video in videos)
        tasks.append(statistics.StatisticsTask(path, counts, config))
        for row, count in enumerate(counts):
            if count:
                steps = int(statistics.clip_starts(count, config)[-1]) // config.frame_stride + CLIP_FRAMES
                indices = np.minimum(config.frame_stride * np.arange(steps), count - 1)
                items += [(item, path) for item in read_items(path, row, indices)]
    clips: list[int] = []

    def whole_stage(motion: Motion = "plain") -> None:
        wanted = replace(config, motion=motion)
        clips[:] = [
            statistics.compute_shard(folder / "shard.h5", replace(task, config=wanted))["clips"]
            for task in tasks
        ]

    def decoding_alone() -> None:
        for item, path in items:
            decode_frame(item, path)

    functions = {
        "whole stage": whole_stage,
        "compensated": lambda: whole_stage("compensated"),
        "JPEG decoding": decoding_alone,
    }
    seconds = paired(functions, repeats)
    lower, median, upper = ratio(seconds, "whole stage", "JPEG decoding")
    milliseconds = 1000 * np.median(seconds["whole stage"]) / sum(clips)
    print(f"the whole stage takes {median:.2f} times decoding alone (quartiles {lower:.2f} to {upper:.2f})")
    print(f"{sum(clips)} clips from {len(items)} JPEGs: {milliseconds:.2f} ms a clip")
    lower, median, upper = ratio(seconds, "compensated", "whole stage")
    print(f"with the camera's motion undone, {median:.2f} times that (quartiles {lower:.2f} to {upper:.2f})")


def extract(videos: Path, work: Path) -> FrameStore:
    fame("extract", videos, "-o", work, "--jobs", 1)
    return open_frame_store(work, read_manifest(work))


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--pixels-of", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    if options.pixels_of:
        from_pixels(open_frame_store(options.pixels_of, read_manifest(options.pixels_of)), options.repeats)
        return
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch) / "work"
        store = extract(options.videos, work)
        print("From decoded pixels, one core:")
        from_pixels(store, options.repeats)
        print("\nThe same with an allocator that keeps its memory:", flush=True)
        again = [sys.executable, __file__, str(options.videos), "--pixels-of", str(work)]
        again += ["--repeats", str(options.repeats)]
        subprocess.run(again, env={**os.environ, **KEEPING_ALLOCATOR}, check=True)
        print("\nFrom the frame store, one core:")
        from_store(store, Path(scratch), options.repeats)


if __name__ == "__main__":
    main()
