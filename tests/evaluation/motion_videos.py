"""Videos of four motions before four backgrounds, with true masks, and networks that see one of the two."""

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from fame_cli import Backbone
from fame_cli.config import ExtractConfig
from fame_cli.data.clips import generator_for
from fame_cli.data.frames import FrameStore, extract, open_frame_store
from fame_cli.data.manifest import read_manifest, write_manifest
from fame_cli.data.sources.folder import index_folder
from fame_cli.data.synthetic import draw_background, make_clip, write_video

MOTIONS = ("move_down", "move_left", "move_right", "move_up")
CLIPS = {"clips": 1, "clip_frames": 8, "frame_stride": 2, "crop_px": 48}


class Corners(Backbone):
    """Sees the background alone: the colours of the corners, which no sprite reaches, in the middle frame."""

    feature_dim = 12

    def feature_map(self, clips: Tensor) -> Tensor:
        frame = clips[:, :, clips.shape[2] // 2]
        corners = [
            part.mean(dim=(2, 3))
            for part in (frame[..., :3, :3], frame[..., :3, -3:], frame[..., -3:, :3], frame[..., -3:, -3:])
        ]
        return torch.cat(corners, dim=1)[..., None, None, None]


class Motion(Backbone):
    """Sees motion alone: how far the middle of all that changes from frame to frame moves."""

    feature_dim = 2

    def feature_map(self, clips: Tensor) -> Tensor:
        change = (clips[:, :, 1:] - clips[:, :, :-1]).abs().sum(dim=1)
        change = change * (change > 2)  # more than a JPEG changes of what stands still
        line = torch.arange(change.shape[-1], dtype=change.dtype)
        total = change.sum(dim=(2, 3)).clamp_min(1e-6)
        x, y = (change.sum(dim=2) @ line) / total, (change.sum(dim=3) @ line) / total
        speed = torch.stack([(axis[:, 1:] - axis[:, :-1]).mean(dim=1) for axis in (x, y)], dim=1)
        return speed[..., None, None, None]


def make_videos(folder: Path, train: int, test: int) -> None:
    """Each class has one motion and one background, in training and in test; masks lie in folder/masks."""
    for motion in MOTIONS:
        background = draw_background(generator_for(0, "background", motion))
        for number in range(train + test):
            name = f"{'train' if number < train else 'test'}/{motion}/{number}"
            frames, mask = make_clip(
                motion, ("ball", "diamond")[number % 2], background, generator_for(1, name)
            )
            write_video(folder / "videos" / f"{name}.avi", frames)
            write_masks(folder / "masks" / name, mask)


def write_masks(folder: Path, mask: np.ndarray) -> None:
    """A PNG for each frame of a mask (T, H, W)."""
    folder.mkdir(parents=True)
    for number, frame in enumerate(mask):
        # A little wider than the sprite, whose soft rim shows its motion too.
        wide = cv2.dilate(frame.astype(np.uint8), np.ones((5, 5), np.uint8))
        cv2.imwrite(str(folder / f"{number}.png"), wide * 255)


def make_work(folder: Path, train: int = 6, test: int = 4) -> FrameStore:
    """The videos extracted into ``folder``/work."""
    make_videos(folder, train, test)
    work = folder / "work"
    work.mkdir()
    _, manifest = extract(work, index_folder(folder / "videos"), ExtractConfig(short_side_px=48))
    write_manifest(work, manifest)
    return open_frame_store(work, read_manifest(work))
