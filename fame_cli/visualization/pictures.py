"""Pictures as arrays: conversion, colour maps, overlays and film strips; PNG and GIF files.

A picture is (H, W) or (H, W, 3): uint8, bool, or floating-point in [0, 1]. What comes back is RGB uint8.
"""

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fame_cli import record
from fame_cli.disk import write_whole
from fame_cli.errors import ArtefactError

Picture = NDArray[Any]
RGB = NDArray[np.uint8]


def to_rgb(picture: Picture) -> RGB:
    """A gray or colour picture of any of the three types as RGB uint8 (H, W, 3)."""
    if picture.dtype == np.bool_:
        picture = picture.astype(np.uint8) * np.uint8(255)
    elif picture.dtype != np.uint8:
        picture = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=2)
    assert picture.ndim == 3, picture.shape
    assert picture.shape[2] == 3, picture.shape
    return np.ascontiguousarray(picture)


def resize(picture: Picture, height: int, width: int) -> Picture:
    """Resize by area when shrinking and bilinearly when enlarging."""
    shrinks = height < picture.shape[0]
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def rescale(maps: Picture) -> NDArray[np.float32]:
    """Min-max to [0, 1] over the whole array; a constant array becomes zeros."""
    maps = np.asarray(maps, dtype=np.float32)
    if not np.isfinite(maps).all():
        raise ArtefactError(
            "A map to be drawn holds values that are not finite.",
            "The network that made it has probably diverged: look at the curve of its loss.",
        )
    low, high = maps.min(), maps.max()
    return (maps - low) / (high - low) if high > low else np.zeros_like(maps)


def heat(unit_map: Picture) -> RGB:
    """Colour a map (H, W) in [0, 1]: dark blue is 0, over green and yellow, dark red is 1."""
    gray = np.rint(np.clip(unit_map, 0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(cv2.applyColorMap(gray, cv2.COLORMAP_TURBO)[..., ::-1])


def overlay(picture: Picture, unit_map: Picture, strength: float = 0.7) -> RGB:
    """Lay the colours of a map (h, w) in [0, 1] over a picture (H, W[, 3]); the map is resized to it.

    The picture turns gray, so that every colour seen is the map's; and the colours are the stronger the
    higher the map (a fifth of ``strength`` at 0, all of it at 1), so that the rest stays recognisable.
    """
    rgb = to_rgb(picture)
    height, width = rgb.shape[:2]
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None]
    fitted = np.clip(resize(np.asarray(unit_map, dtype=np.float32), height, width), 0, 1)
    share = strength * (0.2 + 0.8 * fitted[..., None])
    return np.rint(gray * (1 - share) + heat(fitted) * share).astype(np.uint8)


def strip(frames: Picture, count: int) -> RGB:
    """``count`` frames of (T, H, W, 3), evenly from first to last (one: the middle), beside each other."""
    T, H = frames.shape[:2]
    chosen = [T // 2] if count == 1 else np.rint(np.linspace(0, T - 1, min(count, T))).astype(int)
    gap = np.full((H, max(1, H // 40), 3), 255, dtype=np.uint8)
    parts = [part for index in chosen for part in (to_rgb(frames[index]), gap)]
    return np.concatenate(parts[:-1], axis=1)


def save_png(path: Path, picture: Picture) -> None:
    data = io.BytesIO()
    Image.fromarray(to_rgb(picture)).save(data, format="PNG", optimize=True)
    write_whole(path, data.getvalue())
    record.sign_in_its_run(path)


def save_gif(path: Path, frames: Picture, fps: float) -> None:
    """Write frames (N, H, W, 3) as an endless GIF with one palette, so that colours do not flicker.

    GIF counts time in 1/100 s and browsers slow anything below 2/100 s down, so that is the shortest frame.
    Equal neighbouring frames are stored once and shown longer.
    """
    hundredths = max(2, round(100 / fps))
    first, *others = _to_palette([to_rgb(frame) for frame in frames])
    data = io.BytesIO()
    first.save(data, format="GIF", save_all=True, append_images=others, duration=10 * hundredths, loop=0)
    write_whole(path, data.getvalue())
    record.sign_in_its_run(path)


def _to_palette(frames: list[RGB]) -> list[Image.Image]:
    """The frames in 255 colours shared by all, and a pure white (which a palette of means would tint)."""
    sample = Image.fromarray(np.concatenate(frames[:: max(1, len(frames) // 4)])).quantize(255)
    colors = (sample.getpalette() or [])[: 3 * 255]
    colors += [0] * (3 * 255 - len(colors)) + [255] * 3
    images = []
    for frame in frames:
        indices = np.array(Image.fromarray(frame).quantize(palette=sample, dither=Image.Dither.NONE))
        indices[(frame == 255).all(axis=2)] = 255
        images.append(Image.fromarray(indices))
        images[-1].putpalette(colors)
    return images
