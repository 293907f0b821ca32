"""Pages fit a phone, a laptop and a large screen in both themes, without a word on the browser's console."""

import numpy as np
import pytest
from browser import BROWSER, WIDTHS, Shown, Theme, show
from test_run_report import ROW, begun, result

from fame_cli.evaluation.results import write_result
from fame_cli.visualization.comparison_report import report_comparison
from fame_cli.visualization.curves import draw_curves
from fame_cli.visualization.pictures import save_png
from fame_cli.visualization.report import Code, PagePicture, Section, SideBySide, Table, Text, write_report
from fame_cli.visualization.run_report import report_run

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome is here")

LONG = "a_name_without_any_space_that_is_wider_than_a_phone_" * 3
NAMES = ("blocks", "run", "comparison")
THEMES: list[Theme] = ["light", "dark"]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A page with every kind of block and the worst of texts, one of a run, and one that compares two."""
    folder = tmp_path_factory.mktemp("pages")
    save_png(folder / "wide.png", np.full((300, 2600, 3), 255, np.uint8))
    draw_curves({"MoCo": [ROW | {"step": step} for step in range(5)]}, folder / "chart.png")
    wide, chart = PagePicture(folder / "wide.png", LONG), PagePicture(folder / "chart.png", "c", chart=True)
    columns = ["evaluation", *(f"column {number}" for number in range(5)), LONG]
    blocks = [
        Text(LONG),
        Table(columns, [[LONG, *(["84.4 (79.0 – 88.5)"] * 5), LONG]] * 3, LONG),
        Table(["option", "value", "default"], [[LONG, LONG, ""]]),
        wide,
        chart,
        SideBySide([wide, chart, wide], "beside each other"),
        Code(f"fame pretrain {LONG} --beta 0.5"),
    ]
    write_report(folder / "blocks.html", LONG, [Section(LONG, blocks)], "about")
    runs = {}
    for name, beta in (("MoCo", 1.0), ("mine", 0.3)):
        runs[name] = folder / name
        begun(runs[name], beta=beta).add_metrics([ROW | {"step": step} for step in range(3)])
        write_result(runs[name] / "results" / "linear-aaaaaaaaaa.json", result("linear"))
        write_result(runs[name] / "results" / "knn-bbbbbbbbbb.json", result("knn"))
        save_png(runs[name] / "pictures" / "cam.png", np.zeros((900, 1700, 3), np.uint8))
    report_run(runs["mine"], folder / "run.html")
    report_comparison(runs, folder / "comparison.html")
    return {name: (folder / f"{name}.html").read_text() for name in NAMES}


@pytest.fixture(scope="module")
def shown(pages: dict[str, str]) -> dict[Theme, Shown]:
    return {theme: show(pages, theme) for theme in THEMES}


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", NAMES)
def test_page_fits_every_window_in_both_themes(shown: dict[Theme, Shown], name: str, theme: Theme) -> None:
    for width in WIDTHS:
        found = shown[theme].at[name, width]
        assert found["width"] == width
        assert found["page_width"] <= width
        assert (found["outside"], found["cut"]) == ([], [])
        assert found["dark"] == (theme == "dark")
        assert found["paper"] == ("rgb(23, 24, 28)" if theme == "dark" else "rgb(255, 255, 255)")
        assert found["ink"] == ("rgb(230, 230, 234)" if theme == "dark" else "rgb(28, 28, 32)")
        assert found["pictures"]
        for shown_width, shown_height, own_width, own_height in found["pictures"]:
            assert 100 < shown_width < width
            assert shown_height == pytest.approx(shown_width * own_height / own_width, abs=1)
        assert all((style == "none") == (theme == "light") for style in found["filters"])


@pytest.mark.parametrize("theme", THEMES)
def test_links_lead_somewhere_and_the_console_stays_silent(shown: dict[Theme, Shown], theme: Theme) -> None:
    assert shown[theme].console == []
    assert all(found["dead_links"] == [] for found in shown[theme].at.values())


@pytest.mark.parametrize("width", WIDTHS)
def test_a_picture_opens_over_the_whole_window_at_its_full_size(
    shown: dict[Theme, Shown], width: int
) -> None:
    opened = shown["light"].at["blocks", width]["opened"]
    assert opened["covers"] == opened["window"]
    assert opened["picture"] >= 2600
    assert opened["close"] > 20
    assert opened["close_to"] == "#figure-0"
    assert not opened["still"]


def test_a_wide_page_a_dead_link_and_a_fetch_would_be_noticed() -> None:
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    bad = (
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<div style="width: 3000px">wide</div><a href="#nowhere">dead</a><a href="other.html">away</a>'
        '<img src="http://localhost:1/x.png" alt="">'
    )
    shown = show({"bad": bad}, "light")
    assert any("Content Security Policy" in line for line in shown.console)
    for found in shown.at.values():
        assert found["page_width"] >= 3000
        assert len(found["outside"]) == 1
        assert len(found["dead_links"]) == 2
