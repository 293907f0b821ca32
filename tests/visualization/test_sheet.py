"""Tiles, texts and marks of a sheet stand where they must, checked pixel by pixel."""

import numpy as np
import pytest

from fame_cli.visualization.sheet import (
    BADGE_PX,
    BORDER_PX,
    GAP_PX,
    MARGIN_PX,
    MARK_COLORS,
    SheetRow,
    Tile,
    draw_sheet,
)

pytestmark = pytest.mark.libraries

BLUE = (0, 0, 250)
NAVY = (0, 0, 120)


def plain(height: int, width: int, color: tuple[int, int, int] = BLUE) -> np.ndarray:
    return np.full((height, width, 3), color, dtype=np.uint8)


def box(sheet: np.ndarray, color: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Top, left, bottom and right (inclusive) of all pixels of one colour."""
    rows, columns = np.nonzero((sheet == color).all(axis=2))
    return int(rows.min()), int(columns.min()), int(rows.max()), int(columns.max())


def ink(sheet: np.ndarray) -> np.ndarray:
    """Where something other than paper is."""
    return (sheet != 255).any(axis=2)


def test_tiles_without_any_text_stand_between_even_margins() -> None:
    sheet = draw_sheet([SheetRow("", [plain(10, 20), plain(40, 40, NAVY)])], tile_height_px=30)
    assert sheet.dtype == np.uint8
    assert sheet.shape == (30 + 2 * MARGIN_PX, 60 + GAP_PX + 30 + 2 * MARGIN_PX, 3)
    assert box(sheet, BLUE) == (MARGIN_PX, MARGIN_PX, MARGIN_PX + 29, MARGIN_PX + 59)
    assert box(sheet, NAVY)[1] == MARGIN_PX + 60 + GAP_PX


def test_gray_bool_and_float_tiles_of_any_size_share_a_sheet() -> None:
    tiles = [np.zeros((3, 7), np.uint8), np.ones((200, 10), bool), np.full((9, 9), 0.5)]
    sheet = draw_sheet([SheetRow("mixed", tiles)], ["a", "b", "c"])
    assert sheet.ndim == 3


def test_a_narrower_tile_is_centred_in_its_column() -> None:
    rows = [SheetRow("", [plain(50, 100, NAVY)]), SheetRow("", [plain(50, 20)])]
    sheet = draw_sheet(rows, tile_height_px=50)
    assert box(sheet, BLUE)[1] == MARGIN_PX + 40


def test_a_short_row_leaves_its_last_columns_blank() -> None:
    rows = [SheetRow("", [plain(10, 10), plain(10, 10, NAVY)]), SheetRow("", [plain(10, 10)])]
    sheet = draw_sheet(rows, tile_height_px=20)
    assert box(sheet, NAVY)[2] == MARGIN_PX + 19
    assert box(sheet, BLUE)[2] == MARGIN_PX + 19 + 20 + GAP_PX


def test_captions_stand_left_of_all_tiles_and_titles_above() -> None:
    bare = draw_sheet([SheetRow("", [plain(40, 40)])])
    sheet = draw_sheet([SheetRow("a caption\nand its second line", [plain(40, 40)])], ["title"])
    top, left, bottom, right = box(sheet, BLUE)
    assert sheet.shape[0] > bare.shape[0]
    assert sheet.shape[1] > bare.shape[1]
    assert ink(sheet)[:top, left : right + 1].any()
    assert ink(sheet)[top : bottom + 1, MARGIN_PX : left - GAP_PX].any()
    assert not ink(sheet)[:, left - GAP_PX : left].any()


def test_a_note_stands_beneath_its_tile() -> None:
    sheet = draw_sheet([SheetRow("", [Tile(plain(40, 80), "a note")])])
    _, left, bottom, right = box(sheet, BLUE)
    assert ink(sheet)[bottom + 1 :, left : right + 1].any()


@pytest.mark.parametrize(
    "text", ["x" * 300, "many words " * 60, "日本語 " * 20, "bad\udcff\x00 name", "\n\n"]
)
def test_no_text_reaches_into_the_margin(text: str) -> None:
    tiles = [Tile(plain(30, 60), text, "right"), Tile(plain(30, 30), text)]
    sheet = draw_sheet([SheetRow(text, tiles)] * 2, [text, text], heading=text, explanation=text)
    edge = MARGIN_PX - 2
    inner = ink(sheet)
    inner[edge:-edge, edge:-edge] = False
    assert not inner.any()


def test_a_tall_caption_makes_its_row_taller_and_touches_no_other() -> None:
    rows = [SheetRow("\n".join("abcdef"), [plain(10, 10, NAVY)]), SheetRow("", [plain(10, 10)])]
    sheet = draw_sheet(rows, tile_height_px=20)
    assert box(sheet, BLUE)[0] > box(sheet, NAVY)[2] + 60


def test_marks_frame_the_tile_on_all_four_sides_outside_its_pixels() -> None:
    for mark, color in MARK_COLORS.items():
        sheet = draw_sheet([SheetRow("", [Tile(plain(60, 60), mark=mark)])], tile_height_px=60)
        top, left, bottom, right = box(sheet, color)
        assert (top, left) == (MARGIN_PX, MARGIN_PX)
        assert (bottom - top, right - left) == (59 + 2 * BORDER_PX, 59 + 2 * BORDER_PX)
        inside = box(sheet, BLUE)
        assert inside == (top + BORDER_PX, left + BORDER_PX, bottom - BORDER_PX, right - BORDER_PX)


def badge(sheet: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    """Where the badge in the right upper corner is white."""
    top, _, _, right = box(sheet, color)
    corner = sheet[top + BORDER_PX : top + BORDER_PX + BADGE_PX, right - BORDER_PX - BADGE_PX + 1 : right - 4]
    return (corner == 255).all(axis=2)


def test_right_and_wrong_differ_in_shape_and_not_only_in_colour() -> None:
    signs = {}
    for mark, color in MARK_COLORS.items():
        sheet = draw_sheet([SheetRow("", [Tile(plain(60, 60), mark=mark)])], tile_height_px=60)
        signs[mark] = badge(sheet, color)
    tick, cross = signs["right"], signs["wrong"]
    assert tick.any()
    assert cross[5, 5]
    assert cross[5, 16]
    assert cross[16, 5]
    assert cross[10, 10]
    assert tick[15, 9]
    assert not tick[5, 5]


def test_the_same_texts_give_the_same_size_whatever_the_pixels() -> None:
    first = draw_sheet([SheetRow("clip", [plain(10, 10)])], ["frame"])
    second = draw_sheet([SheetRow("clip", [plain(10, 10, NAVY)])], ["frame"])
    assert first.shape == second.shape
