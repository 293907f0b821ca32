"""The gallery frames the right neighbours green with a tick and the wrong ones red with a cross."""

import numpy as np

from fame_cli.visualization.gallery import GalleryNeighbour, GalleryQuery, retrieval_gallery
from fame_cli.visualization.sheet import BORDER_PX, MARK_COLORS


def frame(level: int) -> np.ndarray:
    return np.full((20, 20, 3), (level, level, 255 - level), dtype=np.uint8)


def left_edges(sheet: np.ndarray, color: tuple[int, int, int]) -> list[int]:
    """Left columns of the vertical frame lines of a colour, one for each framed tile."""
    tall = (sheet == color).all(axis=2).sum(axis=0) >= 112 + 2 * BORDER_PX
    starts = np.flatnonzero(tall & ~np.roll(tall, 1))
    return [int(start) for start in starts[::2]]


def test_neighbours_stand_in_order_and_are_marked_by_their_label() -> None:
    neighbours = [GalleryNeighbour(frame(30), "run", 0.9), GalleryNeighbour(frame(60), "jump", 0.8)]
    sheet = retrieval_gallery([GalleryQuery("query one", frame(90), "run", neighbours)])
    (right,) = left_edges(sheet, MARK_COLORS["right"])
    (wrong,) = left_edges(sheet, MARK_COLORS["wrong"])
    assert right < wrong
    assert (sheet[:, right + BORDER_PX + 5] == (30, 30, 225)).all(axis=1).any()
    assert (sheet[:, wrong + BORDER_PX + 5] == (60, 60, 195)).all(axis=1).any()


def test_the_query_itself_is_not_marked() -> None:
    sheet = retrieval_gallery(
        [GalleryQuery("q", frame(90), "run", [GalleryNeighbour(frame(30), "jump", 0.1)])]
    )
    query_columns = np.flatnonzero((sheet == (90, 90, 165)).all(axis=2).any(axis=0))
    beside = sheet[:, query_columns[0] - BORDER_PX : query_columns[0]]
    for color in MARK_COLORS.values():
        assert not (beside == color).all(axis=2).any()


def test_queries_may_have_different_numbers_of_neighbours() -> None:
    few = GalleryQuery("few", frame(10), "run", [GalleryNeighbour(frame(20), "run", 0.5)])
    many = GalleryQuery("many", frame(30), "run", [GalleryNeighbour(frame(40), "run", 0.5)] * 4)
    assert retrieval_gallery([few, many]).shape[1] == retrieval_gallery([many, many]).shape[1]


def test_labels_and_similarities_are_written() -> None:
    first = retrieval_gallery(
        [GalleryQuery("q", frame(10), "run", [GalleryNeighbour(frame(20), "run", 0.123)])]
    )
    second = retrieval_gallery(
        [GalleryQuery("q", frame(10), "run", [GalleryNeighbour(frame(20), "run", 0.987)])]
    )
    assert not np.array_equal(first, second)
