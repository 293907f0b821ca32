"""One HTML page that carries everything with it: pictures and styles inside, nothing is fetched."""

import base64
import io
import itertools
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from fame_cli import record
from fame_cli.disk import write_whole
from fame_cli.errors import ArtefactError
from fame_cli.visualization.charts import SCREEN_DPI
from fame_cli.visualization.page import PAGE, STYLE
from fame_cli.visualization.text import printable

MEDIA_TYPES = {b"\x89PNG": "image/png", b"GIF8": "image/gif"}
_ONE = r"[-+−]?\d[\d.,]*(e[-+]?\d+)?"
NUMBER = re.compile(rf"{_ONE}( ?± ?{_ONE})?( ?%)?( – {_ONE})?( \({_ONE}( ?– ?| to ){_ONE}\))?|–|")
"""A number with its exponent, spread or unit, an interval, both, or the sign that there is none."""
MANY_COLUMNS = 4
"""From this many on, a table is a list on a phone."""
LONG_WORD = 20
AGAIN = "Draw it again, then the report."


@dataclass(frozen=True)
class Text:
    """Paragraphs, parted by empty lines."""

    text: str


@dataclass(frozen=True)
class Table:
    """A table whose first column names its rows; cells are written as they are, numbers to the right."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""


@dataclass(frozen=True)
class PagePicture:
    """A PNG or GIF file with the caption beneath it; ``description`` is for those who cannot see it.

    A chart, which has colours on white and no photograph, turns dark with a dark page.
    """

    path: Path
    caption: str
    description: str = ""
    chart: bool = False


@dataclass(frozen=True)
class SideBySide:
    """Pictures beside each other, as many as there is room for, with what is to be seen in all of them."""

    pictures: Sequence[PagePicture]
    caption: str = ""


@dataclass(frozen=True)
class Code:
    """Commands or other text to be copied, kept as it is."""

    text: str


Block = Text | Table | PagePicture | SideBySide | Code


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    heading: str
    blocks: Sequence[Block]


def written_by(command: str) -> str:
    """When and by which version and command a page is written, for its top."""
    from fame_cli import __version__

    return f"Written {time.strftime('%Y-%m-%d %H:%M')} by fame {__version__}: {command}"


def write_report(path: Path, title: str, sections: Sequence[Section], about: str = "") -> None:
    """Write a self-contained page with a list of its sections at the top, and ``about`` the page above it."""
    links = "".join(
        f'<a href="#section-{number}">{_safe(section.heading)}</a>' for number, section in enumerate(sections)
    )
    numbers = itertools.count()
    body = "\n".join(_section(number, section, numbers) for number, section in enumerate(sections))
    told = f'<p class="about">{_safe(about)}</p>\n' if about else ""
    page = PAGE.format(title=_safe(title), style=STYLE, about=told, links=links, body=body)
    write_whole(path, page.encode("utf-8"))


def _section(number: int, section: Section, numbers: Iterator[int]) -> str:
    blocks = "\n".join(_block(block, numbers) for block in section.blocks)
    return f'<section id="section-{number}">\n<h2>{_safe(section.heading)}</h2>\n{blocks}\n</section>'


def _block(block: Block, numbers: Iterator[int]) -> str:
    match block:
        case Text():
            return "\n".join(
                f"<p>{_safe(part.strip())}</p>" for part in re.split(r"\n\s*\n", block.text.strip())
            )
        case Table():
            return _table(block)
        case PagePicture():
            return _picture(block, next(numbers))
        case SideBySide():
            figures = "\n".join(_picture(picture, next(numbers)) for picture in block.pictures)
            told = f'<p class="told">{_safe(block.caption)}</p>' if block.caption else ""
            return f'{told}<div class="side">\n{figures}\n</div>'
        case Code():
            return f'<pre tabindex="0"><code>{_safe(block.text.strip())}</code></pre>'


def _table(table: Table) -> str:
    assert all(len(row) == len(table.columns) for row in table.rows), table.columns
    caption = f"<caption>{_safe(table.caption)}</caption>" if table.caption else ""
    kinds = ["", *(_kind([row[number] for row in table.rows]) for number in range(1, len(table.columns)))]
    head = "".join(
        f'<th scope="col"{kind}>{_head(name)}</th>' for name, kind in zip(table.columns, kinds, strict=True)
    )
    rows = "\n".join(
        f'<tr><th scope="row">{_head(row[0])}</th>'
        + "".join(
            f'<td{kind} data-column="{_safe(name)}">{_number(cell) if kind else _safe(cell)}</td>'
            for cell, kind, name in zip(row[1:], kinds[1:], table.columns[1:], strict=True)
        )
        + "</tr>"
        for row in table.rows
    )
    many = " many" if len(table.columns) >= MANY_COLUMNS else ""
    return (
        f'<div class="wide{many}" tabindex="0"><table>{caption}<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody></table></div>"
    )


def _head(name: str) -> str:
    """The head of a column or row; a word that is long, such as a run's name, may be broken anywhere."""
    is_long = max(map(len, name.split()), default=0) > LONG_WORD
    return f'<span class="long">{_safe(name)}</span>' if is_long else _safe(name)


def _number(cell: str) -> str:
    """A number; its interval may stand below it, but neither is broken."""
    return _safe(cell.strip()).replace(" ", "&nbsp;").replace("&nbsp;(", " (")


def _kind(cells: Sequence[str]) -> str:
    return ' class="number"' if all(NUMBER.fullmatch(cell.strip()) for cell in cells) else ""


def _picture(picture: PagePicture, number: int) -> str:
    data = _read(picture.path)
    width, height, kind = _measure(picture.path, data)
    source = f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
    chart = " chart" if picture.chart else ""
    return (
        f'<figure id="figure-{number}"><div class="frame{chart}" id="picture-{number}"'
        f' style="--large: {width}px">'
        f'<a class="close" href="#figure-{number}">Close</a>'
        f'<a class="open" href="#picture-{number}" title="Open large"><img src="{source}" width="{width}"'
        f' height="{height}" alt="{_safe(picture.description or picture.caption)}"></a></div>'
        f"<figcaption>{_safe(picture.caption)}</figcaption></figure>"
    )


def _read(path: Path) -> bytes:
    record.require_as_written(path, AGAIN)
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtefactError(f"The picture {path} cannot be read: {error.strerror}.", AGAIN) from error


def _measure(path: Path, data: bytes) -> tuple[int, int, str]:
    """Width and height of a picture on a screen, and its media type.

    A file may tell that it is denser than a screen, as those of charts do (``charts.FILE_DPI``).
    """
    if data[:4] not in MEDIA_TYPES:
        raise ArtefactError(f"{path} is neither PNG nor GIF.", AGAIN)
    try:
        with Image.open(io.BytesIO(data)) as image:
            density = max(1.0, round(image.info.get("dpi", (SCREEN_DPI,))[0]) / SCREEN_DPI)
            width, height = (max(1, round(side / density)) for side in image.size)
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise ArtefactError(f"The picture {path} is damaged: {error}.", AGAIN) from error
    return width, height, MEDIA_TYPES[data[:4]]


def _safe(text: str) -> str:
    return escape(printable(text), quote=True)
