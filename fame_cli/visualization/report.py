"""One HTML page that carries everything with it: pictures and styles inside, nothing is fetched."""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from fame_cli import record
from fame_cli.disk import write_whole
from fame_cli.errors import ArtefactError
from fame_cli.visualization.text import printable

MEDIA_TYPES = {b"\x89PNG": "image/png", b"GIF8": "image/gif"}
NUMBER = re.compile(r"[-+−]?\d[\d.,]*(e[-+]?\d+)?( ?± ?\d[\d.,]*)?( ?%)?|–|")
"""A number with its exponent, spread or unit, or the sign that there is none."""


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
    """A PNG or GIF file with the caption beneath it; ``description`` is for those who cannot see it."""

    path: Path
    caption: str
    description: str = ""


@dataclass(frozen=True)
class Code:
    """Commands or other text to be copied, kept as it is."""

    text: str


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    heading: str
    blocks: Sequence[Text | Table | PagePicture | Code]


def write_report(path: Path, title: str, sections: Sequence[Section]) -> None:
    """Write a self-contained page with a list of its sections at the top."""
    links = "".join(
        f'<a href="#section-{number}">{_safe(section.heading)}</a>' for number, section in enumerate(sections)
    )
    body = "\n".join(_section(number, section) for number, section in enumerate(sections))
    page = PAGE.format(title=_safe(title), style=STYLE, links=links, body=body)
    write_whole(path, page.encode("utf-8"))


def _section(number: int, section: Section) -> str:
    blocks = "\n".join(_block(block) for block in section.blocks)
    return f'<section id="section-{number}">\n<h2>{_safe(section.heading)}</h2>\n{blocks}\n</section>'


def _block(block: Text | Table | PagePicture | Code) -> str:
    match block:
        case Text():
            return "\n".join(
                f"<p>{_safe(part.strip())}</p>" for part in re.split(r"\n\s*\n", block.text.strip())
            )
        case Table():
            return _table(block)
        case PagePicture():
            return _picture(block)
        case Code():
            return f'<pre tabindex="0"><code>{_safe(block.text.strip())}</code></pre>'


def _table(table: Table) -> str:
    assert all(len(row) == len(table.columns) for row in table.rows), table.columns
    caption = f"<caption>{_safe(table.caption)}</caption>" if table.caption else ""
    kinds = ["", *(_kind([row[number] for row in table.rows]) for number in range(1, len(table.columns)))]
    head = "".join(
        f'<th scope="col"{kind}>{_safe(name)}</th>' for name, kind in zip(table.columns, kinds, strict=True)
    )
    rows = "\n".join(
        f'<tr><th scope="row">{_safe(row[0])}</th>'
        + "".join(f"<td{kind}>{_safe(cell)}</td>" for cell, kind in zip(row[1:], kinds[1:], strict=True))
        + "</tr>"
        for row in table.rows
    )
    return (
        f'<div class="wide" tabindex="0"><table>{caption}<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody></table></div>"
    )


def _kind(cells: Sequence[str]) -> str:
    return ' class="number"' if all(NUMBER.fullmatch(cell.strip()) for cell in cells) else ""


def _picture(picture: PagePicture) -> str:
    record.require_as_written(picture.path, "Draw it again, then the report.")
    try:
        data = picture.path.read_bytes()
    except OSError as error:
        raise ArtefactError(
            f"The picture {picture.path} cannot be read: {error.strerror}.", "Draw it again, then the report."
        ) from error
    if data[:4] not in MEDIA_TYPES:
        raise ArtefactError(f"{picture.path} is neither PNG nor GIF.", "Draw it again, then the report.")
    source = f"data:{MEDIA_TYPES[data[:4]]};base64,{base64.b64encode(data).decode('ascii')}"
    return (
        f'<figure><div class="wide" tabindex="0"><img src="{source}"'
        f' alt="{_safe(picture.description or picture.caption)}"></div>'
        f"<figcaption>{_safe(picture.caption)}</figcaption></figure>"
    )


def _safe(text: str) -> str:
    return escape(printable(text), quote=True)


STYLE = """
:root { color-scheme: light dark; --ink: #1c1c20; --faint: #5c5c64; --paper: #ffffff; --panel: #f3f4f6;
  --line: #d4d6db; --link: #0a58a8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6ea; --faint: #a6a7b0; --paper: #17181c;
  --panel: #23252b; --line: #41444d; --link: #7fb8f5; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 1440px; margin: 0 auto; padding: 24px 20px 64px; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 12px; overflow-wrap: anywhere; }
h2 { font-size: 1.35rem; margin: 44px 0 10px; padding-top: 14px; border-top: 1px solid var(--line); }
p { max-width: 72ch; margin: 0 0 12px; overflow-wrap: anywhere; white-space: pre-line; }
nav a { color: var(--link); margin-right: 18px; display: inline-block; }
figure { margin: 18px 0 24px; }
.wide { overflow-x: auto; }
img { display: block; background: #ffffff; border: 1px solid var(--line); border-radius: 6px; }
figcaption, caption { color: var(--faint); max-width: 80ch; margin-top: 6px; text-align: left;
  white-space: pre-line; }
caption { margin-bottom: 6px; }
table { border-collapse: collapse; margin: 12px 0 20px; }
th, td { padding: 6px 14px; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
tr > :first-child { padding-left: 0; }
thead th { border-bottom: 2px solid var(--faint); }
tbody th { font-weight: 500; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: 12px 14px;
  overflow-x: auto; font: 14px/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, monospace; }
"""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<nav aria-label="Sections">{links}</nav>
{body}
</main>
</body>
</html>
"""
