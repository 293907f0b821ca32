"""``fame verify``: damage that nothing else shows is found, named, and mended by the next run."""

import os
from pathlib import Path

import pytest
from commands import fame

from fame_cli import stage
from fame_cli.lock import locked

MASKS = ["--clip-frames", "4", "-j", "1"]


@pytest.fixture
def work(tmp_path: Path, videos: Path) -> Path:
    fame(0, "extract", videos, "-o", tmp_path / "work", "-j", 1)
    fame(0, "masks", tmp_path / "work", *MASKS)
    return tmp_path / "work"


def flip_a_byte(path: Path) -> None:
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_flipped_byte_is_named_and_mended_by_the_command_that_is_named(videos: Path, work: Path) -> None:
    said = fame(0, "verify", work)
    assert "statistics/" in said
    assert said.count("2 shards, ") == 2
    assert said.count("all as written") == 2
    [folder] = (work / "frames").iterdir()
    good = (folder / "00001.h5").read_bytes()
    flip_a_byte(folder / "00001.h5")
    assert "Nothing to do" in fame(0, "extract", videos, "-o", work, "-j", 1)
    said = fame(4, "verify", work)
    assert f"{folder.name}/00001.h5 does not hold the bytes that were written" in said
    assert f"fame extract {videos} -o {work}" in said
    assert "00000.h5" not in said
    # Until it is mended nothing reads the damaged store, and verify does not forget.
    assert "is not finished" in fame(4, "masks", work, *MASKS)
    assert "00001.h5 has no receipt" in fame(4, "verify", work)
    assert "(1 shards kept from before)" in fame(0, "extract", videos, "-o", work, "-j", 1)
    assert (folder / "00001.h5").read_bytes() == good
    assert "Nothing to do" in fame(0, "masks", work, *MASKS)
    fame(0, "verify", work)


def test_damage_of_statistics_names_fame_masks(work: Path) -> None:
    [folder] = (work / "statistics").iterdir()
    (folder / "00000.h5").write_bytes(b"short")
    said = fame(4, "verify", work)
    assert "00000.h5 has 5 bytes where" in said
    assert f"fame masks {work} --clip-frames 4" in said
    assert "(1 shards kept from before)" in fame(0, "masks", work, *MASKS)
    fame(0, "verify", work)


def test_damaged_description_is_named(work: Path) -> None:
    [folder] = (work / "frames").iterdir()
    (folder / "stage.json").write_text("{")
    assert "stage.json is damaged" in fame(4, "verify", work)


def test_stage_that_is_being_made_is_left_out_and_untouched(work: Path) -> None:
    [folder] = (work / "frames").iterdir()
    flip_a_byte(folder / "00000.h5")
    with locked(folder):
        assert "was left out" in fame(0, "verify", work)
    assert (folder / "00000.json").exists()
    assert stage.is_complete(folder)
