"""Masks as image files, of any source: what the values of their pixels mean."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fame_cli.data.picture import Frame
from fame_cli.errors import InputError

Array = np.ndarray[Any, np.dtype[Any]]

MODES = ("1", "L", "LA", "P", "RGB", "RGBA")
"""Kinds of images, as Pillow names them, that are read: 8 bits a channel at most."""
IGNORED_LEVELS = (85, 170)
"""Gray levels of SBI and CDnet: outside the region of interest, and unknown (a moving thing's border)."""
LABELS_BELOW = 50
"""A gray mask without any value from here on holds numbers of objects (0, 1, 2 …) rather than gray levels."""


def read_frame(path: Path) -> Frame:
    """An image as (H, W, 3) uint8 RGB; raises InputError where it cannot be read."""
    try:
        with Image.open(path) as image:
            if image.mode in MODES:
                return np.asarray(image.convert("RGB"))
            found = image.mode
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} is not a readable image: {error}.") from error
    raise InputError(f"{path} is an image of mode {found}; expected 8 bits a channel: {', '.join(MODES)}.")


def read_mask(path: Path) -> tuple[Array, Array]:
    """Where the object is, and which pixels are to be ignored: two (H, W) bool.

    A gray mask: above 127 is object, 170 and 85 are ignored (SBI, CDnet), anything else is background, also
    CDnet's 50, a shadow. A gray mask with no value of 50 or more holds numbers of objects: each but 0 is
    object. A coloured one, such as DAVIS 2017 with its palette: everything but black is object. Whether a
    mask is gray is told by its pixels as they look, so a palette of grays is gray.
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
