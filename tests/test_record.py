"""The record of a run tells each file that is no longer what was written."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fame_cli import record
from fame_cli.errors import ArtefactError


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "run" / "results").mkdir(parents=True)
    for name in ("config.toml", "results/a.json"):
        (tmp_path / "run" / name).write_text(name)
    record.sign(tmp_path / "run", tmp_path / "run" / "config.toml", tmp_path / "run" / "results" / "a.json")
    return tmp_path / "run"


def test_file_as_it_was_signed_is_read(run: Path) -> None:
    assert record.find_changes(run) == {}
    record.require_as_written(run / "results" / "a.json", "hint")


def test_changed_and_missing_files_are_named(run: Path) -> None:
    (run / "config.toml").write_text("config.tomL")
    (run / "results" / "a.json").unlink()
    assert record.find_changes(run) == {
        "config.toml": "is not what was written: it was damaged or changed by hand",
        "results/a.json": "is missing",
    }
    with pytest.raises(ArtefactError, match=r"config\.toml is not what was written[^\n]*\nMend it\."):
        record.require_as_written(run / "config.toml", "Mend it.")


def test_file_that_is_about_to_change_is_signed_no_longer(run: Path) -> None:
    record.withdraw(run, run / "config.toml")
    (run / "config.toml").write_text("other")
    record.require_as_written(run / "config.toml", "hint")
    assert list(record.read_record(run)) == ["results/a.json"]


def test_file_outside_every_run_has_no_record(tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_text("w")
    record.require_as_written(tmp_path / "weights.pth", "hint")
    assert record.run_of(tmp_path / "weights.pth") is None


@pytest.mark.parametrize("damage", ["", "{", "[" * 100_000, "null", '{"seal": 1}', "\x00"])
def test_damaged_record_is_named(run: Path, damage: str) -> None:
    (run / "record.json").write_text(damage)
    with pytest.raises(ArtefactError, match=r"record\.json cannot be read"):
        record.find_changes(run)


def test_record_that_was_changed_is_named(run: Path) -> None:
    values = json.loads((run / "record.json").read_text())
    values["sha256"]["config.toml"] = "0" * 64
    (run / "record.json").write_text(json.dumps(values))
    with pytest.raises(ArtefactError, match="it was damaged or changed by hand"):
        record.read_record(run)


def test_files_signed_at_one_time_by_several_processes_are_all_in_the_record(tmp_path: Path) -> None:
    program = "import sys; from pathlib import Path; from fame_cli import record\n"
    program += "run, name = Path(sys.argv[1]), sys.argv[2]\n"
    program += "for number in range(10):\n"
    program += "    path = run / f'{name}-{number}'; path.write_text(name); record.sign(run, path)"
    children = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path), name], env={"PYTHONPATH": ":".join(sys.path)}
        )
        for name in "abc"
    ]
    assert [child.wait(120) for child in children] == [0, 0, 0]
    assert len(record.read_record(tmp_path)) == 30
    assert record.find_changes(tmp_path) == {}
