"""How close masks from cached statistics come to those computed from the pixels of the same crop.

    python benchmarks/agreement.py VIDEOS [--crops 400] [--short-side-px 32 48 64 96 128]

Random crops to 112² of random clips, β 0.5, as pretraining draws them. For maps of each short side, their
size and the mean and 5th percentile of the IoU: of clips that begin where statistics are kept, and of those
that begin anywhere, which take the nearest that are kept. As yardsticks: the same crop some frames later, and
a random mask.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from command import command_line, fame
from torch import Tensor

from fame_cli.config import PretrainConfig, StatisticsConfig
from fame_cli.data.clips import clip_indices, clip_span, generator_for, random_resized_crop, random_start
from fame_cli.data.dataset import crop_clip, crop_map
from fame_cli.data.frames import FrameStore, open_frame_store
from fame_cli.data.manifest import read_manifest
from fame_cli.data.statistics import StatisticsStore, compute
from fame_cli.data.views import to_clips
from fame_cli.foreground.mask import top_share
from fame_cli.foreground.of_clips import Maps, maps_of_clips, masks_of_maps
from fame_cli.method import Variant

CONFIG = PretrainConfig()
SPAN = clip_span(CONFIG.clip_frames, CONFIG.frame_stride)
LATER_FRAMES = 4
Box = tuple[int, int, int, int]
CPU = torch.device("cpu")


class Crops:
    """Random crops of random clips, and the masks of each by one way or another."""

    def __init__(self, frames: FrameStore, count: int, variant: Variant) -> None:
        self.frames = frames
        self.video_indices = frames.manifest.video_indices()
        self.count = count
        self.variant = variant

    def iou(self, start_of: Callable[[int, np.random.Generator], int], mask_of: Callable[..., Tensor]) -> str:
        """Mean and 5th percentile of the IoU of ``mask_of`` each crop with the one from its pixels."""
        shares = []
        for number in range(self.count):
            video_index = self.video_indices[number % len(self.video_indices)]
            generator = generator_for(0, "agreement", number)
            start = start_of(video_index, generator)
            height, width = self.frames.read(video_index, [0]).shape[1:3]
            box = random_resized_crop(height, width, CONFIG.crop_scale_min, generator)
            one, other = self.of_pixels(video_index, start, box), mask_of(video_index, start, box)
            shares.append(float((one * other).sum() / torch.maximum(one, other).sum()))
        return f"{np.mean(shares):.4f}  {np.percentile(shares, 5):.3f}"

    def anywhere(self, video_index: int, generator: np.random.Generator) -> int:
        return random_start(self.frames.videos[video_index].frame_count, SPAN + LATER_FRAMES, generator)

    def of_pixels(self, video_index: int, start: int, box: Box) -> Tensor:
        count = self.frames.videos[video_index].frame_count
        indices = clip_indices(start, CONFIG.clip_frames, CONFIG.frame_stride, count)
        frames = crop_clip(self.frames.read(video_index, indices), box, CONFIG.crop_px)
        clip = to_clips(torch.from_numpy(frames)[None], CPU)
        return self.mask(maps_of_clips(clip))

    def later(self, video_index: int, start: int, box: Box) -> Tensor:
        return self.of_pixels(video_index, start + LATER_FRAMES, box)

    def at_random(self, video_index: int, start: int, box: Box) -> Tensor:
        side = CONFIG.crop_px
        noise = generator_for(1, "noise", video_index, start, *box).random((1, side, side), dtype=np.float32)
        return top_share(torch.from_numpy(noise), CONFIG.beta)

    def from_cache(self, kept: StatisticsStore) -> Callable[[int, int, Box], Tensor]:
        def mask_of(video_index: int, start: int, box: Box) -> Tensor:
            size = self.frames.read(video_index, [0]).shape[1:3]
            seed, bins = kept.read_maps(video_index, start)
            seed = crop_map(seed, box, size, CONFIG.crop_px, cv2.INTER_LINEAR)
            bins = crop_map(bins, box, size, CONFIG.crop_px, cv2.INTER_NEAREST).astype(np.int64)
            return self.mask(Maps(torch.from_numpy(seed)[None], torch.from_numpy(bins)[None]))

        return mask_of

    def mask(self, maps: Maps) -> Tensor:
        return masks_of_maps(maps, CONFIG.crop_px, CONFIG.beta, self.variant).hard


def where_kept(kept: StatisticsStore) -> Callable[[int, np.random.Generator], int]:
    return lambda video_index, generator: int(generator.choice(kept.starts(video_index)))


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--crops", type=int, default=400)
    parser.add_argument("--short-side-px", type=int, nargs="+", default=[32, 48, 64, 96, 128])
    parser.add_argument("--variant", default="fame")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        fame("extract", options.videos, "-o", work)
        frames = open_frame_store(work, read_manifest(work))
        crops = Crops(frames, options.crops, options.variant)
        print(f"{'':44}  IoU     5th percentile")
        print(f"{'a random mask':44}  {crops.iou(crops.anywhere, crops.at_random)}")
        print(f"{f'the same crop {LATER_FRAMES} frames later':44}  {crops.iou(crops.anywhere, crops.later)}")
        for side in options.short_side_px:
            report = compute(work, frames, StatisticsConfig(map_short_side_px=side))
            kept = StatisticsStore(report.folder, frames)
            clips = sum(summary["clips"] for summary in report.summaries)
            size = sum(path.stat().st_size for path in report.folder.glob("*.h5")) / clips
            name = f"short side {side}, {size:,.0f} bytes a clip"
            print(f"{name:44}  {crops.iou(where_kept(kept), crops.from_cache(kept))}")
            print(f"{name + ', nearest':44}  {crops.iou(crops.anywhere, crops.from_cache(kept))}")


if __name__ == "__main__":
    main()
