"""Pictures of what the distractions do: the same clips under each, made by the code that training runs."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import default_collate

from fame_cli.config import DistractionsConfig, PretrainConfig
from fame_cli.data.clips import (
    Indices,
    central_square,
    clip_indices,
    clip_span,
    even_starts,
    generator_for,
    random_start,
)
from fame_cli.data.dataset import crop_clip
from fame_cli.data.frames import FrameStore
from fame_cli.data.picture import Frame
from fame_cli.data.role import Role
from fame_cli.data.views import MEAN, STD, draw_view
from fame_cli.distraction.build import build_distraction
from fame_cli.learning.batch import make_view
from fame_cli.method import (
    CutmixConfig,
    DistractionConfig,
    FameConfig,
    MixupConfig,
    NoiseConfig,
    StillFrameConfig,
)
from fame_cli.visualization.pictures import RGB, Picture, strip
from fame_cli.visualization.sheet import SheetRow, Tile, draw_sheet

EPOCH, STEP = 0, 0
"""Of the training whose choices are shown."""
SHOWN = Role("shown", distracted=True, augmentations=frozenset())
"""A view without any photometric augmentation, so that all that is seen is the distraction."""
EXPLANATION = (
    "Two frames of each clip as an encoder gets it, without augmentation and back in the range of the video. "
    "Noise and still frames are the same at every time. λ is the share of what is mixed in, drawn evenly "
    "from 0 to γ; another seed draws others."
)


@dataclass(frozen=True)
class DistractedClip:
    """A clip under a distraction, and what was drawn for it, in a few words."""

    frames: Picture
    """(T, S, S, 3)"""
    note: str


@dataclass(frozen=True)
class DistractionExample:
    """A clip, and the same clip under each distraction by its title."""

    caption: str
    frames: Picture
    """(T, S, S, 3)"""
    distracted: Mapping[str, DistractedClip]


def distractions_of(config: DistractionsConfig) -> dict[str, DistractionConfig]:
    """The distractions that are shown, by the titles of their columns: FAME, then those of BE's Table 4."""
    return {
        "FAME": FameConfig(
            beta=config.beta, variant=config.variant, background=config.background, statistics="online"
        ),
        "noise": NoiseConfig(sigma=config.sigma),
        "mixup": MixupConfig(gamma=config.gamma),
        "CutMix": CutmixConfig(),
        "inter-video frame": StillFrameConfig(name="frame-inter", gamma=config.gamma),
        "intra-video frame": StillFrameConfig(name="frame-intra", gamma=config.gamma),
    }


def distraction_examples(
    frames: FrameStore, video_indices: Sequence[int], config: DistractionsConfig, size_px: int
) -> list[DistractionExample]:
    """The middle clip of each video, its central square scaled to ``size_px``, under every distraction.

    What is drawn for a clip is what a training of the same seed draws for the first view of its video in its
    first epoch; the partners are the other videos given, which have to be at least one.
    """
    training = PretrainConfig(
        clip_frames=config.clip_frames, frame_stride=config.frame_stride, crop_px=size_px, seed=config.seed
    )
    samples = [read_sample(frames, video_index, training) for video_index in video_indices]
    clips = [sample["frames"] for sample in samples]
    columns = {
        title: distract_all(samples, frames, dataclasses.replace(training, distraction=method))
        for title, method in distractions_of(config).items()
    }
    return [
        DistractionExample(
            caption=f"clip {number + 1}: {frames.videos[video_index].id}",
            frames=clips[number],
            distracted={title: column[number] for title, column in columns.items()},
        )
        for number, video_index in enumerate(video_indices)
    ]


def read_sample(frames: FrameStore, video_index: int, config: PretrainConfig) -> dict[str, Any]:
    """What a loader hands over of a view (``PretrainClips``), for the middle clip of a video."""
    video = frames.videos[video_index]
    T, stride = config.clip_frames, config.frame_stride
    span = clip_span(T, stride)

    def crop(indices: Indices) -> Frame:
        read = frames.read(video_index, indices)
        return crop_clip(read, central_square(*read.shape[1:3]), config.crop_px)

    # As in training: the second start that a view draws is that of its other time.
    generator = generator_for(config.seed, "view", EPOCH, video.id, 0)
    _, other_start = (random_start(video.frame_count, span, generator) for _ in range(2))
    start = int(even_starts(video.frame_count, span, 1)[0])
    return {
        "frames": crop(clip_indices(start, T, stride, video.frame_count)),
        "other_time": crop(clip_indices(other_start, T, stride, video.frame_count)),
        "augmentation": draw_view(generator, 0.0, 0.0, SHOWN.augmentations),
        "video": video_index,
    }


def distract_all(
    samples: Sequence[Mapping[str, Any]], frames: FrameStore, config: PretrainConfig
) -> list[DistractedClip]:
    """Clips under the distraction of a training, as one batch of it."""
    distraction = build_distraction(config)
    if distraction is None:  # FAME with β = 1
        return [DistractedClip(sample["frames"], "keeps all") for sample in samples]
    ids = [frames.videos[sample["video"]].id for sample in samples]
    drawn = [distraction.draw(generator_for(config.seed, "distraction", EPOCH, name, 0)) for name in ids]
    batch = [{**sample, "distraction": dict(one)} for sample, one in zip(samples, drawn, strict=True)]
    view = make_view(
        default_collate(batch),
        SHOWN,
        0,
        distraction,
        config.seed,
        STEP,
        torch.device("cpu"),
        torch.contiguous_format,
    )
    clips = (view.clips * STD + MEAN).clamp(0, 1)
    shown = (clips * 255).round().byte().permute(0, 2, 3, 4, 1).numpy()
    partners = [None] * len(samples) if view.partners is None else view.partners.tolist()
    return [
        DistractedClip(clip, describe(config, one, partner))
        for clip, one, partner in zip(shown, drawn, partners, strict=True)
    ]


def describe(config: PretrainConfig, drawn: Mapping[str, Any], partner: int | None) -> str:
    """What was drawn for a clip: the share, the frame, the row of its partner."""
    donor = "" if partner is None else f"clip {partner + 1}"
    match config.distraction:
        case FameConfig(beta=beta):
            return f"β {beta:g}, on {donor or 'another time'}"
        case NoiseConfig(sigma=sigma):
            return f"σ {sigma:g}"
        case MixupConfig():
            return f"λ {drawn['weight']:.2f} of {donor}"
        case CutmixConfig():
            return f"box of {donor}"
        case _:
            frame = int(np.float32(drawn["place"]) * config.clip_frames) + 1
            return f"λ {drawn['weight']:.2f} of frame {frame}{' of ' if donor else ''}{donor}"


def distraction_sheet(examples: Sequence[DistractionExample], *, frames_shown: int = 2) -> RGB:
    """A row a clip: as it is, and under each distraction, some frames each."""
    rows = [
        SheetRow(
            example.caption,
            [
                strip(example.frames, frames_shown),
                *(Tile(strip(one.frames, frames_shown), one.note) for one in example.distracted.values()),
            ],
        )
        for example in examples
    ]
    titles = ["clip", *examples[0].distracted]
    return draw_sheet(rows, titles, heading="Distractions", explanation=EXPLANATION, tile_height_px=112)


def distraction_animation(examples: Sequence[DistractionExample]) -> RGB:
    """Frames (T, H, W, 3) of the same clips playing beside each other."""
    titles = ["clip", *examples[0].distracted]
    sheets = []
    for time in range(len(examples[0].frames)):
        rows = [
            SheetRow(
                example.caption,
                [example.frames[time], *(one.frames[time] for one in example.distracted.values())],
            )
            for example in examples
        ]
        sheets.append(draw_sheet(rows, titles, tile_height_px=112))
    return np.stack(sheets)
