"""Files are on disk whole or not at all."""

import os
from pathlib import Path

import pytest

from fame_cli import disk
from fame_cli.errors import FameError


def test_full_disk_is_recognised_in_what_hdf5_says(tmp_path: Path) -> None:
    told = OSError("Unable to write (errno = 28, error message = 'No space left on device', buf = 0x1)")
    assert "the disk is full" in disk.disk_error(told, tmp_path).message


def test_writing_again_replaces_and_leaves_nothing_beside(tmp_path: Path) -> None:
    disk.write_whole(tmp_path / "new" / "a.bin", b"old")
    disk.write_whole(tmp_path / "new" / "a.bin", b"new")
    assert (tmp_path / "new" / "a.bin").read_bytes() == b"new"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.bin"]


def test_a_write_that_fails_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    disk.write_whole(tmp_path / "a.bin", b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FameError, match=r"a\.bin: the disk is full"):
        disk.write_whole(tmp_path / "a.bin", b"newer")
    assert (tmp_path / "a.bin").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(FameError, match=r"cannot write .*a\.bin: File exists"):
        disk.write_whole(tmp_path / "file" / "a.bin", b"data")


def test_space_is_asked_for_before_it_is_needed(tmp_path: Path) -> None:
    disk.require_space(tmp_path / "a.h5", 1)
    with pytest.raises(OSError, match="No space left"):
        disk.require_space(tmp_path / "a.h5", 1 << 60)
