"""Files are on disk whole or not at all."""

import errno
import multiprocessing
import os
import signal
import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fame_cli import disk
from fame_cli.errors import FameError


def test_full_disk_is_recognised_in_what_hdf5_says(tmp_path: Path) -> None:
    told = OSError("Unable to write (errno = 28, error message = 'No space left on device', buf = 0x1)")
    assert "the disk is full" in disk.disk_error(told, tmp_path).message


def test_what_hdf5_calls_a_runtime_error_is_told_as_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(FameError, match="the file-size limit is reached"), disk.translate_os_errors(tmp_path):
        raise RuntimeError("Can't decrement id ref count (unable to extend file properly, errno = 27)")
    with pytest.raises(RuntimeError, match="a bug"), disk.translate_os_errors(tmp_path):
        raise RuntimeError("a bug")


def test_unfinished_files_of_threads_and_machines_have_names_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ThreadPoolExecutor(1) as thread:
        elsewhere = thread.submit(disk.temporary_path, tmp_path / "a.h5").result()
    here = disk.temporary_path(tmp_path / "a.h5")
    monkeypatch.setattr("socket.gethostname", lambda: "another-machine")
    names = {here, elsewhere, disk.temporary_path(tmp_path / "a.h5")}
    assert len(names) == 3
    assert all(name.name.startswith(".a.h5.") and name.name.endswith(disk.UNFINISHED) for name in names)


def test_file_is_on_disk_before_its_name_and_its_name_before_the_call_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = []
    fsync, replace = os.fsync, os.replace

    def flushed(handle: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "content")
        fsync(handle)

    def renamed(source: Path, target: Path) -> None:
        steps.append("name")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "replace", renamed)
    disk.write_whole(tmp_path / "a.bin", b"data")
    assert steps == ["content", "name", "folder"]


def test_file_system_that_cannot_flush_folders_is_put_up_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(number: int) -> None:
        def fsync(_: int) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "fsync", fsync)

    refuses(errno.EINVAL)
    disk.flush_folder(tmp_path)
    refuses(errno.EIO)
    with pytest.raises(OSError, match="Input/output error"):
        disk.flush_folder(tmp_path)


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


def written_half(path: Path) -> None:
    disk.temporary_path(path).write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)


def test_file_that_a_killed_process_left_half_written_is_removed_and_no_other(
    tmp_path: Path,
) -> None:
    killed = multiprocessing.get_context("spawn").Process(target=written_half, args=(tmp_path / "a.bin",))
    killed.start()
    killed.join()
    [abandoned] = tmp_path.iterdir()
    abandoned.with_name(abandoned.name.replace(socket.gethostname(), "another-machine")).touch()
    disk.temporary_path(tmp_path / "b.bin").touch()  # of this process, which lives
    (tmp_path / ".a.bin.swp").touch()
    before = set(tmp_path.iterdir())
    disk.remove_abandoned(tmp_path)
    assert before - set(tmp_path.iterdir()) == {abandoned}
    disk.remove_abandoned(tmp_path / "absent")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(FameError, match=r"cannot write .*a\.bin: there is a file where a folder is needed"):
        disk.write_whole(tmp_path / "file" / "a.bin", b"data")


def test_space_is_asked_for_before_it_is_needed(tmp_path: Path) -> None:
    disk.require_space(tmp_path / "a.h5", 1)
    with pytest.raises(OSError, match="No space left"):
        disk.require_space(tmp_path / "a.h5", 1 << 60)


def test_file_size_limit_is_noticed_before_the_file_meets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.h5").write_bytes(bytes(1000))
    monkeypatch.setattr("fame_cli.disk.resource.getrlimit", lambda _: (100_000, 100_000))
    disk.require_space(tmp_path / "a.h5", 1000)
    with pytest.raises(OSError, match="File too large"):
        disk.require_space(tmp_path / "a.h5", 40_000)
