"""MoCo with FAME as a whole, in one loop to copy and change: data, merge, augmentation, objective, weights.

    fame extract VIDEOS -o WORK
    python examples/moco_fame.py WORK --output own/backbone.safetensors
    fame eval linear WORK own --weights own/backbone.safetensors

``fame pretrain`` does the same with what a long run needs: checkpoints, several GPUs, cached masks, a log.
"""

import argparse
import math
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from fame_cli import (
    ForegroundBackgroundMerging,
    MoCo,
    View,
    build_backbone,
    clip_indices,
    clip_span,
    normalise,
    open_frame_store,
    read_manifest,
    save_backbone,
)

# The paper's augmentation (section 4.2), constant over a clip since it is drawn once for all of its frames.
AUGMENT = v2.Compose(
    [
        v2.RandomHorizontalFlip(),
        v2.RandomGrayscale(0.2),
        v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.1)], 0.8),
        v2.RandomApply([v2.GaussianBlur(13, (0.1, 2.0))], 0.5),
    ]
)


class TwoClips(Dataset[tuple[Tensor, Tensor]]):
    """Two clips of each video at random times, each with a crop of its own: (3, T, S, S) in [0, 1]."""

    def __init__(self, work: Path, clip_frames: int, frame_stride: int, crop_px: int) -> None:
        manifest = read_manifest(work)
        self.frames = open_frame_store(work, manifest)
        split = "train" if any(video.split == "train" for video in manifest.videos) else ""
        self.video_indices = self.frames.manifest.video_indices(split)
        self.shape = clip_frames, frame_stride
        self.crop = v2.RandomResizedCrop(crop_px, scale=(0.2, 1), antialias=False)

    def __len__(self) -> int:
        return len(self.video_indices)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.clip(self.video_indices[index]), self.clip(self.video_indices[index])

    def clip(self, video_index: int) -> Tensor:
        count = self.frames.videos[video_index].frame_count
        start = int(torch.randint(max(count - clip_span(*self.shape), 0) + 1, ()))
        frames = torch.from_numpy(self.frames.read(video_index, clip_indices(start, *self.shape, count)))
        cropped: Tensor = self.crop(frames.movedim(-1, 1))  # (T, 3, S, S): one crop for all frames
        return cropped.movedim(0, 1).float() / 255


def augment(clips: Tensor) -> Tensor:
    """Each of the clips (B, 3, T, S, S) by choices of its own."""
    return torch.stack([AUGMENT(clip.movedim(1, 0)).movedim(0, 1) for clip in clips])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--output", type=Path, default=Path("own/backbone.safetensors"))
    parser.add_argument("--backbone", default="r2plus1d_18")
    parser.add_argument("--clip-frames", type=int, default=16)
    parser.add_argument("--crop-px", type=int, default=112)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=200)
    options = parser.parse_args()

    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    clips = TwoClips(options.work, options.clip_frames, 2, options.crop_px)
    loader = DataLoader(clips, options.batch_size, shuffle=True, drop_last=True)
    merge = ForegroundBackgroundMerging(beta=0.5)  # FAME
    model = MoCo(
        build_backbone(options.backbone),
        embedding_dim=128,
        queue_length=2048,
        momentum=0.999,
        temperature=0.1,
        seed=0,
    ).to(device)
    optimizer = torch.optim.SGD(model.trainable_parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    step, steps = 0, options.epochs * len(loader)
    for epoch in range(options.epochs):
        for first, second in loader:
            # One of the two clips keeps its foreground and gets the background of another video.
            query = normalise(augment(merge(first.to(device))))
            key = normalise(augment(second.to(device)))
            loss, figures = model({"query": View(query), "key": View(key)})
            optimizer.zero_grad()
            loss.backward()
            optimizer.param_groups[0]["lr"] = 0.01 * (1 + math.cos(math.pi * step / steps)) / 2
            optimizer.step()
            model.after_step(step, steps)
            step += 1
        measured = f"loss {loss.item():.3f} (chance {model.chance:.3f}), accuracy {figures['accuracy']:.0%}"
        print(f"epoch {epoch + 1}: {measured}")
    shape = {"clip_frames": str(options.clip_frames), "frame_stride": "2", "crop_px": str(options.crop_px)}
    save_backbone(options.output, model.backbone, options.backbone, shape)


if __name__ == "__main__":
    main()
