"""Small sequences with true masks: a textured square that moves over a still, textured background."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

WIDTH, HEIGHT, SIDE = 96, 64, 16
DAVIS_PALETTE = [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0]


def background(seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return cv2.resize(generator.integers(0, 120, (8, 12, 3), np.uint8), (WIDTH, HEIGHT))


def write_sequence(
    folder: Path,
    *,
    count: int = 10,
    seed: int = 0,
    step_px: int = 1,
    names: tuple[str, str] = ("frames", "masks"),
) -> Path:
    """Frames as lossless images and masks of 0 and 255; the square is at the left, half way down."""
    frames, masks = folder / names[0], folder / names[1]
    frames.mkdir(parents=True)
    masks.mkdir(parents=True)
    generator = np.random.default_rng(seed + 1)
    square = generator.integers(120, 255, (SIDE, SIDE, 3), np.uint8)
    for number in range(count):
        left = 20 + step_px * number
        frame, mask = background(seed), np.zeros((HEIGHT, WIDTH), np.uint8)
        frame[24 : 24 + SIDE, left : left + SIDE] = square
        mask[24 : 24 + SIDE, left : left + SIDE] = 255
        Image.fromarray(frame).save(frames / f"{number:05d}.png")
        Image.fromarray(mask).save(masks / f"{number:05d}.png")
    return folder


def save(path: Path, values: object, mode: str = "L") -> Path:
    """An image file of the values given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.array(values, np.uint8))
    if mode == "P":
        image = Image.frombytes("P", image.size, image.tobytes())
        image.putpalette(DAVIS_PALETTE)
    image.convert(mode).save(path)
    return path
