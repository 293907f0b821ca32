"""FAME pixel by pixel, as the paper has it (Ding et al. 2022, section 3.2), in plain Python and float64.

Blur, rounding of colours and the +1 on background bins are the published code's; the paper leaves them out.
"""

import colorsys
import math

import numpy as np


def seed_region(clip):
    C, T, H, W = clip.shape
    seed = np.zeros((H, W))
    for i in range(H):
        for j in range(W):
            for c in range(C):
                for t in range(T - 1):
                    seed[i, j] += abs(clip[c, t + 1, i, j] - clip[c, t, i, j])
            seed[i, j] /= T - 1
    return seed


def mean_image(clip):
    return sum(clip[:, t] for t in range(clip.shape[1])) / clip.shape[1]


def colour_bins(image):
    _, H, W = image.shape
    bins = np.zeros((H, W), dtype=int)
    for i in range(H):
        for j in range(W):
            h, s, v = colorsys.rgb_to_hsv(*image[:, i, j])
            x = (s * math.cos(2 * math.pi * h) + 1) / 2
            y = (s * math.sin(2 * math.pi * h) + 1) / 2
            levels = [round(9 * level + 1) - 1 for level in (x, y, v)]
            bins[i, j] = levels[0] + 10 * levels[1] + 100 * levels[2]
    return bins


def row_major_ranking(values):
    """Pixel numbers from the greatest value to the least, equal ones in row-major order."""
    flat = values.ravel().tolist()
    return sorted(range(len(flat)), key=lambda pixel: (-flat[pixel], pixel))


def colour_counts(seed, bins):
    ranking, colours = row_major_ranking(seed), bins.ravel()
    foreground, background = np.zeros(1000), np.zeros(1000)
    for pixel in ranking[: int(0.5 * len(ranking))]:
        foreground[colours[pixel]] += 1
    for pixel in ranking[len(ranking) - int(0.1 * len(ranking)) :]:
        background[colours[pixel]] += 1
    return foreground, background


def posterior(bins, foreground, background):
    likelihood = np.zeros(bins.shape)
    for i, j in np.ndindex(bins.shape):
        x = bins[i, j]
        in_foreground = foreground[x] / foreground.sum()
        in_background = (background[x] + 1) / (background + 1).sum()
        likelihood[i, j] = in_foreground / (in_foreground + in_background)
    return likelihood


def reflect(position, length):
    if position < 0:
        return -position
    return 2 * (length - 1) - position if position >= length else position


def blur(values):
    H, W = values.shape
    taps = int(0.1 * min(H, W)) // 2 * 2 + 1
    radius, sigma = taps // 2, taps / 3
    blurred = np.zeros((H, W))
    for i, j in np.ndindex(H, W):
        total = weights = 0.0
        for di in range(-radius, radius + 1):
            for dj in range(-radius, radius + 1):
                weight = math.exp(-(di**2 + dj**2) / (2 * sigma**2))
                total += weight * values[reflect(i + di, H), reflect(j + dj, W)]
                weights += weight
        blurred[i, j] = total / weights
    return blurred


def rescale(values):
    return (values - values.min()) / (values.max() - values.min())


def soft_mask(clip):
    seed, bins = rescale(blur(seed_region(clip))), colour_bins(mean_image(clip))
    return rescale(blur(posterior(bins, *colour_counts(seed, bins))))


def hard_mask(values, beta):
    mask = np.zeros(values.size, dtype=bool)
    mask[row_major_ranking(values)[: int(beta * values.size)]] = True
    return mask.reshape(values.shape)
