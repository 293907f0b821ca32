"""The page is one well-formed file, escapes every name and fetches nothing."""

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from fame_cli.errors import ArtefactError
from fame_cli.visualization.charts import new_figure, save_figure
from fame_cli.visualization.pictures import save_gif, save_png
from fame_cli.visualization.report import (
    NUMBER,
    Code,
    PagePicture,
    Section,
    SideBySide,
    Table,
    Text,
    write_report,
    written_by,
)

NASTY = "<script>alert('x')</script> & \"quoted\" {braces} \udcff"


class Reader(HTMLParser):
    """Collects tags, attributes and text, and checks that tags close in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[tuple[str, str]] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            inside = [tag for tag in self.open if tag != "span"]
            self.text.append((inside[-1], data.strip().replace("\N{NO-BREAK SPACE}", " ")))

    def texts(self, tag: str) -> list[str]:
        return [text for inside, text in self.text if inside == tag]

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def written(tmp_path: Path, sections: list[Section], title: str = "A report") -> Reader:
    write_report(tmp_path / "report.html", title, sections)
    return Reader((tmp_path / "report.html").read_text(encoding="utf-8"))


@pytest.fixture
def png(tmp_path: Path) -> Path:
    save_png(tmp_path / "picture.png", np.zeros((4, 6, 3), np.uint8))
    return tmp_path / "picture.png"


def test_every_place_for_a_name_is_escaped(tmp_path: Path, png: Path) -> None:
    blocks = [
        Text(NASTY),
        Table([NASTY, NASTY], [[NASTY, NASTY]], NASTY),
        PagePicture(png, NASTY, NASTY),
        Code(NASTY),
    ]
    page = written(tmp_path, [Section(NASTY, blocks)], NASTY)
    shown = NASTY.replace("\udcff", "�")
    for tag in ("title", "h1", "h2", "a", "p", "th", "td", "caption", "figcaption", "code"):
        assert shown in page.texts(tag), tag
    assert page.attributes("img")[0]["alt"] == shown
    assert page.attributes("script") == []


def test_nothing_points_outside_the_page(tmp_path: Path, png: Path) -> None:
    page = written(tmp_path, [Section("One", [PagePicture(png, "p")]), Section("Two", [])])
    for _, attributes in page.tags:
        assert (attributes.get("src") or "data:").startswith("data:")
        assert (attributes.get("href") or "#").startswith("#")
    assert page.attributes("link") == []
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|//[a-z]|url\(|@import", re.sub(r"base64,[^\"]+", "", text))
    policies = [attributes.get("content") or "" for attributes in page.attributes("meta")]
    assert any("default-src 'none'" in policy for policy in policies)


def test_pictures_are_carried_whole_with_their_type(tmp_path: Path, png: Path) -> None:
    gif = tmp_path / "clip.gif"
    save_gif(gif, np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8), 10)
    page = written(tmp_path, [Section("Pictures", [PagePicture(png, "still"), PagePicture(gif, "moving")])])
    for path, kind, image in zip((png, gif), ("png", "gif"), page.attributes("img"), strict=True):
        head, data = (image["src"] or "").split(",")
        assert head == f"data:image/{kind};base64"
        assert base64.b64decode(data) == path.read_bytes()


def test_a_picture_without_description_is_described_by_its_caption(tmp_path: Path, png: Path) -> None:
    assert (
        written(tmp_path, [Section("s", [PagePicture(png, "a caption")])]).attributes("img")[0]["alt"]
        == "a caption"
    )


def test_sections_are_linked_from_the_top(tmp_path: Path) -> None:
    page = written(tmp_path, [Section("First", []), Section("Second", [])])
    targets = [f"#{attributes['id']}" for attributes in page.attributes("section")]
    assert [attributes["href"] for attributes in page.attributes("a")] == targets
    assert page.texts("a") == page.texts("h2") == ["First", "Second"]


def test_every_picture_opens_large_and_closes_again(tmp_path: Path, png: Path) -> None:
    pictures = [PagePicture(png, "one"), SideBySide([PagePicture(png, "two"), PagePicture(png, "three")])]
    page = written(tmp_path, [Section("First", pictures[:1]), Section("Second", pictures[1:])])
    ids = [attributes.get("id") for _, attributes in page.tags if attributes.get("id")]
    assert len(set(ids)) == len(ids)
    links = {
        kind: [a["href"] for a in page.attributes("a") if a.get("class") == kind]
        for kind in ("open", "close")
    }
    assert links == {
        "open": ["#picture-0", "#picture-1", "#picture-2"],
        "close": ["#figure-0", "#figure-1", "#figure-2"],
    }
    assert {link.removeprefix("#") for link in links["open"] + links["close"]} <= set(ids)
    assert [(image["width"], image["height"]) for image in page.attributes("img")] == [("6", "4")] * 3


def test_a_dense_file_is_shown_at_the_size_that_it_tells(tmp_path: Path) -> None:
    save_figure(new_figure(3, 2), tmp_path / "chart.png")
    page = written(tmp_path, [Section("s", [PagePicture(tmp_path / "chart.png", "c", chart=True)])])
    assert (page.attributes("img")[0]["width"], page.attributes("img")[0]["height"]) == ("300", "200")
    assert "frame chart" in [attributes.get("class") for attributes in page.attributes("div")]


def test_the_page_tells_when_and_by_which_command_it_was_written(tmp_path: Path) -> None:
    write_report(tmp_path / "report.html", "t", [], written_by("fame report run & <b>"))
    page = Reader((tmp_path / "report.html").read_text())
    assert re.fullmatch(
        r"Written \d{4}-\d\d-\d\d \d\d:\d\d by fame [\w.+]+: fame report run & <b>", page.texts("p")[0]
    )


@pytest.mark.parametrize(
    "cell", ["84.4 (79.0 – 88.5)", "79.0 – 88.5", "+1.8 (-5.4 to +10.7)", "19.6 (11–32)", "-12.9 – -0.4", "–"]
)
def test_intervals_are_numbers(cell: str) -> None:
    assert NUMBER.fullmatch(cell)


@pytest.mark.parametrize("cell", ["top1", "2026-12-01 01:38", "8 videos", "1 – a"])
def test_texts_with_digits_are_none(cell: str) -> None:
    assert not NUMBER.fullmatch(cell)


def test_columns_of_numbers_are_set_to_the_right(tmp_path: Path) -> None:
    rows = [["MoCo", "61.0 ± 1.2", "fine"], ["FAME", "80.3 %", "7"], ["other", "–", ""], ["x", "-1.5e-3", ""]]
    page = written(tmp_path, [Section("s", [Table(["run", "top-1", "note"], rows)])])
    assert [attributes.get("class") for attributes in page.attributes("td")] == ["number", None] * 4
    assert [a.get("class") for a in page.attributes("th") if a["scope"] == "col"] == [None, "number", None]
    assert page.texts("td") == ["61.0 ± 1.2", "fine", "80.3 %", "7", "–", "-1.5e-3"]


def test_empty_lines_part_paragraphs_and_code_keeps_its_lines(tmp_path: Path) -> None:
    page = written(
        tmp_path, [Section("s", [Text("one\nstill one\n\n two "), Code("fame demo\n  --out x\n")])]
    )
    assert page.texts("p") == ["one\nstill one", "two"]
    assert page.texts("code") == ["fame demo\n  --out x"]


def test_the_page_has_colours_for_light_and_dark(tmp_path: Path) -> None:
    written(tmp_path, [])
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "color-scheme: light dark" in text
    assert "prefers-color-scheme: dark" in text


def test_a_missing_picture_stops_the_report(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"gone\.png cannot be read: No such file"):
        written(tmp_path, [Section("s", [PagePicture(tmp_path / "gone.png", "gone")])])
    assert not (tmp_path / "report.html").exists()


def test_a_file_that_is_no_picture_stops_the_report(tmp_path: Path) -> None:
    (tmp_path / "fake.png").write_text("<svg onload=alert(1)>")
    with pytest.raises(ArtefactError, match=r"fake\.png is neither PNG nor GIF"):
        written(tmp_path, [Section("s", [PagePicture(tmp_path / "fake.png", "fake")])])


def test_half_a_picture_stops_the_report(tmp_path: Path, png: Path) -> None:
    (tmp_path / "half.png").write_bytes(png.read_bytes()[:12])
    with pytest.raises(ArtefactError, match=r"half\.png is damaged"):
        written(tmp_path, [Section("s", [PagePicture(tmp_path / "half.png", "half")])])
