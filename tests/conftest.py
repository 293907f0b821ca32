"""What all tests share: where the real clips are, and one thread for exact repeatability."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest


def find_real_data() -> Path:
    beside = Path(__file__).parents[2] / "shared" / "data"
    return Path(os.environ.get("FAME_TEST_DATA", beside))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real clips (UCF101 and others); tests that need it skip where it is missing."""
    folder = find_real_data()
    if not (folder / "ucf101").is_dir():
        pytest.skip("the real clips are not on this machine (set FAME_TEST_DATA to their folder)")
    return folder


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Sums in one order, and no fight for cores among parallel test processes."""
    import torch

    torch.set_num_threads(1)


def write_video(path: Path, frames: np.ndarray, fps: float = 25) -> Path:
    """Write (T, H, W, 3) uint8 RGB frames as Motion JPEG, which every build of OpenCV can write."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = frames.shape[1:3]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (width, height))
    assert writer.isOpened()
    for frame in frames:
        writer.write(frame[..., ::-1])
    writer.release()
    return path


def moving_square(
    count: int, colour: tuple[int, int, int], seed: int, size: tuple[int, int] = (64, 48)
) -> np.ndarray:
    """(count, H, W, 3) uint8: a square that moves over a textured, still background."""
    width, height = size
    generator = np.random.default_rng(seed)
    background = cv2.resize(generator.integers(0, 255, (6, 8, 3), np.uint8), (width, height))
    frames = np.repeat(background[None], count, axis=0)
    for number, frame in enumerate(frames):
        left = (3 + 2 * number) % (width - 12)
        frame[18:30, left : left + 12] = colour
    return frames


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """A folder of ten videos in two classes with a train and a test split, 40 frames of 64x48 pixels each."""
    for number in range(10):
        split, label = ("train", "test")[number % 5 == 4], ("red", "blue")[number // 5]
        colour = (220, 30, 30) if label == "red" else (30, 30, 220)
        path = tmp_path / "videos" / split / label / f"clip {number}.avi"
        write_video(path, moving_square(40, colour, seed=number))
    return tmp_path / "videos"
