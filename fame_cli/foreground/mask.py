"""From a clip's statistics to its foreground mask (Ding et al. 2022, Eq. 3, Eq. 4 and Table 6)."""

import math

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate, pad

from fame_cli.foreground import kernels
from fame_cli.foreground.kernels import BACKGROUND_SHARE, COLOUR_BINS, FOREGROUND_SHARE
from fame_cli.foreground.statistics import colour_counts, compilable, rows_of, top_pixels
from fame_cli.method import Variant

GRID_CELLS = 4
GAUSS_SIGMA_SHARE = 0.25
"""Standard deviation of the "gauss" variant as a share of the side; the paper gives none."""

JOINT_FOREGROUND_SHARE, JOINT_BACKGROUND_SHARE = 0.2, 0.5
"""Shares of pixels from which "joint" learns colours: less but surer foreground, more background."""

ROUNDING_SHARE = 1e-6
"""Relative differences below this are float rounding."""


def colour_posterior(bins: Tensor, foreground: Tensor, background: Tensor) -> Tensor:
    """Likelihood that a pixel is foreground given its colour, P(F|x) = P(x|F) / (P(x|F) + P(x|B)) (Eq. 3).

    As in the published code, 1 is added to each background count, so a colour that never occurs has
    likelihood 0 and one that occurs only in the foreground stays below 1.

    ``bins`` (B, H, W), ``foreground`` and ``background`` (B, 1000) counts. Returns (B, H, W) in [0, 1).
    """
    if compilable(foreground):
        posterior = torch.empty(bins.shape)
        counts = foreground.contiguous().numpy(), background.contiguous().numpy()
        kernels.colour_posterior(rows_of(bins), *counts, rows_of(posterior))
        return posterior
    foreground_share = foreground / foreground.sum(1, keepdim=True)
    background_share = (background + 1) / (background.sum(1, keepdim=True) + COLOUR_BINS)
    likelihood = foreground_share / (foreground_share + background_share)
    return likelihood.gather(1, bins.flatten(1)).view(bins.shape)


def blur(maps: Tensor) -> Tensor:
    """Gaussian blur a tenth of the shorter side wide, as in the published code, with reflected borders.

    The kernel has ⌊0.1·side⌋ // 2 · 2 + 1 taps and a standard deviation of a third of that.

    ``maps`` (B, H, W). Returns the same shape.
    """
    H, W = maps.shape[-2:]
    half = kernels.blur_weights(H, W)
    if compilable(maps):
        blurred = torch.empty(maps.shape)
        kernels.blur(maps.contiguous().numpy(), half, blurred.numpy())
        return blurred
    radius = len(half) - 1
    weights = [*half[:0:-1].tolist(), *half.tolist()]
    padded = pad(maps, (radius,) * 4, mode="reflect")
    rows = _weighted_sum([padded[..., tap : tap + W] for tap in range(2 * radius + 1)], weights)
    return _weighted_sum([rows[..., tap : tap + H, :] for tap in range(2 * radius + 1)], weights)


def _weighted_sum(shifted: list[Tensor], weights: list[float]) -> Tensor:
    # Sums of shifted maps instead of a convolution: full float32 on every device.
    total = shifted[0] * weights[0]
    for maps, weight in zip(shifted[1:], weights[1:], strict=True):
        total.add_(maps, alpha=weight)
    return total


def rescale(maps: Tensor) -> Tensor:
    """Stretch each of ``maps`` (B, H, W) to [0, 1] by its own extremes; a constant map becomes 0."""
    if compilable(maps):
        scaled = torch.empty(maps.shape)
        kernels.rescale(rows_of(maps), ROUNDING_SHARE, rows_of(scaled))
        return scaled
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    span = high - low
    constant = span <= ROUNDING_SHARE * torch.maximum(low.abs(), high.abs())
    return (maps - low) / span.masked_fill(constant, torch.inf)


def soft_mask(
    seed: Tensor,
    bins: Tensor,
    variant: Variant,
    size_px: int,
    counts: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """Likelihood of foreground for each pixel: FAME, a variant of Table 6, or "joint", which is ours.

    ``seed`` and ``bins`` (B, h, w) may be coarser than the mask. ``counts`` (B, 1000) each are the result of
    ``colour_counts`` if already known; only "fame" uses them. Returns (B, size_px, size_px) in [0, 1].
    """
    match variant:
        case "fame" if counts is not None:
            return _by_colour(bins, *counts, size_px)
        case "fame":
            return _fame(seed, bins, size_px)
        case "seed":
            return rescale(blur(_resize(seed, size_px)))
        case "joint":
            return _joint(seed, bins, size_px)
        case "grid":
            return _grid(seed, size_px)
        case "gauss":
            return _gauss(size_px, seed.device).expand(len(seed), -1, -1)


def _fame(seed: Tensor, bins: Tensor, size_px: int) -> Tensor:
    # The published code also rescales the blurred seed; only its order matters here, which that keeps.
    if compilable(seed) and seed.shape[1:] == (size_px, size_px):
        mask, weights = torch.empty(seed.shape), kernels.blur_weights(size_px, size_px)
        most, least = math.floor(FOREGROUND_SHARE * size_px**2), math.floor(BACKGROUND_SHARE * size_px**2)
        maps = seed.contiguous().numpy(), rows_of(bins)
        kernels.fame(*maps, weights, most, least, ROUNDING_SHARE, mask.numpy())
        return mask
    return _by_colour(bins, *colour_counts(blur(seed), bins), size_px)


def _by_colour(bins: Tensor, foreground: Tensor, background: Tensor, size_px: int) -> Tensor:
    return rescale(blur(_resize(colour_posterior(bins, foreground, background), size_px)))


def _joint(seed: Tensor, bins: Tensor, size_px: int) -> Tensor:
    # Colour alone forgets where the motion was; the product keeps what both support (docs/masks.md).
    shares = JOINT_FOREGROUND_SHARE, JOINT_BACKGROUND_SHARE
    posterior = colour_posterior(bins, *colour_counts(blur(seed), bins, *shares))
    return rescale(blur(_resize(seed, size_px)) * blur(_resize(posterior, size_px)).sqrt())


def _grid(seed: Tensor, size_px: int) -> Tensor:
    # Ranks of the cells instead of their sums: with equal sums (black bars), whole cells are kept.
    # Means rank cells as sums do; if four does not divide the side, neighbouring cells share a line.
    cells = adaptive_avg_pool2d(seed.unsqueeze(1), GRID_CELLS)
    by_sum = cells.flatten(1).argsort(dim=1, descending=True, stable=True)
    ranks = by_sum.argsort(dim=1).view_as(cells)
    last = GRID_CELLS**2 - 1
    return interpolate((last - ranks) / last, size=(size_px, size_px)).squeeze(1)


def _gauss(size_px: int, device: torch.device) -> Tensor:
    offset = torch.arange(size_px, device=device) - (size_px - 1) / 2
    bell = torch.exp(-((offset / (GAUSS_SIGMA_SHARE * size_px)) ** 2) / 2)
    return bell[:, None] * bell


def _resize(maps: Tensor, size_px: int) -> Tensor:
    if maps.shape[-2:] == (size_px, size_px):
        return maps
    size = (size_px, size_px)
    return interpolate(maps.unsqueeze(1), size=size, mode="bilinear", align_corners=False).squeeze(1)


def top_share(soft_mask: Tensor, beta: float) -> Tensor:
    """Hard mask: the ⌊β·H·W⌋ largest pixels of each soft mask (Eq. 4).

    Ties go to the first pixels in row-major order.

    ``soft_mask`` (B, H, W), ``beta`` in [0, 1]. Returns (B, H, W) bool, exactly ⌊β·H·W⌋ True in each.
    """
    pixels = soft_mask.shape[1] * soft_mask.shape[2]
    # 0.29 · 100 is 28.999… in binary; the paper's ⌊·⌋ refers to the decimal number.
    return top_pixels(soft_mask, math.floor(beta * pixels + 1e-6))
