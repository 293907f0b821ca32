"""The docs as a site (`make docs`): nothing is missing from it, and it needs no network."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from visualization.browser import BROWSER, SWITCHES

import fame_cli

ROOT = Path(__file__).parents[1]
TYPED = """<script>
addEventListener("load", () => {
  const field = document.querySelector("[data-md-component=search-query]");
  field.focus();
  field.value = "--queue-length";
  field.dispatchEvent(new KeyboardEvent("keyup", { bubbles: true }));
});
</script></body>"""


def build(source: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """Build as `make docs` does."""
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", site],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)},
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = build(ROOT, folder)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What the site is made from, to be changed."""
    for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "mkdocs.yml"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("docs", "examples", "benchmarks", "fame_cli"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.mark.libraries
def test_site_has_all_pages_pictures_examples_and_public_names(site: Path) -> None:
    docs = [path.relative_to(ROOT) for path in (ROOT / "docs").rglob("*.md")]
    examples = [path.relative_to(ROOT) for path in (ROOT / "examples").glob("*.*")]
    for page in (*docs, *examples):
        name = page.with_name("index.html") if page.name == "README.md" else page.with_suffix(".html")
        assert (site / name).exists(), page
    searched = {
        entry["location"] for entry in json.loads((site / "search/search_index.json").read_text())["docs"]
    }
    public = set(fame_cli.__all__) - {"__version__"}
    assert {f"reference.html#{fame_cli.HOMES[name]}.{name}" for name in public} <= searched


def test_site_opened_from_disk_finds_all_it_loads(site: Path) -> None:
    for page in set(site.rglob("*.html")) - {site / "404.html"}:  # a server shows that one, at any address
        text = page.read_text()
        loaded = re.findall(r'<(?:script|img)[^>]* src="([^"]+)"', text)
        loaded += re.findall(r'<link href="([^"]+)"[^>]* rel="(?:stylesheet|icon)"', text)
        loaded += re.findall(r'<link[^>]* rel="(?:stylesheet|icon)"[^>]* href="([^"]+)"', text)
        loaded += re.findall(r'<a[^>]* href="(?!https?:|#)([^"#]+)', text)
        assert any(Path(target).name == "iframe-worker.js" for target in loaded)
        missing = [target for target in loaded if not (page.parent / target).exists()]
        assert not missing, f"{page.relative_to(site)}: {missing}"


@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome is here")
def test_search_finds_an_option_on_a_site_opened_from_disk(site: Path, tmp_path: Path) -> None:
    page = site / "typed.html"
    page.write_text((site / "index.html").read_text().replace("</body>", TYPED))
    command = [BROWSER, *SWITCHES, f"--user-data-dir={tmp_path}", page.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    results = re.search(r'<ol class="md-search-result__list".*?</ol>', shown, flags=re.DOTALL)
    assert results
    assert "docs/commands/pretrain.html" in results[0]


def test_code_is_shown_as_it_is_typed(site: Path) -> None:
    assert "<code>plain|compensated</code>" in (site / "docs/commands/pretrain.html").read_text()


def test_page_that_the_site_does_not_name_stops_the_build(copy: Path, tmp_path: Path) -> None:
    (copy / "docs" / "commands" / "new.md").write_text("# fame new\n")
    built = build(copy, tmp_path / "site")
    assert built.returncode == 1
    assert "docs/commands/new.md" in built.stdout + built.stderr


def test_row_in_the_list_of_commands_puts_a_page_on_the_site(copy: Path, tmp_path: Path) -> None:
    (copy / "docs" / "commands" / "new.md").write_text("# fame new\n")
    commands = copy / "docs" / "commands" / "README.md"
    row = "| [fame demo](demo.md)"
    commands.write_text(commands.read_text().replace(row, f"| [fame new](new.md) | makes it new |\n{row}"))
    built = build(copy, tmp_path / "site")
    assert built.returncode == 0, built.stdout + built.stderr
    assert 'href="commands/new.html"' in (tmp_path / "site" / "docs" / "be.html").read_text()
