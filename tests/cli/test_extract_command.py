"""``fame extract``: the check before any work, and what is told of videos after it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import moving_square, write_video
from typer.testing import CliRunner, Result

from fame_cli.cli.app import app
from fame_cli.config import ExtractConfig
from fame_cli.data.frames import extract, open_frame_store
from fame_cli.data.manifest import read_manifest
from fame_cli.data.sources.folder import index_folder
from fame_cli.lock import locked

pytestmark = pytest.mark.libraries


def fame(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["extract", *map(str, arguments)])


def said(result: Result) -> str:
    return " ".join(result.output.split())


def lists(work: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in work.iterdir() if path.is_file() and path.suffix}


@pytest.fixture
def hmdb51(tmp_path: Path) -> Path:
    lists = tmp_path / "test_train_splits"
    lists.mkdir()
    (lists / "wave_test_split1.txt").write_text("a_wave_0.avi 1 \nb_wave_0.avi 2 \n")
    (lists / "wave_test_split2.txt").write_text("a_wave_0.avi 2 \nb_wave_0.avi 0 \nc_wave_0.avi 1 \n")
    for number, name in enumerate("ab"):
        write_video(
            tmp_path / "hmdb51" / "wave" / f"{name}_wave_0.avi", moving_square(9, (1, 200, 1), seed=number)
        )
    return tmp_path / "hmdb51"


def test_check_alone_tells_and_does_nothing(hmdb51: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    result = fame(hmdb51, "-o", work, "--source", "hmdb51", "--check")
    assert result.exit_code == 0, result.output
    assert "HMDB51 split 1 names 1 train and 1 test videos; 1 train and 1 test videos of these" in said(
        result
    )
    assert not work.exists()
    result = fame(hmdb51, "-o", work, "--source", "hmdb51", "--split", 2, "--check")
    assert result.exit_code == 1, result.output
    assert "named but not on disk (1): wave/c_wave_0.avi. Get them, or continue without" in said(result)
    assert [path.name for path in work.iterdir()] == ["check.csv"]
    assert (work / "check.csv").read_text() == "finding,name\nmissing,wave/c_wave_0.avi\n"


def test_removed_video_moves_no_other_and_may_come_back(tmp_path: Path) -> None:
    videos, work = tmp_path / "videos", tmp_path / "work"
    for number in range(10):
        write_video(videos / "class" / f"{number}.avi", moving_square(9, (1, 200, 1), seed=number))
    assert fame(videos, "-o", work, "-j", 1).exit_code == 0
    whole = read_manifest(work)
    shutil.move(videos / "class" / "2.avi", tmp_path / "2.avi")
    result = fame(videos, "-o", work, "-j", 1)
    assert result.exit_code == 0, result.output
    assert "not among the videos any more (1): class/2.avi" in said(result)
    assert "Nothing to do: 9 videos, 81 frames" in said(result)
    manifest = read_manifest(work)
    assert [video.status for video in manifest.videos].count("removed") == 1
    assert manifest.video_indices() == [0, 1, *range(3, 10)]
    assert open_frame_store(work, manifest).manifest == manifest
    assert fame(videos, "-o", work, "-j", 1).exit_code == 0
    shutil.move(tmp_path / "2.avi", videos / "class" / "2.avi")
    assert "Nothing to do: 10 videos, 90 frames" in said(fame(videos, "-o", work, "-j", 1))
    assert read_manifest(work) == whole


def test_refused_command_leaves_the_lists_of_the_one_at_work(hmdb51: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    assert fame(hmdb51, "-o", work, "--source", "hmdb51", "-j", 1).exit_code == 0
    before = lists(work)
    with locked(work):
        result = fame(hmdb51, "-o", work, "--source", "hmdb51", "--split", 2, "-j", 1)
    assert result.exit_code == 2, result.output
    assert "is being worked on by process" in said(result)
    assert before == lists(work)


@pytest.mark.parametrize("name", ["manifest.csv", "source.json"])
def test_damaged_list_is_made_again_by_the_command_that_it_names(
    hmdb51: Path, tmp_path: Path, name: str
) -> None:
    work = tmp_path / "work"
    command = (hmdb51, "-o", work, "--source", "hmdb51", "-j", 1)
    assert fame(*command).exit_code == 0
    whole = (work / name).read_bytes()
    (work / name).write_bytes(whole[: len(whole) // 2])
    result = fame(*command)
    assert result.exit_code == 0, result.output
    assert "cannot be read" in said(result)
    assert "Rebuilding the list of videos." in said(result)
    assert "Nothing to do" in said(result)
    assert (work / name).read_bytes() == whole


def test_another_split_of_hmdb51_redoes_no_frames(hmdb51: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    assert fame(hmdb51, "-o", work, "--source", "hmdb51", "-j", 1).exit_code == 0
    assert not (work / "check.csv").exists()
    again = fame(hmdb51, "-o", work, "--source", "hmdb51", "--split", 2, "-j", 1)
    assert again.exit_code == 0, again.output
    assert "Nothing to do" in again.output
    assert [video.split for video in read_manifest(work).videos] == ["test", ""]
    assert (work / "check.csv").exists()
    fame(hmdb51, "-o", work, "--source", "hmdb51", "-j", 1)
    assert not (work / "check.csv").exists()


def test_long_findings_are_shown_by_example_and_listed_whole(hmdb51: Path, tmp_path: Path) -> None:
    lists = hmdb51.parent / "test_train_splits"
    (lists / "run_test_split1.txt").write_text("".join(f"{number}_run_0.avi 1\n" for number in range(100)))
    result = fame(hmdb51, "-o", tmp_path / "work", "--source", "hmdb51", "--check")
    assert "named but not on disk (100): run/0_run_0.avi, run/1_run_0.avi, run/2_run_0.avi, and 97 more." in (
        said(result)
    )
    assert len((tmp_path / "work" / "check.csv").read_text().splitlines()) == 101


def test_wrong_combination_of_options_is_refused_before_any_work(hmdb51: Path, tmp_path: Path) -> None:
    refused: list[tuple[list[object], str]] = [
        (["--split", 2], "--split 2 cannot be used with --source folder"),
        (["--annotations", hmdb51], "--annotations cannot be used with --source folder"),
        (["--source", "csv"], "--source csv needs a CSV file"),
        (["--source", "hmdb51", "--split", 4], "HMDB51 has the splits 1, 2 and 3"),
    ]
    for options, told in refused:
        result = fame(hmdb51, "-o", tmp_path / "work", *options)
        assert result.exit_code == 2, result.output
        assert told in said(result)
    assert not (tmp_path / "work").exists()


def test_video_that_vanishes_after_indexing_fails_alone(videos: Path, tmp_path: Path) -> None:
    found = index_folder(videos)
    (videos / found.videos[3].path).unlink()
    _, manifest = extract(tmp_path / "work", found, ExtractConfig())
    assert [video.status for video in manifest.videos] == ["ok"] * 3 + ["failed"] + ["ok"] * 6
    assert "No such file" in manifest.videos[3].reason


def test_video_of_diving48_with_another_length_is_told(tmp_path: Path) -> None:
    write_video(tmp_path / "rgb" / "dive.avi", moving_square(40, (1, 200, 1), seed=0))
    for split, rows in {
        "train": '[{"vid_name": "dive", "label": 0, "start_frame": 0, "end_frame": 60}]',
        "test": "[]",
    }.items():
        (tmp_path / f"Diving48_V2_{split}.json").write_text(rows)
    result = fame(tmp_path / "rgb", "-o", tmp_path / "work", "--source", "diving48", "-j", 1)
    assert result.exit_code == 0, result.output
    assert "of a length other than published (1): dive.avi (40 frames, published 60)." in said(result)


def test_names_of_any_bytes_can_be_printed(tmp_path: Path) -> None:
    """Run as a user with a UTF-8 terminal would, where Python refuses to print what is not UTF-8."""
    root = tmp_path / "videos"
    names = ["\udcff\n[bold].avi", "b\x1b[31m.avi"]
    for name in names:
        write_video(tmp_path / "plain.avi", moving_square(9, (1, 200, 1), seed=0))
        root.mkdir(exist_ok=True)
        shutil.copy(tmp_path / "plain.avi", root / name)
    table = tmp_path / "\udcfe.csv"
    table.write_text('path,label,split\n"\udcff\n[bold].avi",,\nb.avi,,train\n', "utf-8", "surrogateescape")
    command = [
        sys.executable,
        "-m",
        "fame_cli",
        "extract",
        root,
        "-o",
        tmp_path / "\udcfd",
        "--source",
        "csv",
    ]
    result = subprocess.run(
        [os.fsencode(part) for part in (*command, "--annotations", table, "--check")],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8:strict", "PYTHONUTF8": "1"},
    )
    assert result.returncode == 1, result.stderr
    assert rb"on disk but not named by \xfe.csv (1): b\x1b[31m.avi." in result.stderr
    assert rb"All names: " in result.stdout
    assert (tmp_path / "\udcfd" / "check.csv").read_bytes() == (
        b"finding,name\nmissing,b.avi\nnot named,b\x1b[31m.avi\n"
    )


def test_manifest_keeps_names_of_any_bytes(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "\udcff\r[1],;!.avi").write_bytes(b"")
    result = fame(tmp_path / "videos", "-o", tmp_path / "work", "-j", 1)
    assert result.exit_code == 1, result.output
    assert r"\xff\r[1],;!.avi: failed" in result.output
    (video,) = read_manifest(tmp_path / "work").videos
    assert video.path == "\udcff\r[1],;!.avi"


@pytest.mark.real
def test_check_of_real_ucf101_counts_what_is_missing(real_data: Path, tmp_path: Path) -> None:
    options = ["--source", "ucf101", "--annotations", real_data / "splits" / "ucf101", "--check"]
    result = fame(real_data / "ucf101", "-o", tmp_path / "work", *options)
    assert result.exit_code == 1
    assert "names 9537 train and 3783 test videos; 22 train and 19 test videos of these are on disk" in said(
        result
    )
    assert "named but not on disk (13279)" in said(result)
