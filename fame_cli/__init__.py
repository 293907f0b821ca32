"""Foreground-background merging (FAME) for self-supervised video learning.

Public names for use as a library: ``from fame_cli import ForegroundBackgroundMerging``. Each is imported on
first access, so ``import fame_cli`` itself is cheap (docs/library.md).
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

# HDF5 would lock each file, which fails on file systems without locks. We do not need it: a file only gets
# its name once it is complete.
os.environ.setdefault("HDF5_USE_FILE_LOCKING", "FALSE")

__all__ = [
    "BYOL",
    "FAME",
    "ArtefactError",
    "Backbone",
    "ClipOrder",
    "ConfigurationError",
    "Consistency",
    "Distraction",
    "Extras",
    "FameError",
    "ForegroundBackgroundMerging",
    "FrameStore",
    "InputError",
    "MoCo",
    "Objective",
    "Puzzle",
    "Reads",
    "Role",
    "Rotation",
    "SimCLR",
    "StatisticsStore",
    "View",
    "WideMicro",
    "__version__",
    "build_backbone",
    "chance_level",
    "clip_indices",
    "clip_span",
    "colour_bins",
    "info_nce",
    "load_backbone",
    "merge",
    "motion_saliency",
    "motion_weights",
    "normalise",
    "nt_xent",
    "open_frame_store",
    "open_statistics_store",
    "prediction_loss",
    "read_manifest",
    "save_backbone",
    "seed_region",
    "soft_mask",
    "static_factor",
    "to_clips",
    "top_share",
]

if TYPE_CHECKING:
    from fame_cli.data.clips import clip_indices, clip_span
    from fame_cli.data.frames import FrameStore, open_frame_store
    from fame_cli.data.manifest import read_manifest
    from fame_cli.data.role import Role
    from fame_cli.data.statistics import StatisticsStore, open_statistics_store
    from fame_cli.data.views import normalise, to_clips
    from fame_cli.distraction.distraction import Distraction, Extras, Reads
    from fame_cli.distraction.fame import FAME, merge
    from fame_cli.distraction.transform import ForegroundBackgroundMerging
    from fame_cli.errors import ArtefactError, ConfigurationError, FameError, InputError
    from fame_cli.foreground.mask import soft_mask, top_share
    from fame_cli.foreground.statistics import colour_bins, seed_region
    from fame_cli.foreground.still import static_factor
    from fame_cli.learning.backbones import Backbone, build_backbone
    from fame_cli.learning.checkpoint import load_backbone, save_backbone
    from fame_cli.learning.objectives.byol import BYOL
    from fame_cli.learning.objectives.decomposition import motion_saliency, motion_weights
    from fame_cli.learning.objectives.losses import chance_level, info_nce, nt_xent, prediction_loss
    from fame_cli.learning.objectives.moco import MoCo
    from fame_cli.learning.objectives.objective import Objective, View
    from fame_cli.learning.objectives.order import ClipOrder
    from fame_cli.learning.objectives.pretext import Consistency
    from fame_cli.learning.objectives.puzzle import Puzzle
    from fame_cli.learning.objectives.rotation import Rotation
    from fame_cli.learning.objectives.simclr import SimCLR
    from fame_cli.learning.objectives.wide_micro import WideMicro

ROOMS = {
    "data.clips": ("clip_indices", "clip_span"),
    "data.frames": ("FrameStore", "open_frame_store"),
    "data.manifest": ("read_manifest",),
    "data.role": ("Role",),
    "data.statistics": ("StatisticsStore", "open_statistics_store"),
    "data.views": ("normalise", "to_clips"),
    "errors": ("ArtefactError", "ConfigurationError", "FameError", "InputError"),
    "learning.backbones": ("Backbone", "build_backbone"),
    "learning.objectives.byol": ("BYOL",),
    "learning.checkpoint": ("load_backbone", "save_backbone"),
    "learning.objectives.decomposition": ("motion_saliency", "motion_weights"),
    "learning.objectives.losses": ("chance_level", "info_nce", "nt_xent", "prediction_loss"),
    "learning.objectives.moco": ("MoCo",),
    "learning.objectives.objective": ("Objective", "View"),
    "learning.objectives.order": ("ClipOrder",),
    "learning.objectives.pretext": ("Consistency",),
    "learning.objectives.puzzle": ("Puzzle",),
    "learning.objectives.rotation": ("Rotation",),
    "learning.objectives.simclr": ("SimCLR",),
    "learning.objectives.wide_micro": ("WideMicro",),
    "foreground.still": ("static_factor",),
    "foreground.mask": ("soft_mask", "top_share"),
    "distraction.distraction": ("Distraction", "Extras", "Reads"),
    "distraction.fame": ("FAME", "merge"),
    "foreground.statistics": ("colour_bins", "seed_region"),
    "distraction.transform": ("ForegroundBackgroundMerging",),
}
"""The module of each name; the same as the imports above, which only type checkers see."""

HOMES = {name: f"fame_cli.{room}" for room, names in ROOMS.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in HOMES:
        raise AttributeError(f"module 'fame_cli' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *HOMES})
