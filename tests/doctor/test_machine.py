"""Cores, memory, files, disk and decoders as ``fame doctor`` sees them, each thing made wrong."""

import errno
import fcntl
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

from fame_cli import doctor
from fame_cli.doctor import decoders, installation, machine, place
from fame_cli.doctor.finding import Finding
from fame_cli.libraries import PACKAGE, Untested

GIB = 1 << 30


def only(findings: Iterator[Finding]) -> Finding:
    [finding] = findings
    return finding


@pytest.mark.parametrize(("version", "state"), [((3, 10), "problem"), ((3, 12), "ok"), ((3, 99), "warning")])
def test_python_too_old_or_untested_is_told(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, int], state: str
) -> None:
    monkeypatch.setattr(installation.sys, "version_info", version)
    assert only(installation.look_at_python()).state == state


def test_missing_and_untested_libraries_come_with_the_command_that_installs_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong = [Untested("av", "16.0", ">=17,<20"), Untested("h5py", "", ">=3.15")]
    monkeypatch.setattr(installation, "untested_libraries", lambda: wrong)
    old, missing = installation.look_at_libraries()
    assert (old.state, missing.state) == ("warning", "problem")
    assert old.advice.endswith("-m pip install 'av>=17,<20'")
    monkeypatch.setattr(installation, "untested_libraries", list)
    assert only(installation.look_at_libraries()).state == "ok"


def test_optional_part_that_is_not_there_is_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "installed_version", lambda name: "2.0" if name == "ray" else "")
    found = {finding.name: finding.state for finding in installation.look_at_optional_parts()}
    assert found["ray"] == "ok"
    assert found["distributed"] == "absent"


def test_every_optional_part_is_told() -> None:
    extras = metadata.metadata(PACKAGE).get_all("Provides-Extra")
    assert {extra for extra, _ in installation.OPTIONAL.values()} == set(extras or ()) - {"dev"}


@pytest.fixture
def cgroup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    return tmp_path


def test_container_with_fewer_cores_than_it_shows_is_told(
    cgroup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: range(64))
    assert only(machine.look_at_cores()).state == "ok"
    (cgroup / "cpu.max").write_text("max 100000\n")
    assert only(machine.look_at_cores()).state == "ok"
    (cgroup / "cpu.max").write_text("400000 100000\n")
    found = only(machine.look_at_cores())
    assert (found.state, found.found) == ("warning", "64, of which this container may use 4")
    assert found.advice == "Give --jobs 4 and --workers 4 at most."


def test_memory_of_a_small_container_is_told(cgroup: Path) -> None:
    (cgroup / "memory.max").write_text(f"{3 * GIB}")
    (cgroup / "memory.current").write_text(f"{GIB}")
    found = only(machine.look_at_memory())
    assert found.state == "warning"
    assert found.found == "2.0 GiB available"


def test_limit_of_addresses_that_crashes_libraries_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.resource, "getrlimit", lambda _: (GIB, GIB))
    assert only(machine.look_at_memory()).state == "problem"


@pytest.mark.parametrize(("free", "state"), [(64 << 20, "warning"), (8 * GIB, "ok"), (None, "ok")])
def test_small_shared_memory_is_told(monkeypatch: pytest.MonkeyPatch, free: int | None, state: str) -> None:
    monkeypatch.setattr(machine, "free_shared_memory", lambda: free)
    assert only(machine.look_at_shared_memory()).state == state


@pytest.mark.parametrize(
    ("limits", "state", "told"),
    [
        ((256, 512), "warning", "256 for each process, up to 512"),
        ((256, 4096), "ok", "256 for each process, up to 4096"),
        ((1024, resource.RLIM_INFINITY), "ok", "1024 for each process"),
    ],
)
def test_limit_of_open_files_counts_as_far_as_it_can_be_raised(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], state: str, told: str
) -> None:
    monkeypatch.setattr(machine.resource, "getrlimit", lambda _: limits)
    found = only(machine.look_at_open_files())
    assert found.state == state
    assert told in found.found


@pytest.mark.parametrize(("free", "state"), [(1 << 20, "problem"), (2 * GIB, "warning"), (99 * GIB, "ok")])
def test_disk_that_is_nearly_full_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, state: str
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    disk, locks = place.look_at_place(tmp_path / "not" / "there" / "yet")
    assert disk.state == state
    assert disk.found.endswith(f"in {tmp_path}")
    assert locks.state == "ok"
    assert list(tmp_path.iterdir()) == []


def test_folder_that_cannot_be_written_to_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(place.tempfile, "NamedTemporaryFile", refuse)
    _, locks = place.look_at_place(tmp_path)
    assert locks.state == "problem"
    assert "the disk is read-only" in locks.found


@pytest.mark.parametrize(("number", "told"), [(errno.ENOLCK, "has none"), (0, "does not keep them")])
def test_disk_without_locks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, told: str
) -> None:
    def flock(*_: object) -> None:
        if number:
            raise OSError(number, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    (tmp_path / "file").touch()
    found = place.look_at_locks(tmp_path / "file")
    assert found.state == "warning"
    assert told in found.found


def test_missing_decoders_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(finding.state == "ok" for finding in decoders.look_at_decoders())
    assert not decoders.has_decoder("no such codec")
    monkeypatch.setattr(decoders, "has_decoder", lambda name: name != "av1")
    monkeypatch.setattr("cv2.videoio_registry.getBackends", list)
    monkeypatch.setattr("simplejpeg.encode_jpeg", lambda _: b"")
    monkeypatch.setattr("simplejpeg.decode_jpeg", lambda _: SimpleNamespace(mean=lambda: 7))
    pyav, opencv, jpeg = decoders.look_at_decoders()
    assert (pyav.state, opencv.state, jpeg.state) == ("warning", "warning", "problem")
    assert "without av1" in pyav.found
    assert "without FFmpeg" in opencv.found


def test_check_that_fails_is_what_was_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def look_at_open_files() -> Iterator[Finding]:
        yield Finding("first", "ok", "")
        raise ImportError("libGL.so.1: cannot open shared object file\nmore")

    monkeypatch.setattr(doctor, "CHECKS", (look_at_open_files,))
    first, failed, *disk = doctor.examine(tmp_path)
    assert first.state == "ok"
    assert failed.name == "open files"
    assert failed.state == "problem"
    assert failed.found == "ImportError: libGL.so.1: cannot open shared object file"
    assert [finding.name for finding in disk] == ["disk", "locks"]


def test_broken_torch_is_found_and_everything_else_is_looked_at(tmp_path: Path) -> None:
    program = "import sys; sys.modules['torch'] = None\n"
    program += "from pathlib import Path; from fame_cli.doctor import examine\n"
    program += f"for finding in examine(Path({str(tmp_path)!r})): print(finding.state, finding.name)"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    found = told.stdout.splitlines()
    assert [line for line in found if line.startswith("problem")] == ["problem torch", "problem gpus"]
    assert {"ok locks", "ok jpeg"} <= set(found)
