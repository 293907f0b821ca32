"""Slices of a stage share its work among the jobs of a batch scheduler, and the last one completes it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import killed_stage
import pytest
from typer.testing import CliRunner

from fame_cli import stage
from fame_cli.cli.app import app
from fame_cli.cli.workers import choose_workers, parse_slice
from fame_cli.data.manifest import read_manifest
from fame_cli.errors import ConfigurationError, FameError
from fame_cli.lock import Slice, holders, locked
from fame_cli.shard import Shard
from fame_cli.stage import SliceDoneError, Workers


def write_text(path: Path, task: str) -> dict[str, Any]:
    path.write_text(task)
    return {"length": len(task)}


def run(folder: Path, part: Slice, texts: str = "abcde") -> stage.Report:
    shards = [Shard(f"{number:05d}", text, 1, text) for number, text in enumerate(texts)]
    return stage.run(folder, "text", {}, shards, write_text, workers=Workers(slice=part), in_process=True)


def names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.h5"))


def test_slices_share_the_work_and_the_last_one_completes_it(tmp_path: Path) -> None:
    with pytest.raises(
        SliceDoneError, match=r"Slice 2/2 is done \(2 shards made now\)\. Of all 5 shards, 3 are"
    ):
        run(tmp_path, (2, 2))
    assert names(tmp_path) == ["00001", "00003"]
    assert not stage.is_complete(tmp_path)
    report = run(tmp_path, (1, 2))
    assert (report.made, len(report.summaries)) == (3, 5)
    assert stage.is_complete(tmp_path)
    assert run(tmp_path, (1, 1)).made == 0


def test_sliced_stage_is_the_same_as_a_whole_one(tmp_path: Path) -> None:
    run(tmp_path / "whole", (1, 1))
    for number in (3, 1):
        with pytest.raises(SliceDoneError, match="is not complete"):
            run(tmp_path / "sliced", (number, 3))
    run(tmp_path / "sliced", (2, 3))
    described = [stage.read_description(tmp_path / name) for name in ("whole", "sliced")]
    assert described[0] == described[1]


def test_slice_with_nothing_to_do_completes_a_stage_whose_shards_are_all_done(tmp_path: Path) -> None:
    run(tmp_path, (1, 1))
    description = stage.read_description(tmp_path)
    (tmp_path / "stage.json").unlink()
    assert run(tmp_path, (2, 2)).made == 0
    assert stage.read_description(tmp_path) == description


def test_more_slices_than_shards_do_no_harm(tmp_path: Path) -> None:
    with pytest.raises(SliceDoneError, match="0 shards made now"):
        run(tmp_path, (9, 9), texts="ab")
    for number in range(1, 9):
        if number == 1:
            with pytest.raises(SliceDoneError, match="1 are left"):
                run(tmp_path, (number, 9), texts="ab")
        else:
            run(tmp_path, (number, 9), texts="ab")
    assert stage.is_complete(tmp_path)


def test_slices_at_the_same_time_end_like_a_straight_run(tmp_path: Path) -> None:
    def one(number: int) -> bool:
        try:
            return killed_stage.run(tmp_path, Workers(slice=(number, 3))).made == 20
        except SliceDoneError:
            return False

    with ThreadPoolExecutor(3) as threads:
        completed = list(threads.map(one, [1, 2, 3]))
    assert any(completed)
    assert stage.is_complete(tmp_path)
    assert killed_stage.run(tmp_path, stage.ONE_PROCESS).made == 0


@pytest.mark.parametrize(
    ("held", "asked", "told"),
    [
        ((1, 2), (1, 2), r"slice 1/2 of .* is being worked on by process \d+ on .* \(slice 1/2\)"),
        ((1, 2), (1, 1), r"is being worked on by process \d+ on .* \(slice 1/2\)"),
        ((1, 1), (1, 2), r"is being worked on by process \d+ on "),
        ((1, 2), (2, 3), r"is being worked on by process .*\(slice 1/2\)"),
    ],
)
def test_what_stands_against_each_other_is_refused(
    tmp_path: Path, held: Slice, asked: Slice, told: str
) -> None:
    with locked(tmp_path, held), pytest.raises(FameError, match=told):
        run(tmp_path, asked)
    assert names(tmp_path) == []


def test_other_slices_do_not_stand_in_the_way(tmp_path: Path) -> None:
    with locked(tmp_path, (1, 3)), locked(tmp_path, (3, 3)):
        assert len(holders(tmp_path)) == 2
        with pytest.raises(SliceDoneError, match="3 are left"):
            run(tmp_path, (2, 3))
    assert holders(tmp_path) == ()


def test_slice_leaves_alone_what_others_are_writing(tmp_path: Path) -> None:
    mine, other = tmp_path / ".00001.h5.elsewhere-7.tmp", tmp_path / ".00002.h5.elsewhere-7.tmp"
    mine.write_text("left by a job that was killed")
    other.write_text("being written now")
    (tmp_path / ".stage.json.elsewhere-7.tmp").write_text("being written now")
    with pytest.raises(SliceDoneError, match="are left"):
        run(tmp_path, (2, 2))
    assert (mine.exists(), other.exists()) == (False, True)
    run(tmp_path, (1, 1))
    assert [path.name for path in tmp_path.glob(".*.tmp")] == []


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "1/0", "-1/4", "a/b", "1/4/2", " 1/4"])
def test_what_is_no_slice_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a slice"):
        parse_slice(text)


def test_options_that_do_not_go_together_are_refused() -> None:
    assert choose_workers(3, "processes", "", "2/4") == Workers(3, slice=(2, 4))
    with pytest.raises(ConfigurationError, match="--address tcp://a:1 does not go with"):
        choose_workers(None, "processes", "tcp://a:1", "")
    with pytest.raises(ConfigurationError, match="--jobs 2 does not go with --backend dask"):
        choose_workers(2, "dask", "tcp://a:1", "")
    with pytest.raises(ConfigurationError, match="needs the address"):
        choose_workers(None, "dask", "", "")


@pytest.fixture
def fame() -> Callable[..., str]:
    def call(*arguments: object) -> str:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exit_code == 0, result.output
        return " ".join(result.output.split())

    return call


def test_commands_in_slices_make_what_a_whole_command_makes(
    tmp_path: Path, videos: Path, fame: Callable[..., str]
) -> None:
    whole, sliced = tmp_path / "whole", tmp_path / "sliced"
    clips = ["--clip-frames", 4, "-j", 1]
    fame("extract", videos, "-o", whole, "-j", 1)
    fame("masks", whole, *clips)
    assert "1 are left to other slices" in fame("extract", videos, "-o", sliced, "--slice", "1/2", "-j", 1)
    assert {video.status for video in read_manifest(sliced).videos} == {"pending"}
    assert "10 videos, 400 frames" in fame("extract", videos, "-o", sliced, "--slice", "2/2", "-j", 1)
    assert read_manifest(sliced) == read_manifest(whole)
    # A slice that is done again keeps what is known of all videos.
    assert "Nothing to do" in fame("extract", videos, "-o", sliced, "--slice", "1/2", "-j", 1)
    assert read_manifest(sliced) == read_manifest(whole)
    assert "is not complete" in fame("masks", sliced, *clips, "--slice", "1/2")
    assert "Done" in fame("masks", sliced, *clips, "--slice", "2/2")
    for kind in ("frames", "statistics"):
        [first], [second] = (list((work / kind).iterdir()) for work in (whole, sliced))
        assert stage.read_description(first) == stage.read_description(second)
