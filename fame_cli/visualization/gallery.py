"""Retrieval for the eye: each query beside its nearest neighbours."""

from collections.abc import Sequence
from dataclasses import dataclass

from fame_cli.visualization.pictures import RGB, Picture
from fame_cli.visualization.sheet import SheetRow, Tile, draw_sheet


@dataclass(frozen=True)
class GalleryNeighbour:
    """A retrieved video, by one frame (H, W, 3), and its cosine similarity to the query."""

    frame: Picture
    label: str
    similarity: float


@dataclass(frozen=True)
class GalleryQuery:
    """A query video, by one frame (H, W, 3), and its neighbours, nearest first."""

    caption: str
    frame: Picture
    label: str
    neighbours: Sequence[GalleryNeighbour]


def retrieval_gallery(queries: Sequence[GalleryQuery], *, heading: str = "Nearest neighbours") -> RGB:
    """A row a query; a neighbour of its class has a green frame and a tick, others red and a cross."""
    nearest = max(len(query.neighbours) for query in queries)
    return draw_sheet(
        [_row(query) for query in queries],
        ["query", *(f"nearest {rank}" for rank in range(1, nearest + 1))],
        heading=heading,
        explanation="Green with a tick: same class as the query. Red with a cross: another class. "
        "The number is the cosine similarity.",
        tile_height_px=112,
    )


def _row(query: GalleryQuery) -> SheetRow:
    tiles = [Tile(query.frame, query.label)]
    for neighbour in query.neighbours:
        note = f"{neighbour.label}\n{neighbour.similarity:.3f}"
        tiles.append(Tile(neighbour.frame, note, "right" if neighbour.label == query.label else "wrong"))
    return SheetRow(query.caption, tiles)
