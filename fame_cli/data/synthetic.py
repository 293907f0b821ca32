"""The demo's labelled videos, generated: two sprites, eight motions, backgrounds of coloured noise.

All videos share the sprites, so only the background's appearance distinguishes one video from another: a
network asked to match two clips of a video can do so by the background alone and never learn the motion. The
labelled sets show which of the two it learned.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fame_cli.data.clips import generator_for
from fame_cli.data.made_plan import DEMO, MOTIONS, Dials, MadeVideo, plan_videos
from fame_cli.errors import ArtefactError, ConfigurationError

SIDE_PX = 48
FRAME_COUNT = 16
FRAMES_PER_SECOND = 12
SPRITE_RADIUS_PX = 9
SPRITES = ("ball", "diamond")
NOISE_POINTS = 6
NOISE_CONTRAST = 0.5
PATCH_SIDE_PX, PATCH_POINTS = 37, 6
STAMP = "video_set.json"
DRAWING, PATCH_DRAWING = 1, 2
"""Versions of the generated videos, and of their patches; another version makes another set."""

Array = NDArray[np.float64]
Frames = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Progress = Callable[[int, int], None]


def draw_background(generator: np.random.Generator) -> Frames:
    """(H, W, 3): random colours at 6x6 points, interpolated smoothly, halfway between vivid and grey.

    Fainter backgrounds would not be a shortcut, and next to vivid ones a small network sees nothing else.
    """
    return draw_texture(generator, NOISE_POINTS, SIDE_PX, NOISE_CONTRAST)


def draw_patch(generator: np.random.Generator) -> Frames:
    """(P, P, 3), twice as wide as the sprite: random colours at 6x6 points, interpolated smoothly, vivid.

    A smaller one hardly misleads MoCo (docs/debias.md).
    """
    return draw_texture(generator, PATCH_POINTS, PATCH_SIDE_PX, contrast=1)


def draw_texture(generator: np.random.Generator, points: int, side_px: int, contrast: float) -> Frames:
    colors = generator.uniform(size=(points, points, 3))
    vivid = np.clip(cv2.resize(colors, (side_px, side_px), interpolation=cv2.INTER_CUBIC), 0, 1)
    texture: Frames = np.rint(255 * (0.5 + contrast * (vivid - 0.5))).astype(np.uint8)
    return texture


def draw_path(motion: str, generator: np.random.Generator) -> Array:
    """(T, 2) centres (x, y) of the sprite in pixels, placed at random so that it never leaves the frame."""
    turns, share = MOTIONS[motion]
    time = np.arange(FRAME_COUNT, dtype=np.float64)[:, None]
    if turns:
        speed, radius_px = turns * generator.uniform(0.9, 1.1), generator.uniform(9, 12)
        angle = 2 * np.pi * (speed * time / (FRAME_COUNT - 1) + generator.uniform())
        path = radius_px * np.hstack([np.cos(angle), np.sin(angle)]) * share
    else:
        path = generator.uniform(1.3, 1.8) * time * share
    nearest, farthest = SPRITE_RADIUS_PX, SIDE_PX - 1 - SPRITE_RADIUS_PX
    placed: Array = path + generator.uniform(nearest - path.min(axis=0), farthest - path.max(axis=0))
    return placed


def make_clip(
    motion: str,
    sprite: str,
    background: Frames,
    generator: np.random.Generator,
    patch: Frames | None = None,
) -> tuple[Frames, Mask]:
    """One video: frames (T, H, W, 3) and the true foreground (T, H, W), the sprite's pixels in each frame.

    The ball is white with a black centre, the diamond black with a white one: not colours of the backgrounds.
    A patch (P, P, 3) goes along with the sprite, right behind it: it shows around the rim, and is no part of
    the foreground.
    """
    path = draw_path(motion, generator).astype(np.float32)
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX].astype(np.float32)
    behind = background.astype(np.float32)
    columns, rows = (axis - centre[:, None, None] for axis, centre in zip((x, y), path.T, strict=True))
    dx, dy = np.abs(columns), np.abs(rows)
    if patch is not None:
        reach_px = (len(patch) - 1) / 2
        row, column = (np.rint(np.clip(at + reach_px, 0, 2 * reach_px)).astype(int) for at in (rows, columns))
        there = np.clip(reach_px + 0.5 - np.maximum(dx, dy), 0, 1)[..., None]
        behind = behind + there * (patch[row, column].astype(np.float32) - behind)
    is_ball = sprite == "ball"
    # The ball is drawn slightly smaller, so that both sprites cover about the same area.
    reach_px = 1.1 * np.hypot(dx, dy) if is_ball else 0.85 * (dx + dy)
    body, core = (
        np.clip(radius_px - reach_px + 0.5, 0, 1) for radius_px in (SPRITE_RADIUS_PX, SPRITE_RADIUS_PX / 2)
    )
    shade = 255 * (1 - core if is_ball else core)
    frames = behind + body[..., None] * (shade[..., None] - behind)
    return np.rint(frames).astype(np.uint8), body >= 0.5


def make_video(video: MadeVideo, seed: int) -> tuple[Frames, Mask]:
    """The frames (T, H, W, 3) and true foreground (T, H, W) of a planned video."""
    background = draw_background(generator_for(seed, "background", video.place))
    generator = generator_for(seed, "motion", video.path)
    patch = draw_patch(generator_for(seed, "patch", video.patch)) if video.patch else None
    return make_clip(video.motion, str(generator.choice(SPRITES)), background, generator, patch)


def write_video(path: Path, frames: Frames) -> None:
    """Write frames (T, H, W, 3), RGB, losslessly as FFV1, which every build of OpenCV supports."""
    path.parent.mkdir(parents=True, exist_ok=True)
    codec = cv2.VideoWriter.fourcc(*"FFV1")
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, FRAMES_PER_SECOND, frames.shape[2:0:-1])
    if not writer.isOpened():
        raise ArtefactError(f"{path}: cannot write a video here.", "Check that the folder can be written to.")
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()


def write_truth(path: Path, mask: Mask) -> None:
    """Write a mask (T, H, W) as one PNG, with the frames from left to right."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), np.hstack(list(mask)).astype(np.uint8) * 255, [cv2.IMWRITE_PNG_BILEVEL, 1]):
        raise ArtefactError(
            f"{path}: cannot write a picture here.", "Check that the folder can be written to."
        )


def read_truth(path: Path) -> Mask:
    """The mask (T, H, W) from an image by ``write_truth``; for a clip: ``mask[indices].any(axis=0)``."""
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) if path.exists() else None
    if picture is None:
        raise ArtefactError(
            f"{path}: there is no true mask here.",
            "fame demo writes one for each of its videos: give their folder, or run it again.",
        )
    return np.stack(np.hsplit(picture > 0, picture.shape[1] // SIDE_PX))


def make_video_set(
    folder: Path,
    seed: int = 0,
    pretrain_videos: int = 960,
    train_per_motion: int = 40,
    test_per_motion: int = 28,
    progress: Progress | None = None,
    dials: Dials = DEMO,
) -> None:
    """Write the whole set to ``folder``, all or nothing; if the same set is already there, do nothing.

    The same arguments give the same files. ``progress`` is called with the videos done and the total.

    pretrain/*.avi                         no labels; every video has its own background
    neutral/{train,test}/<motion>/*.avi    labelled; the background says nothing about the motion
    biased/{train,test}/<motion>/*.avi     labelled; train: one background for each motion; test: that of
                                           another motion, so relying on it is always wrong (each other one
                                           equally often if ``test_per_motion`` is a multiple of 7). Other
                                           ``dials`` say how often a cue tells, and which (``Dials``)
    truth/<as above>.png                   the sprite's pixels in each frame, see ``read_truth``
    """
    stamp = {
        "drawing": DRAWING,
        "seed": seed,
        "pretrain": pretrain_videos,
        "train": train_per_motion,
        "test": test_per_motion,
    }
    if dials != DEMO:
        stamp |= asdict(dials)
    if dials.micro:
        stamp["patch"] = PATCH_DRAWING
    if folder.exists():
        if (folder / STAMP).exists() and json.loads((folder / STAMP).read_text()) == stamp:
            return
        raise ConfigurationError(
            f"{folder} exists but is not the video set of these options.", "Choose another folder."
        )
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    videos = list(plan_videos(pretrain_videos, train_per_motion, test_per_motion, dials))
    for done, video in enumerate(videos, start=1):
        frames, mask = make_video(video, seed)
        write_video(partial / f"{video.path}.avi", frames)
        write_truth(partial / "truth" / f"{video.path}.png", mask)
        if progress:
            progress(done, len(videos))
    (partial / STAMP).write_text(json.dumps(stamp))
    partial.rename(folder)
