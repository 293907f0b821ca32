"""A page in a headless browser: what it measures at several widths, and what it complains about.

The page is put as it is, with its policy against scripts, into frames of these widths; a script of the page
around them measures. So Chromium's own switches are enough, and no driver has to be installed.
"""

import html
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
WIDTHS = (390, 1200, 1920)
SWITCHES = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=2000,1000",
    "--enable-logging=stderr",
    "--virtual-time-budget=3000",
    "--dump-dom",
]
Theme = Literal["light", "dark"]
SCHEMES: dict[Theme, int] = {"dark": 0, "light": 1}
"""Numbers of Chromium's ``preferredColorScheme``."""

AROUND = """<!DOCTYPE html><meta charset="utf-8"><meta name="color-scheme" content="light dark">
{frames}
<pre id="found"></pre>
<script>
const of = (nodes, keep, tell) => [...nodes].filter(keep).map(tell);
const told = node => node.outerHTML.replace(/base64,[^"]*/g, "").slice(0, 160);
function measure(frame) {{
  const view = frame.contentWindow, page = frame.contentDocument, body = page.body;
  const found = {{
    width: view.innerWidth,
    dark: view.matchMedia("(prefers-color-scheme: dark)").matches,
    paper: view.getComputedStyle(body).backgroundColor,
    ink: view.getComputedStyle(body).color,
    page_width: page.documentElement.scrollWidth,
    outside: of(body.querySelectorAll("*"), node => {{
      const box = node.getBoundingClientRect();
      return box.width && (box.right > view.innerWidth + 1 || box.left < -1);
    }}, told),
    cut: of(body.querySelectorAll("*"), node => {{
      return node.clientWidth && node.scrollWidth > node.clientWidth + 1;
    }}, told),
    pictures: of(page.images, () => true, one => {{
      return [one.width, one.height, one.naturalWidth, one.naturalHeight];
    }}),
    filters: of(page.querySelectorAll(".open"), () => true, one => view.getComputedStyle(one).filter),
    dead_links: of(page.links, one => {{
      const target = one.getAttribute("href");
      return !target.startsWith("#") || !page.getElementById(target.slice(1));
    }}, told),
  }};
  const link = page.querySelector("a.open");
  if (link) {{
    view.location.hash = link.getAttribute("href");
    const box = page.querySelector(".frame:target").getBoundingClientRect();
    const close = page.querySelector(".frame:target .close");
    found.opened = {{
      covers: [box.left, box.top, box.width, box.height],
      window: [0, 0, view.innerWidth, view.innerHeight],
      picture: page.querySelector(".frame:target img").width,
      close: close.getBoundingClientRect().height,
      close_to: close.getAttribute("href"),
    }};
    view.location.hash = close.getAttribute("href");
    found.opened.still = page.querySelector(".frame:target") !== null;
  }}
  return found;
}}
window.onload = () => {{
  const found = of(document.querySelectorAll("iframe"), () => true, measure);
  document.getElementById("found").textContent = JSON.stringify(found);
}};
</script>
"""


@dataclass(frozen=True)
class Shown:
    """What a browser made of pages: measurements by page and width in pixels, and what its console said."""

    at: dict[tuple[str, int], dict[str, Any]]
    console: list[str]


def show(pages: Mapping[str, str], theme: Theme) -> Shown:
    """Load pages at three widths each under a theme and measure them."""
    assert BROWSER is not None
    frames = [(name, width) for name in pages for width in WIDTHS]
    tags = [
        f'<iframe width="{width}" height="800" frameborder="0" srcdoc="{html.escape(pages[name])}"></iframe>'
        for name, width in frames
    ]
    with tempfile.TemporaryDirectory() as folder:
        around = Path(folder, "around.html")
        around.write_text(AROUND.format(frames="\n".join(tags)), encoding="utf-8")
        own = [f"--user-data-dir={folder}/profile", f"--blink-settings=preferredColorScheme={SCHEMES[theme]}"]
        ran = subprocess.run(
            [BROWSER, *SWITCHES, *own, around.as_uri()],
            check=True,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=120,
        )
    found = re.search(r'<pre id="found">(.+?)</pre>', ran.stdout, re.DOTALL)
    assert found, f"the browser measured nothing: {ran.stderr[-2000:]}"
    measured = json.loads(html.unescape(found[1]))
    console = [line for line in ran.stderr.splitlines() if "CONSOLE" in line]
    return Shown(dict(zip(frames, measured, strict=True)), console)
