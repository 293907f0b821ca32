"""What moves and what stays in the last map of a network, told by how an early map changes.

An interpretation of "pixel-level motion-aware decomposition", of which only the paper's abstract is public
(docs/wide-micro.md). Pure functions of maps, and the encoder that makes its embeddings by them.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from fame_cli.errors import ConfigurationError
from fame_cli.learning.backbones import Backbone, stage_lengths
from fame_cli.learning.objectives.objective import Encoder

SMALLEST_SPREAD = 1e-3
"""ε of the standardisation: maps are of order 1 behind a batch normalisation, rounding is far below."""


class Weights(NamedTuple):
    """Where to look in each clip, (B, h, w) each; the weights of a clip add up to 1."""

    motion: Tensor
    static: Tensor
    moves: Tensor
    """(B,) bool: whether the clip moves at all. Of one that does not, all weights are even."""


class Decomposition(NamedTuple):
    """A clip's last map as two vectors, (B, D) each."""

    motion: Tensor
    static: Tensor


@torch.no_grad()
def motion_saliency(maps: Tensor) -> Tensor:
    """A = Σ_j mean_d |F_{j+1} − F_j|: how much each place of maps (B, D, t, h, w) changes, (B, h, w), t ≥ 2.

    Convolutions see zeros before the first frame and behind the last, so the first and the last map of a
    still clip differ from those between: they are left out where there are two others.
    """
    inner = maps[:, :, 1:-1] if maps.shape[2] >= 4 else maps
    return inner.float().diff(dim=2).abs().mean(dim=1).sum(dim=1)


@torch.no_grad()
def motion_weights(saliency: Tensor, temperature: float) -> Weights:
    """softmax(±Â/T) over the places of each clip, Â the saliency (B, h, w) standardised, T the temperature.

    + gives the weights of motion, − those of what stays. No gradient: it would flatten or sharpen the early
    map rather than teach what moves.
    """
    B, h, w = saliency.shape
    flat = saliency.flatten(1)
    spread = flat.std(dim=1, correction=0, keepdim=True)
    standardised = (flat - flat.mean(dim=1, keepdim=True)) / (spread + SMALLEST_SPREAD)
    motion, static = (
        (sign * standardised / temperature).softmax(dim=1).view(B, h, w) for sign in (1.0, -1.0)
    )
    return Weights(motion, static, spread[:, 0] > SMALLEST_SPREAD)


@torch.no_grad()
def resize_weights(weights: Tensor, h: int, w: int) -> Tensor:
    """Weights (B, H, W) for a map of h×w places: those of the places that each covers, adding up to 1."""
    coarse = functional.adaptive_avg_pool2d(weights[:, None], (h, w))[:, 0]
    return coarse / coarse.sum(dim=(1, 2), keepdim=True)


def weigh(maps: Tensor, weights: Tensor) -> Tensor:
    """z = mean_t Σ_hw P·F: vectors (B, D) of maps F (B, D, t, h, w) by weights P (B, H, W) of any size."""
    fitting = resize_weights(weights, *maps.shape[3:])
    return (maps.mean(dim=2).float() * fitting[:, None]).sum(dim=(2, 3))


def clip_weights(clips: Tensor, early: Tensor, temperature: float) -> Weights:
    """Weights for clips (B, 3, T, H, W) by their early maps (B, D, t, h, w); even where no pixel changes."""
    still = (clips == clips[:, :, :1]).flatten(1).all(dim=1)
    saliency = motion_saliency(early).masked_fill(still[:, None, None], 0)
    return motion_weights(saliency, temperature)


def decompose(maps: Tensor, weights: Weights) -> Decomposition:
    """The last map (B, D, t, h, w) as what moves in it and what stays."""
    return Decomposition(weigh(maps, weights.motion), weigh(maps, weights.static))


def early_and_last_map(backbone: Backbone, clips: Tensor, layer: int) -> tuple[Tensor, Tensor]:
    """The maps of the ``layer``-th stage, counted from 1, and of the last one, of normalised clips.

    Raises ConfigurationError where there is no such stage, or its map has a single time.
    """
    early, last = None, clips
    for number, maps in enumerate(backbone.stages(clips), start=1):
        last = maps
        if number == layer:
            early = maps
    if early is None or early.shape[2] < 2:
        raise ConfigurationError(
            f"stage {layer} of {type(backbone).__name__} has no two maps in time to compare.",
            "Give an earlier --saliency-layer, or more --clip-frames.",
        )
    return early, last


class DecomposingEncoder(Encoder):
    """Clips (B, 3, T, H, W) to rows (B, 3·D + 1): unit vectors of the whole, of what moves and of what stays,
    and 1 where the clip moves, all in float32 of one pass through the backbone.

    Args:
        backbone: one that has stages.
        head: on the mean of the last map.
        part_head: on both parts of it, g.
        layer: stage whose map tells what moves, counted from 1.
        temperature: of the weights.
    """

    def __init__(
        self, backbone: Backbone, head: nn.Module, part_head: nn.Module, layer: int, temperature: float
    ) -> None:
        super().__init__(backbone, head)
        if not backbone.has_stages:
            raise lacks_stages(type(backbone).__name__)
        self.part_head = part_head
        self.layer = layer
        self.temperature = temperature

    def forward(self, clips: Tensor) -> Tensor:
        early, last = early_and_last_map(self.backbone, clips, self.layer)
        weights = clip_weights(clips, early, self.temperature)
        parts = decompose(last, weights)
        embeddings = (self.head(last.mean(dim=(2, 3, 4))), *map(self.part_head, parts))
        units = [functional.normalize(embedding.float(), dim=1) for embedding in embeddings]
        return torch.cat([*units, weights.moves[:, None].float()], dim=1)


def lacks_stages(name: str) -> ConfigurationError:
    return ConfigurationError(
        f"the network {name} has no stages, so no early map of it tells what moves.",
        "Write its stages(clips) (docs/extending.md), or give --micro-weight 0 and --static-weight 0.",
    )


def require_decomposition(name: str, layer: int, clip_frames: int, crop_px: int) -> None:
    """Raise ConfigurationError where an early map of a network cannot tell what moves in such clips.

    Args:
        name: of the network, as for ``build_backbone``.
        layer: the stage that is to tell, counted from 1.
        clip_frames: frames in a clip.
        crop_px: side of its frames.
    """
    lengths = stage_lengths(name, clip_frames, crop_px)
    if not lengths:
        raise lacks_stages(name)
    fitting = [number for number, length in enumerate(lengths, start=1) if length >= 2]
    if layer in fitting:
        return
    found = f"has {len(lengths)} stages" if layer > len(lengths) else f"has a single time at stage {layer}"
    hint = f"Give --saliency-layer {fitting[-1]} or less." if fitting else "Give more --clip-frames."
    raise ConfigurationError(
        f"--saliency-layer is {layer}, but the network {name} {found} for clips of {clip_frames} frames.",
        hint,
    )
