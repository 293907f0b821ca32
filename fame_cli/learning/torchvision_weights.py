"""Supervised weights that torchvision publishes, by their names: a reference to compare with."""

import urllib.error
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from fame_cli.config import BackboneName, fingerprint
from fame_cli.errors import ConfigurationError, InputError
from fame_cli.learning.foreign import Normalisation

PREFIX = "torchvision:"


@dataclass(frozen=True)
class Recipe:
    """Which of our networks takes the weights, and which clips they were trained on."""

    backbone: BackboneName
    clip_frames: int
    frame_stride: int
    """At 30 frames a second: torchvision's pages give 15 (or 7.5) frames a second."""


RECIPES: Mapping[str, Recipe] = {
    "R2Plus1D_18_Weights": Recipe("r2plus1d_18", 16, 2),
    "R3D_18_Weights": Recipe("r3d_18", 16, 2),
    "S3D_Weights": Recipe("s3d", 128, 2),
    "Swin3D_T_Weights": Recipe("swin3d_t", 32, 2),
    "MViT_V2_S_Weights": Recipe("mvit_v2_s", 16, 4),
}


@dataclass(frozen=True)
class PublishedWeights:
    """Weights of torchvision, downloaded."""

    entries: Mapping[str, Tensor]
    backbone: BackboneName
    clip_options: dict[str, int]
    normalisation: Normalisation
    fingerprint: str


def fetch_published(name: str) -> PublishedWeights:
    """The weights ``torchvision:R2Plus1D_18_Weights.KINETICS400_V1`` and the like.

    They are downloaded once, into torch's own cache, with a bar of progress; their checksum is compared.
    Raises ConfigurationError where there are none of this name, InputError where they cannot be downloaded.
    """
    from torchvision.models import get_weight

    wanted = name.removeprefix(PREFIX)
    recipe = RECIPES.get(wanted.partition(".")[0])
    try:
        weights: Any = get_weight(wanted) if recipe else None
    except (ValueError, KeyError):
        weights = None
    if recipe is None or weights is None:
        raise ConfigurationError(
            f"torchvision has no weights {wanted!r} for a network of this toolkit.",
            f"There are {', '.join(known_names())}.",
        )
    try:
        entries = weights.get_state_dict(progress=True, check_hash=True)
    except (urllib.error.URLError, OSError, RuntimeError) as error:
        raise InputError(
            f"{weights.url} cannot be downloaded: {error}.",
            "Without a network, download it elsewhere and give the file: "
            f"--weights FILE --backbone {recipe.backbone}.",
        ) from error
    transform = weights.transforms()
    options = {
        "clip_frames": recipe.clip_frames,
        "frame_stride": recipe.frame_stride,
        "crop_px": transform.crop_size[0],
    }
    normalisation = Normalisation(tuple(transform.mean), tuple(transform.std))
    return PublishedWeights(
        entries, recipe.backbone, options, normalisation, fingerprint([wanted, weights.url])
    )


def known_names() -> list[str]:
    from torchvision.models import get_weight

    found: list[str] = []
    for family in RECIPES:
        try:
            members: Any = type(get_weight(f"{family}.KINETICS400_V1"))
        except (ValueError, KeyError):
            continue  # an older torchvision
        found += [f"{PREFIX}{family}.{member.name}" for member in members]
    return found
