"""What the methods are compared on: the made set, or a folder of real clips; each as WORK folders."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fame_cli.config import ExtractConfig, FinetuneConfig, LinearConfig, PretrainConfig, StatisticsConfig
from fame_cli.data import statistics as statistics_room
from fame_cli.data.frames import FrameStore, extract, open_frame_store
from fame_cli.data.made_plan import DEMO, Dials, plan_videos
from fame_cli.data.manifest import Video, combine, read_manifest, write_manifest
from fame_cli.data.sources.folder import index_folder
from fame_cli.data.sources.table import index_table
from fame_cli.data.statistics import StatisticsStore, open_statistics_store
from fame_cli.data.synthetic import make_video_set
from fame_cli.demo.material import PRETRAIN
from fame_cli.disk import write_text
from fame_cli.evaluation.evaluation import Phase
from fame_cli.stage import Workers

MADE = replace(PRETRAIN, split="pretrain", epochs=30, learning_rate=1e-3)
REAL = MADE.with_options(
    split="train",
    frame_stride=4,
    epochs=100,
    batch_size=32,
    queue_length=64,
    crop_px=64,
    color_jitter=1.0,
    flip_probability=0.5,
)
FOLDS = 3
"""Of the real clips of a class, one in so many is tested on; the others are learned from."""

Row = tuple[str, str, str]
"""Path, label and split of a video."""


@dataclass(frozen=True)
class Size:
    """How much of the made set there is, and of the training."""

    pretrain_videos: int = 960
    train_per_motion: int = 40
    test_per_motion: int = 56
    epochs: int = MADE.epochs
    batch_size: int = MADE.batch_size


@dataclass(frozen=True)
class Material:
    """Videos to learn from and to test on: a WORK folder, and what is done with its splits."""

    work: Path
    tests: Mapping[str, tuple[str, str]]
    """For each test, the split that its linear probe learns from and the one that it is tested on."""
    pretrain: PretrainConfig
    clips: int
    """Clips of each video, in training and testing a probe."""

    def frames(self) -> FrameStore:
        return open_frame_store(self.work, read_manifest(self.work), None)

    def statistics(self) -> StatisticsStore:
        config = self.pretrain
        return open_statistics_store(self.work, self.frames(), config.clip_frames, config.frame_stride, None)

    def linear(self, test: str, seed: int) -> LinearConfig:
        """The probe of a test: its learning rate is chosen on held-out videos of the training split."""
        train, tested = self.tests[test]
        return LinearConfig(
            **{name: getattr(self.pretrain, name) for name in ("clip_frames", "frame_stride", "crop_px")},
            train_split=train,
            test_split=tested,
            clips=self.clips,
            train_on="features",
            sweep=(1.0, 3.0, 10.0, 30.0),
            seed=seed,
        )

    def supervised(self, seed: int) -> FinetuneConfig:
        """The ceiling: the same network learns the labels of the videos that others see without labels."""
        names = ("clip_frames", "frame_stride", "crop_px", "crop_scale_min", "flip_probability", "batch_size")
        config = self.pretrain
        return FinetuneConfig(
            **{name: getattr(config, name) for name in names},
            train_split=config.split,
            test_split=next(iter(self.tests.values()))[1],
            clips=self.clips,
            epochs=config.epochs,
            milestones=(config.epochs * 2 // 3, config.epochs * 8 // 9),
            learning_rate=0.05,
            dropout=0.0,
            seed=seed,
        )


def made_material(
    folder: Path, jobs: int, phase: Phase, size: Size, seed: int, dials: Dials = DEMO, frame_stride: int = 2
) -> Material:
    """The demo's set, drawn anew from ``seed``: a background tells a pretraining video from all others.

    Test "neutral": so it does with the labelled videos, and says nothing of the motion. Test "biased": each
    motion is trained before one background, and tested before those of the other motions. ``dials`` say how
    much of that is so, and put a patch beside it.
    """
    counts = size.pretrain_videos, size.train_per_motion, size.test_per_motion
    with phase("making videos", "videos") as tell:
        make_video_set(
            folder / "videos",
            seed,
            *counts,
            progress=lambda done, total: tell(done, total, ""),
            dials=dials,
        )
    rows = [(f"{video.path}.avi", video.motion, made_split(video.path)) for video in plan_videos(*counts)]
    config = replace(MADE, epochs=size.epochs, batch_size=size.batch_size, frame_stride=frame_stride)
    tests = {part: (f"{part} train", f"{part} test") for part in ("neutral", "biased")}
    material = Material(folder / "work", tests, config, clips=2)
    compute_stores(material, folder / "videos", rows, jobs, phase)
    return material


def made_split(path: str) -> str:
    """ "pretrain" of pretrain/0000, "biased test" of biased/test/move_left/000."""
    part, *rest = path.split("/")
    return f"{part} {rest[0]}" if len(rest) > 1 else part


def real_materials(
    folder: Path, jobs: int, phase: Phase, videos: Path, seeds: Sequence[int]
) -> dict[int, Material]:
    """A folder of class folders, as one material a seed: each holds out another third of every class.

    Three seeds test every clip once, on networks that never saw it, with a label or without.
    """
    materials = {}
    indexed = index_folder(videos.absolute()).videos
    for seed in seeds:
        fold = seed % FOLDS
        material = Material(folder / f"work {fold}", {"held out": ("train", "test")}, REAL, clips=5)
        compute_stores(material, videos, fold_rows(indexed, fold), jobs, phase)
        materials[seed] = material
    return materials


def fold_rows(videos: Sequence[Video], fold: int) -> list[Row]:
    """Every third video of each class, from number ``fold`` on, is tested on; the others are learned from."""
    classes: dict[str, list[Video]] = {}
    for video in sorted(videos, key=lambda video: video.path):
        classes.setdefault(video.label, []).append(video)
    return [
        (video.path, label, "test" if place % FOLDS == fold else "train")
        for label, members in classes.items()
        for place, video in enumerate(members)
    ]


def compute_stores(material: Material, root: Path, rows: Sequence[Row], jobs: int, phase: Phase) -> None:
    """``fame extract`` and ``fame masks``, as far as they are not done."""
    work, config = material.work, material.pretrain
    work.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    csv.writer(text).writerows([("path", "label", "split"), *rows])
    write_text(work / "videos.csv", text.getvalue())
    manifest = combine(work, index_table(root.absolute(), work / "videos.csv"))
    write_manifest(work, manifest)  # first, so that an interrupted extraction is continued
    with phase("extracting", "videos") as tell:
        report, manifest = extract(
            work, manifest, ExtractConfig(), Workers(jobs), lambda done, total: tell(done, total, "")
        )
    write_manifest(work, manifest)
    options = StatisticsConfig(config.clip_frames, config.frame_stride, hop_frames=1)
    with phase("statistics", "videos") as tell:
        statistics_room.compute(
            work,
            FrameStore(report.folder, manifest),
            options,
            Workers(jobs),
            lambda done, total: tell(done, total, ""),
        )
