"""Text on pictures: measured, wrapped, shortened and drawn, in a font that carries more than Latin."""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from math import ceil
from pathlib import Path
from typing import Literal

import matplotlib
from PIL import ImageDraw, ImageFont

INK = (28, 28, 32)
FAINT_INK = (92, 92, 100)

JOINER = "\N{ZERO WIDTH JOINER}"

Cut = Literal["middle", "end"]
"""What of a text is left out where all of it has no room: of files and folders the middle, since many of a
kind differ at their end; of classes and all else the end."""


def printable(text: str) -> str:
    """The text with � for what no font draws and no encoding carries; only plain spaces and line breaks."""
    return "".join(
        sign if sign.isprintable() or sign == "\n" else " " if sign.isspace() else "\N{REPLACEMENT CHARACTER}"
        for sign in text.expandtabs(4)
    )


def on_one_line(text: str) -> str:
    return text.replace("\n", " ")


def text_width(text: str, size_px: int, *, bold: bool = False) -> int:
    return ceil(_font(size_px, bold).getlength(on_one_line(text)))


def line_height(size_px: int) -> int:
    return round(1.35 * size_px)


def shorten(text: str, width_px: int, size_px: int, *, bold: bool = False, at: Cut = "middle") -> str:
    """One line of the text, with "…" for what has no room in ``width_px`` with letters of ``size_px``."""
    text = on_one_line(text)
    if text_width(text, size_px, bold=bold) <= width_px:
        return text
    letters = split_letters(text)

    def cut(keep: int) -> str:
        before = keep if at == "end" else (keep + 1) // 2
        return "".join([*letters[:before], "…", *letters[len(letters) - keep + before :]])

    fitting = bisect_right(
        range(len(letters)), width_px, key=lambda keep: text_width(cut(keep), size_px, bold=bold)
    )
    return cut(max(1, fitting - 1))


def split_letters(text: str) -> list[str]:
    """The letters of a text, each with the accents and joined signs that are written after it."""
    letters: list[str] = []
    for sign in text:
        joins = unicodedata.combining(sign) or unicodedata.category(sign) in ("Mn", "Me", "Cf")
        if letters and (joins or letters[-1].endswith(JOINER)):
            letters[-1] += sign
        else:
            letters.append(sign)
    return letters


def wrap(
    text: str, width_px: int, size_px: int, most: int, *, bold: bool = False, at: Cut | None = None
) -> list[str]:
    """Wrap at spaces into at most ``most`` lines.

    A line that is still too wide is cut at ``at``: by default in the middle where it is the path of a file.
    """
    lines: list[str] = []
    for part in printable(text).splitlines():
        line = ""
        for word in part.split():
            longer = f"{line} {word}".strip()
            if line and text_width(longer, size_px, bold=bold) > width_px:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    if len(lines) > most:
        lines[most - 1 :] = [" ".join(lines[most - 1 :])]
    return [shorten(line, width_px, size_px, bold=bold, at=at or cut_of(line)) for line in lines]


def cut_of(line: str) -> Cut:
    return "middle" if "/" in line or re.search(r"\.\w{2,4}$", line) else "end"


def write(
    draw: ImageDraw.ImageDraw,
    lines: Sequence[str],
    corner: tuple[int, int],
    size_px: int,
    *,
    centred: bool = False,
    bold: bool = False,
    color: tuple[int, int, int] = INK,
) -> None:
    """Draw lines under each other; ``corner`` is the left top, or the middle top where ``centred``."""
    x, y = corner
    for number, line in enumerate(lines):
        place = (x, y + number * line_height(size_px))
        draw.text(place, line, fill=color, font=_font(size_px, bold), anchor="ma" if centred else "la")


@lru_cache
def _font(size_px: int, bold: bool) -> ImageFont.FreeTypeFont:
    # Matplotlib carries DejaVu Sans, which has Greek, Cyrillic and Arabic; Pillow's own font is Latin only.
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", name), size_px)
