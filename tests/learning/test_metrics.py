"""Rows of metrics.jsonl that are broken, missing or of other bytes are told, and no other row is lost."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fame_cli import record
from fame_cli.cli.app import app
from fame_cli.errors import ArtefactError
from fame_cli.learning.metrics import read_metrics
from fame_cli.learning.run import RunFolder


def line(step: int, **values: object) -> bytes:
    return json.dumps({"step": step, "loss": 2.0, "chance": 3.0, **values}).encode() + b"\n"


def write(run: Path, *lines: bytes) -> RunFolder:
    (run / "metrics.jsonl").write_bytes(b"".join(lines))
    return RunFolder(run)


BROKEN = [
    *(b"\n", b"{\n", b"3\n", b"[1]\n", b"null\n", b"\xff\xfe{}\n", b"[" * 100_000 + b"\n", b'{"step": 1}\n'),
    *(line(1, loss="low"), line(1, loss=True), line(-1), line(1).replace(b"1", b"1.5", 1)),
]


@pytest.mark.parametrize("broken", BROKEN)
def test_broken_line_is_told_and_what_follows_is_read(tmp_path: Path, broken: bytes) -> None:
    folder = write(tmp_path, line(0), broken, line(2), line(3))
    assert [row["step"] for row in folder.read_metrics()] == [0, 2, 3]
    assert folder.metrics_troubles() == ["line 2 cannot be read", "the rows of steps 1 to 1 are missing"]


def test_missing_and_repeated_rows_are_told(tmp_path: Path) -> None:
    folder = write(tmp_path, line(0), line(5), line(6), line(6))
    assert folder.metrics_troubles() == ["the rows of steps 1 to 4 are missing", "step 6 is out of order"]


def test_many_troubles_are_counted(tmp_path: Path) -> None:
    assert write(tmp_path, *[b"{\n"] * 9).metrics_troubles()[-1] == "and 4 more"


def test_whole_file_has_no_troubles(tmp_path: Path) -> None:
    assert write(tmp_path, line(0), line(1)).metrics_troubles() == []
    assert RunFolder(tmp_path / "nothing").metrics_troubles() == []


def test_line_that_a_kill_cut_short_is_no_damage_before_the_end_of_the_run(tmp_path: Path) -> None:
    folder = write(tmp_path, line(0), line(1)[:-5])
    assert read_metrics(folder.metrics).cut_short
    assert folder.metrics_troubles() == []
    folder.backbone.touch()
    assert folder.metrics_troubles() == ["its last line has no end"]


def test_number_that_was_changed_is_told_by_the_record(tmp_path: Path) -> None:
    folder = write(tmp_path, line(0), line(1))
    record.sign(tmp_path, folder.metrics)
    write(tmp_path, line(0), line(1, loss=1.0))
    [told] = folder.metrics_troubles()
    assert told == "it is not what was written: it was damaged or changed by hand"
    folder.metrics.unlink()
    assert folder.metrics_troubles() == ["it is missing"]


def test_run_does_not_go_on_over_a_broken_line_in_silence(tmp_path: Path) -> None:
    folder = write(tmp_path, line(0), b"{\n", line(2))
    with pytest.raises(ArtefactError, match=r"metrics\.jsonl: line 2 cannot be read"):
        folder.cut_metrics(2)
    assert len(folder.metrics.read_bytes().split(b"\n")) == 4
    write(tmp_path, line(0), line(2))
    folder.cut_metrics(3)
    assert "steps 1 to 1 are missing" in (tmp_path / "log.txt").read_text()


def test_curves_and_report_tell_broken_lines_and_show_the_rest(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("schema_version = 2\n[pretrain]\n[data]\n")
    write(tmp_path, line(0), b"\xff\n", line(2))
    drawn = CliRunner().invoke(app, ["visualize", "curves", str(tmp_path)])
    assert drawn.exit_code == 0
    assert "metrics.jsonl: line 2 cannot be read." in drawn.output
    reported = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert reported.exit_code == 0
    page = (tmp_path / "report.html").read_text()
    assert "line 2 cannot be read" in page
    assert "2 steps measured" in page
