"""Masks as image files, of any source: what the values of their pixels mean."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fame_cli.data.picture import Frame
from fame_cli.errors import InputError

Array = np.ndarray[Any, np.dtype[Any]]

MODES = ("1", "L", "LA", "P", "RGB", "RGBA")
"""Supported Pillow image modes: at most 8 bits per channel."""
IGNORED_LEVELS = (85, 170)
"""Grey levels of SBI and CDnet: outside the region of interest, and unknown (borders of moving objects)."""
LABELS_BELOW = 50
"""A grey mask with only lower values contains object numbers (0, 1, 2 …) instead of grey levels."""


def read_frame(path: Path) -> Frame:
    """An image as (H, W, 3) uint8 RGB; raises InputError if it cannot be read."""
    try:
        with Image.open(path) as image:
            if image.mode in MODES:
                return np.asarray(image.convert("RGB"))
            found = image.mode
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} is not a readable image: {error}.") from error
    raise InputError(f"{path} is an image of mode {found}; expected 8 bits a channel: {', '.join(MODES)}.")


def read_mask(path: Path) -> tuple[Array, Array]:
    """The object's pixels and the pixels to ignore: two (H, W) bool.

    In a grey mask, values above 127 are object, 170 and 85 are ignored (SBI, CDnet), and everything else is
    background, including CDnet's 50, a shadow. A grey mask with no value of 50 or more contains object
    numbers: every number except 0 is object. In a coloured mask, such as DAVIS 2017 with its palette,
    everything except black is object. A mask counts as grey by its displayed colours, so a grey palette is
    grey.
    """
    colours = read_frame(path)
    level: Array = colours[..., 0]
    nothing: Array = np.zeros(level.shape, bool)
    if (colours != level[..., None]).any():
        return np.any(colours, axis=-1), nothing
    if level.max() < LABELS_BELOW:
        return np.greater(level, 0), nothing
    ignored = np.isin(level, IGNORED_LEVELS)
    return np.greater(level, 127) & ~ignored, ignored
