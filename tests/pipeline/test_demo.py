"""The demo at a small size: every stage, one self-contained page, and nothing done twice."""

import re
from pathlib import Path

import pytest

from fame_cli.demo import Demo, make_demo, quick
from fame_cli.evaluation.evaluation import no_progress

pytestmark = pytest.mark.libraries


def test_demo_leaves_a_self_contained_page_and_does_nothing_twice(tmp_path: Path) -> None:
    demo = quick(Demo(tmp_path / "demo", no_progress, 1, "cpu"))
    report = make_demo(demo)
    page = report.read_text()
    assert page.count("data:image/") >= 6
    assert not re.search(r'(src|href)="(http|/|\.)', page)
    for said in ("leave out --quick", "MoCo+FAME", "background misleads", "fame extract VIDEOS -o work"):
        assert said in page
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "demo").rglob("*.h5")}
    made |= {path: path.stat().st_mtime_ns for path in (tmp_path / "demo" / "runs").rglob("*.safetensors")}
    assert len(made) > 20
    make_demo(demo)
    assert all(path.stat().st_mtime_ns == before for path, before in made.items())
