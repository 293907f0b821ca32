"""The photometric augmentation of a view: drawing parameters per sample and applying them to a batch.

Drawing (NumPy, in the data loader) and applying (torch, on the training device) are separate. Parameters are
constant over a clip and differ between the samples of a batch.
"""

from collections.abc import Callable, Iterator, Mapping, Set
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fame_cli.data.role import AUGMENTATIONS, Augmentation
from fame_cli.data.transfer import move_together

GRAYSCALE_PROBABILITY = 0.2
JITTER_PROBABILITY = 0.8
FLIP_PROBABILITY = 0.5
BLUR_PROBABILITY = 0.5
JITTER = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}
"""Half the range of each factor."""
SIGMA_PX = (0.1, 2.0)
BLUR_REACH_PX = 6
"""Three times the largest sigma."""
LUMINANCE = (0.2989, 0.587, 0.114)
"""Weights of red, green and blue (ITU-R BT.601, rounded as in torchvision)."""
MEAN = torch.tensor((0.43216, 0.394666, 0.37645)).view(3, 1, 1, 1)
STD = torch.tensor((0.22803, 0.22145, 0.216989)).view(3, 1, 1, 1)


def draw_view(
    generator: np.random.Generator,
    color_jitter: float,
    flip_probability: float = FLIP_PROBABILITY,
    allowed: Set[Augmentation] = AUGMENTATIONS,
) -> dict[str, Any]:
    """All choices of one view as NumPy scalars, and ``order`` (4,).

    The same random numbers are drawn whatever the options are, so an option never shifts another choice.

    Args:
        generator: source of the choices.
        color_jitter: factor on the published strengths (0.4, 0.4, 0.4, 0.1); 0 leaves the colours alone.
        flip_probability: probability of a horizontal flip.
        allowed: the augmentations that the view tolerates; others are never chosen.
    """
    flip, grayscale, jitter, blur, sigma, *rest = generator.random(13)
    factors = dict(zip(JITTER, rest[:4], strict=True))
    chosen: dict[Augmentation, bool] = {
        "flip": flip < flip_probability,
        "grayscale": grayscale < GRAYSCALE_PROBABILITY,
        "jitter": jitter < JITTER_PROBABILITY and color_jitter > 0,
        "blur": blur < BLUR_PROBABILITY,
    }
    return {
        **{name: np.bool_(wanted and name in allowed) for name, wanted in chosen.items()},
        **{name: jitter_factor(name, uniform, color_jitter) for name, uniform in factors.items()},
        "order": np.argsort(rest[4:]),
        "sigma": np.float32(SIGMA_PX[0] + (SIGMA_PX[1] - SIGMA_PX[0]) * sigma),
    }


def jitter_factor(name: str, uniform: float, color_jitter: float) -> np.float32:
    """torchvision's range of a factor: [max(0, 1 - s), 1 + s]; for hue [-s, s] in turns, s at most 0.5."""
    strength = JITTER[name] * color_jitter
    if name == "hue":
        return np.float32(min(strength, 0.5) * (2 * uniform - 1))
    low, high = max(0.0, 1 - strength), 1 + strength
    return np.float32(low + (high - low) * uniform)


def to_clips(frames: Tensor, device: torch.device) -> Tensor:
    """Frames (…, T, H, W, 3) uint8 to clips (…, 3, T, H, W) float in [0, 1] on the device."""
    return frames.to(device, non_blocking=True).movedim(-1, -4).float().div_(255)


@torch.no_grad()
def augment(clips: Tensor, view: Mapping[str, Tensor]) -> Tensor:
    """Grayscale, colour jitter, horizontal flip and Gaussian blur of FAME, section 4.2.

    A sample's result does not depend on the others of its batch. The samples that an operation changes are
    read from ``view`` on the CPU, so the device is never synchronised. All parameters are copied to it at
    once.

    Args:
        clips: (B, 3, T, H, W) float in [0, 1] on any device; not modified.
        view: what ``draw_view`` drew, collated to CPU tensors (B,), ``order`` (B, 4).

    Returns:
        New clips of the same shape, in [0, 1].
    """
    drawn = {name: values.numpy() for name, values in view.items()}
    changed = torch.empty_like(clips, memory_format=torch.contiguous_format)
    # On a CPU, one sample stays in the cache through all operations; an accelerator prefers large batches.
    together = 1 if clips.device.type == "cpu" else max(len(clips), 1)
    for first in range(0, len(clips), together):
        part = slice(first, first + together)
        change(changed[part].copy_(clips[part]), {name: values[part] for name, values in drawn.items()})
    return changed


def normalise(clips: Tensor) -> Tensor:
    """Clips (B, 3, T, H, W) in [0, 1] normalised by mean and standard deviation of Kinetics-400."""
    mean, std = (values.to(clips.device, clips.dtype, non_blocking=True) for values in (MEAN, STD))
    return (clips - mean).div_(std)


class Change(NamedTuple):
    """One operation of a view, and the samples of a batch that it changes."""

    operation: Callable[..., None]
    """Works in place: ``operation(clips, *amounts)``, each amount as (n, 1, 1, 1, 1)."""
    samples: npt.NDArray[np.int64]
    """(n,) rows of the batch."""
    amounts: tuple[npt.NDArray[np.float32], ...] = ()
    """(n,) each."""


def change(clips: Tensor, drawn: Mapping[str, npt.NDArray[Any]]) -> None:
    """Apply the drawn parameters to the clips in place, each operation to its own samples."""
    changes = list(plan_changes(drawn))
    numbers = [torch.from_numpy(values) for one in changes for values in (one.samples, *one.amounts)]
    there = iter(move_together(numbers, clips.device))
    for one in changes:
        index, amounts = next(there), [next(there).view(-1, 1, 1, 1, 1) for _ in one.amounts]
        if len(one.samples) == len(clips):
            one.operation(clips, *amounts)
        else:
            gathered = clips[index]
            one.operation(gathered, *amounts)
            clips[index] = gathered


def plan_changes(drawn: Mapping[str, npt.NDArray[Any]]) -> Iterator[Change]:
    """The operations that apply to at least one sample, in order."""
    yield from chosen_change(turn_gray, drawn["grayscale"])
    # A grey clip has no hue to shift, so skip the most expensive adjustment.
    chosen = dict.fromkeys(JITTER, drawn["jitter"]) | {"hue": drawn["jitter"] & ~drawn["grayscale"]}
    for position in drawn["order"].T:
        for number in set(position.tolist()):
            name, adjust = ADJUSTMENTS[number]
            yield from chosen_change(adjust, chosen[name] & (position == number), drawn[name])
    yield from chosen_change(flip, drawn["flip"])
    yield from chosen_change(blur, drawn["blur"], drawn["sigma"])


def chosen_change(
    operation: Callable[..., None], chosen: npt.NDArray[np.bool_], *amounts: npt.NDArray[np.float32]
) -> Iterator[Change]:
    samples = np.flatnonzero(chosen)
    if len(samples):
        yield Change(operation, samples, tuple(amount[samples] for amount in amounts))


def luminance(clips: Tensor) -> Tensor:
    """Clips (B, 3, T, H, W) to grey values (B, 1, T, H, W)."""
    red, green, blue = clips.chunk(3, dim=1)
    return (LUMINANCE[0] * red).add_(green, alpha=LUMINANCE[1]).add_(blue, alpha=LUMINANCE[2])


def turn_gray(clips: Tensor) -> None:
    clips.copy_(luminance(clips).expand_as(clips))


def adjust_brightness(clips: Tensor, factor: Tensor) -> None:
    clips.mul_(factor).clamp_(0, 1)


def adjust_contrast(clips: Tensor, factor: Tensor) -> None:
    """Contrast about the whole clip's mean grey; that of each frame, as in torchvision, would flicker."""
    gray = luminance(clips.mean(dim=(2, 3, 4), keepdim=True))
    clips.mul_(factor).add_(gray.mul_(1 - factor)).clamp_(0, 1)


def adjust_saturation(clips: Tensor, factor: Tensor) -> None:
    gray = luminance(clips)
    clips.mul_(factor).add_(gray.mul_(1 - factor)).clamp_(0, 1)


def adjust_hue(clips: Tensor, turns: Tensor) -> None:
    """Rotate the hue of the HSV hexcone, keeping saturation and value, without conversion to HSV and back.

    This takes a quarter of the time of the functions in ``foreground.statistics`` on a CPU.
    Let R, G, B be the channels minus their least value, divided by the chroma (greatest minus least value).
    Then the hue is ±(1 - R + G + B)/6 turns with the sign of G - B, and each channel of a hue h is
    least + chroma · clamp(6·|frac(h + s) - 1/2| - 1, 0, 1) with s = 0, 2/3, 1/3 for red, green, blue.
    """
    red, green, blue = channels = clips.chunk(3, dim=1)
    least = torch.minimum(torch.minimum(red, green), blue)
    greatest = torch.maximum(torch.maximum(red, green), blue)
    chroma = greatest - least
    hue = greatest.sub_(least, alpha=2).sub_(red).add_(green).add_(blue)
    hue.div_(chroma.clamp_min(1e-12)).copysign_(green - blue).div_(6).add_(turns)
    base = least.sub_(chroma)
    for channel, share in zip(channels, (0, 2 / 3, 1 / 3), strict=True):
        # Adding two whole turns keeps the argument above 0, where frac() is the distance to the floor.
        distance = hue.add(2 + share).frac_().sub_(0.5).abs_().clamp_(1 / 6, 1 / 3)
        torch.addcmul(base, chroma, distance, value=6, out=channel)
    clips.clamp_(0, 1)


def flip(clips: Tensor) -> None:
    clips.copy_(clips.flip(-1))


def blur(clips: Tensor, sigma_px: Tensor) -> None:
    """Separable Gaussian blur with a reflected border, as two products with a band matrix.

    On a CPU they are 1.4 to 2.5 times as fast as padding and grouped convolutions (sides of 48 to 224 px),
    and each sample has its own kernel width.
    """
    B, C, T, H, W = clips.shape
    across, down = blur_matrix(W, sigma_px.view(B, 1, 1)), blur_matrix(H, sigma_px.view(B, 1, 1))
    rows = torch.bmm(clips.view(B, C * T * H, W), across.mT).view(B, C * T, H, W)
    # Rounding may exceed 1.
    torch.matmul(down.unsqueeze(1), rows, out=clips.view(B, C * T, H, W)).clamp_(0, 1)


def blur_matrix(side: int, sigma_px: Tensor) -> Tensor:
    """Matrices (B, side, side) that blur a line of pixels: row i has the weights of pixel i.

    The kernel reaches ⌈3σ⌉ px, at most 6, and sums to 1. Beyond its ends, the line continues as its mirror
    image without repeating the end pixels ("reflect").

    Args:
        side: pixels of the line, more than 6.
        sigma_px: (B, 1, 1), at most 2.
    """
    assert side > BLUR_REACH_PX
    offset = torch.arange(-BLUR_REACH_PX, BLUR_REACH_PX + 1, device=sigma_px.device)
    kernel = torch.exp(-0.5 * (offset / sigma_px) ** 2) * (offset.abs() <= torch.ceil(3 * sigma_px))
    kernel = kernel / kernel.sum(dim=2, keepdim=True)
    pixel, last = torch.arange(side, device=sigma_px.device), side - 1
    source = last - (last - (pixel[:, None] + offset).abs()).abs()
    B = len(sigma_px)
    weights = kernel.new_zeros(B, side, side)
    return weights.scatter_add_(2, source.expand(B, -1, -1), kernel.expand(B, side, -1))


ADJUSTMENTS: tuple[tuple[str, Callable[[Tensor, Tensor], None]], ...] = (
    ("brightness", adjust_brightness),
    ("contrast", adjust_contrast),
    ("saturation", adjust_saturation),
    ("hue", adjust_hue),
)
"""The operations that the numbers in ``order`` refer to, as in torchvision's ColorJitter."""
