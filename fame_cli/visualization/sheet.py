"""The sheet that all pictures are drawn on: rows of tiles under titles, with captions and marks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw

from fame_cli.visualization.pictures import RGB, Picture, resize, to_rgb
from fame_cli.visualization.text import FAINT_INK, INK, line_height, text_width, wrap, write

Mark = Literal["right", "wrong"]

PAPER = (255, 255, 255)
MARK_COLORS = {"right": (0, 140, 70), "wrong": (205, 40, 40)}
MARGIN_PX = 16
GAP_PX = 10
BORDER_PX = 5
BADGE_PX = 22
CAPTION_WIDTH_PX = 230
HEADING_PX, TITLE_PX, CAPTION_PX, NOTE_PX = 18, 15, 14, 13


@dataclass(frozen=True)
class Tile:
    """A picture with an optional note beneath and an optional mark (frame and sign) around it."""

    picture: Picture
    note: str = ""
    mark: Mark | None = None


@dataclass(frozen=True)
class SheetRow:
    """A caption at the left and its tiles; a row may have fewer tiles than the sheet has columns."""

    caption: str
    tiles: Sequence[Tile | Picture]


@dataclass(frozen=True)
class _Columns:
    """Where the columns of a sheet stand."""

    lefts: Sequence[int]
    widths: Sequence[int]
    border_px: int

    @property
    def sheet_width(self) -> int:
        return self.lefts[-1] + self.widths[-1] + MARGIN_PX


def draw_sheet(
    rows: Sequence[SheetRow],
    titles: Sequence[str] = (),
    *,
    heading: str = "",
    explanation: str = "",
    tile_height_px: int = 128,
) -> RGB:
    """Draw rows of tiles, all scaled to one height, and return the sheet (H, W, 3).

    ``titles`` stand above the columns; ``heading`` and ``explanation`` above everything. Text that does not
    fit is wrapped, then shortened: at its end, or in its middle where it names a video, as captions do. The
    size depends on texts and tile sizes alone, so sheets
    of the frames of one clip can be played as an animation.
    """
    assert any(len(row.tiles) for row in rows), "a sheet has at least one tile"
    table = [[_scale_tile(tile, tile_height_px) for tile in row.tiles] for row in rows]
    captions = [wrap(row.caption, CAPTION_WIDTH_PX, CAPTION_PX, 6, at="middle") for row in rows]
    columns = _columns(table, captions)
    bands = [
        _text_band(heading, columns, HEADING_PX, INK),
        _text_band(explanation, columns, CAPTION_PX, FAINT_INK),
    ]
    if heading or explanation:
        bands.append(_blank(columns, GAP_PX))
    bands.append(_title_band(titles, columns))
    for caption, tiles in zip(captions, table, strict=True):
        bands += [_row_band(caption, tiles, columns, tile_height_px), _blank(columns, GAP_PX)]
    return np.concatenate([_blank(columns, MARGIN_PX), *bands, _blank(columns, MARGIN_PX - GAP_PX)])


def _scale_tile(tile: Tile | Picture, height: int) -> Tile:
    tile = tile if isinstance(tile, Tile) else Tile(tile)
    rgb = to_rgb(tile.picture)
    width = max(1, round(rgb.shape[1] * height / rgb.shape[0]))
    return replace(tile, picture=resize(rgb, height, width))


def _columns(table: Sequence[Sequence[Tile]], captions: Sequence[Sequence[str]]) -> _Columns:
    border_px = BORDER_PX if any(tile.mark for tiles in table for tile in tiles) else 0
    widths = [
        2 * border_px + max(tiles[column].picture.shape[1] for tiles in table if column < len(tiles))
        for column in range(max(map(len, table)))
    ]
    caption_width = max((text_width(line, CAPTION_PX) for lines in captions for line in lines), default=0)
    first = MARGIN_PX + (caption_width + GAP_PX if caption_width else 0)
    lefts = [first + sum(widths[:column]) + GAP_PX * column for column in range(len(widths))]
    return _Columns(lefts, widths, border_px)


def _blank(columns: _Columns, height: int) -> RGB:
    return np.full((height, columns.sheet_width, 3), PAPER, dtype=np.uint8)


def _text_band(text: str, columns: _Columns, size_px: int, color: tuple[int, int, int]) -> RGB:
    bold = size_px == HEADING_PX
    lines = wrap(text, columns.sheet_width - 2 * MARGIN_PX, size_px, 6, bold=bold)
    band = Image.fromarray(_blank(columns, len(lines) * line_height(size_px)))
    write(ImageDraw.Draw(band), lines, (MARGIN_PX, 0), size_px, bold=bold, color=color)
    return np.asarray(band)


def _title_band(titles: Sequence[str], columns: _Columns) -> RGB:
    wrapped = [
        wrap(title, width, TITLE_PX, 3, bold=True)
        for title, width in zip(titles, columns.widths, strict=False)
    ]
    most = max(map(len, wrapped), default=0)
    band = Image.fromarray(_blank(columns, most * line_height(TITLE_PX) + (4 if most else 0)))
    for lines, left, width in zip(wrapped, columns.lefts, columns.widths, strict=False):
        top = (most - len(lines)) * line_height(TITLE_PX)
        write(ImageDraw.Draw(band), lines, (left + width // 2, top), TITLE_PX, centred=True, bold=True)
    return np.asarray(band)


def _row_band(caption: Sequence[str], tiles: Sequence[Tile], columns: _Columns, tile_height: int) -> RGB:
    notes = [wrap(tile.note, width, NOTE_PX, 3) for tile, width in zip(tiles, columns.widths, strict=False)]
    framed_height = tile_height + 2 * columns.border_px
    note_height = max(map(len, notes), default=0) * line_height(NOTE_PX)
    caption_height = len(caption) * line_height(CAPTION_PX)
    band = Image.fromarray(_blank(columns, max(framed_height + note_height, caption_height)))
    draw = ImageDraw.Draw(band)
    write(draw, caption, (MARGIN_PX, max(0, framed_height - caption_height) // 2), CAPTION_PX)
    for tile, note, left, width in zip(tiles, notes, columns.lefts, columns.widths, strict=False):
        tile_left = left + (width - tile.picture.shape[1]) // 2
        band.paste(Image.fromarray(tile.picture), (tile_left, columns.border_px))
        if tile.mark:
            _draw_mark(draw, tile, tile.mark, tile_left, columns.border_px)
        write(draw, note, (left + width // 2, framed_height + 1), NOTE_PX, centred=True)
    return np.asarray(band)


def _draw_mark(draw: ImageDraw.ImageDraw, tile: Tile, mark: Mark, left: int, top: int) -> None:
    """Frame the tile and put a badge into its right upper corner: a tick or a cross, drawn as lines."""
    height, width = tile.picture.shape[:2]
    color = MARK_COLORS[mark]
    right, bottom = left + width - 1, top + height - 1
    draw.rectangle(
        (left - BORDER_PX, top - BORDER_PX, right + BORDER_PX, bottom + BORDER_PX),
        outline=color,
        width=BORDER_PX,
    )
    badge_left = right - BADGE_PX + 1
    draw.rectangle((badge_left, top, right, top + BADGE_PX - 1), fill=color)
    tick = [[(4, 11), (9, 16), (18, 5)]]
    cross = [[(5, 5), (16, 16)], [(16, 5), (5, 16)]]
    for line in tick if mark == "right" else cross:
        draw.line([(badge_left + x, top + y) for x, y in line], fill=PAPER, width=3, joint="curve")
