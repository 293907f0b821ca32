"""A WORK folder of tiny videos whose classes differ in nothing but their colour, to evaluate on."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from conftest import write_video

from fame_cli.config import ExtractConfig, FinetuneConfig, LinearConfig, RetrievalConfig
from fame_cli.data.frames import FrameStore, extract, open_frame_store
from fame_cli.data.manifest import read_manifest, write_manifest
from fame_cli.data.sources.folder import index_folder
from fame_cli.evaluation.evaluation import Evaluation, random_weights
from fame_cli.evaluation.splits import choose_videos

COLOURS = {"blue": (20, 20, 230), "green": (20, 230, 20), "red": (230, 20, 20)}
CLIPS = {"clips": 3, "clip_frames": 4, "frame_stride": 2, "crop_px": 16}

linear_config = LinearConfig(**CLIPS, epochs=4, batch_size=4, milestones=(3,))
finetune_config = FinetuneConfig(**CLIPS, epochs=4, batch_size=4, milestones=(3,), learning_rate=0.01)
retrieval_config = RetrievalConfig(**CLIPS)


def colour_video(path: Path, colour: Sequence[int], seed: int, frames: int = 14) -> None:
    noise = np.random.default_rng(seed).integers(-20, 20, (frames, 48, 64, 3))
    write_video(path, np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8))


def make_videos(folder: Path, train: int = 3, test: int = 2) -> Path:
    """``train`` and ``test`` videos of each class, each with noise of its own."""
    for number, (label, colour) in enumerate(COLOURS.items()):
        for clip in range(train + test):
            split = "train" if clip < train else "test"
            colour_video(folder / split / label / f"{clip}.avi", colour, seed=10 * number + clip)
    return folder


def make_work(folder: Path, **videos: int) -> FrameStore:
    """Videos in class folders below split folders, extracted into ``folder``/work."""
    return extracted(folder / "work", make_videos(folder / "videos", **videos))


def extracted(work: Path, videos: Path) -> FrameStore:
    work.mkdir(parents=True)
    _, manifest = extract(work, index_folder(videos), ExtractConfig(short_side_px=32))
    write_manifest(work, manifest)
    return open_frame_store(work, read_manifest(work))


def make_evaluation(run: Path, store: FrameStore, **options: Any) -> Evaluation:
    """An untrained small network on the store's splits."""
    videos = choose_videos(store, "train", "test")
    return Evaluation(run, videos, random_weights("small", 0), torch.device("cpu"), **options)


class KilledError(Exception):
    """Stands for a kill: raised where the progress is told."""


class KilledAt:
    """A progress that raises in a phase as soon as ``done`` items are done; counts what was told."""

    def __init__(self, title: str, done: int) -> None:
        self.title = title
        self.done = done

    def __call__(self, title: str, _unit: str) -> AbstractContextManager[Any]:
        def tell(done: int, _total: int, _note: str) -> None:
            if title == self.title and done >= self.done:
                raise KilledError

        return nullcontext(tell)


class Recorded:
    """A progress that keeps which phases told of how many items."""

    def __init__(self) -> None:
        self.told: dict[str, list[int]] = {}

    def __call__(self, title: str, _unit: str) -> AbstractContextManager[Any]:
        return nullcontext(lambda done, _total, _note: self.told.setdefault(title, []).append(done))
