"""The stage mechanism: done once, whole or not at all, made again where damaged."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from fame_cli import stage
from fame_cli.errors import ArtefactError, FameError
from fame_cli.shard import Shard


def write_text_shard(path: Path, task: Any) -> dict[str, Any]:
    if task.get("aborts") and not task.get("careful"):
        os.abort()
    path.write_text(task["text"])
    with Path(task["log"]).open("a") as log:
        log.write(task["text"] + "\n")
    return {"length": len(task["text"])}


def make_shards(tmp_path: Path, texts: list[str], **extra: Any) -> list[Shard]:
    log = str(tmp_path / "log.txt")
    return [
        Shard(f"{number:05d}", f"in-{text}", 1, {"text": text, "log": log, **extra})
        for number, text in enumerate(texts)
    ]


def run(tmp_path: Path, shards: list[Shard], **options: Any) -> stage.Report:
    return stage.run(tmp_path / "out", "text", {"a": 1}, shards, write_text_shard, in_process=True, **options)


def computed(tmp_path: Path) -> list[str]:
    return (tmp_path / "log.txt").read_text().split()


def test_second_run_computes_nothing(tmp_path: Path) -> None:
    shards = make_shards(tmp_path, ["x", "yy"])
    assert run(tmp_path, shards).made == 2
    report = run(tmp_path, shards)
    assert (report.made, report.kept) == (0, 2)
    assert computed(tmp_path) == ["x", "yy"]
    assert [summary["length"] for summary in report.summaries] == [1, 2]


def test_changed_input_makes_only_its_own_shard_again(tmp_path: Path) -> None:
    run(tmp_path, make_shards(tmp_path, ["x", "y"]))
    report = run(tmp_path, make_shards(tmp_path, ["x", "z"]))
    assert (report.made, report.remade) == (1, ("00001",))
    assert computed(tmp_path) == ["x", "y", "z"]


@pytest.mark.parametrize("damage", ["truncate", "flip", "remove", "receipt"])
def test_damaged_shard_is_named_and_made_again(tmp_path: Path, damage: str) -> None:
    shards = make_shards(tmp_path, ["hello", "world"])
    run(tmp_path, shards)
    path = tmp_path / "out" / "00001.h5"
    if damage == "truncate":
        path.write_text("wor")
    elif damage == "flip":
        path.write_text("wOrld")
    elif damage == "remove":
        path.unlink()
    else:
        path.with_suffix(".json").write_text("{")
    report = run(tmp_path, shards)
    assert report.remade == ("00001",)
    assert path.read_text() == "world"


def test_touched_but_equal_shard_is_kept(tmp_path: Path) -> None:
    shards = make_shards(tmp_path, ["hello"])
    run(tmp_path, shards)
    os.utime(tmp_path / "out" / "00000.h5", (1, 1))
    assert run(tmp_path, shards).made == 0


def test_failed_computation_leaves_no_shard_and_no_leftover(tmp_path: Path) -> None:
    def fails(path: Path, _task: Any) -> dict[str, Any]:
        path.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(FameError, match="the disk is full"):
        stage.run(tmp_path / "out", "text", {}, make_shards(tmp_path, ["x"]), fails, in_process=True)
    assert not [path.name for path in (tmp_path / "out").iterdir() if "00000" in path.name]
    assert not stage.is_complete(tmp_path / "out")


def test_leftover_of_a_killed_process_is_not_taken_for_a_shard(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".00000.h5.123.tmp").write_text("half")
    assert run(tmp_path, make_shards(tmp_path, ["x"])).made == 1
    assert not list((tmp_path / "out").glob(".*.tmp"))


def test_shards_past_the_end_of_a_shorter_manifest_are_removed(tmp_path: Path) -> None:
    run(tmp_path, make_shards(tmp_path, ["x", "y"]))
    stage.run(
        tmp_path / "out", "text", {"a": 1}, make_shards(tmp_path, ["q"]), write_text_shard, in_process=True
    )
    assert sorted(path.name for path in (tmp_path / "out").glob("0*")) == ["00000.h5", "00000.json"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_crash_of_a_worker_is_survived_by_every_other_shard(tmp_path: Path, jobs: int) -> None:
    shards = make_shards(tmp_path, ["a", "b", "c", "d"])
    shards[1].task["aborts"] = True
    report = stage.run(
        tmp_path / "out",
        "text",
        {},
        shards,
        write_text_shard,
        workers=stage.Workers(jobs),
        after_crash=lambda task: {**task, "careful": True},
    )
    assert report.made == 4
    assert [(tmp_path / "out" / f"{n:05d}.h5").read_text() for n in range(4)] == ["a", "b", "c", "d"]


def test_second_process_on_the_same_folder_is_told_so(tmp_path: Path) -> None:
    with (
        stage.locked(tmp_path),
        pytest.raises(FameError, match=f"process {os.getpid()}"),
        stage.locked(tmp_path),
    ):
        pass


def test_other_schema_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "stage.json").write_text(json.dumps({"schema_version": 99}))
    with pytest.raises(ArtefactError, match="schema version 99"):
        stage.read_description(tmp_path)


def test_result_for_another_parent_is_not_complete(tmp_path: Path) -> None:
    run(tmp_path, make_shards(tmp_path, ["x"]), parent="old")
    assert stage.read_description(tmp_path / "out").parent == "old"
    assert run(tmp_path, make_shards(tmp_path, ["x"]), parent="new").made == 0
    assert stage.is_complete(tmp_path / "out")
    assert stage.read_description(tmp_path / "out").parent == "new"


def test_what_a_stage_says_of_itself_is_put_right_and_its_maker_stays(tmp_path: Path) -> None:
    run(tmp_path, make_shards(tmp_path, ["x"]), versions={"decoder": "1"})
    path = tmp_path / "out" / "stage.json"
    path.write_text(path.read_text().replace('"configuration": {', '"configuration": {"odd": 1,'))
    with pytest.raises(ArtefactError, match="it was damaged or changed by hand"):
        stage.read_description(tmp_path / "out")
    assert run(tmp_path, make_shards(tmp_path, ["x"]), versions={"decoder": "1"}).made == 0
    assert "odd" not in stage.read_description(tmp_path / "out").configuration
    before = path.stat().st_mtime_ns
    assert run(tmp_path, make_shards(tmp_path, ["x"]), versions={"decoder": "2"}).made == 0
    assert path.stat().st_mtime_ns == before


def test_content_fingerprint_tells_results_apart(tmp_path: Path) -> None:
    run(tmp_path, make_shards(tmp_path, ["x"]))
    before = stage.read_description(tmp_path / "out").content
    run(tmp_path, make_shards(tmp_path, ["y"]))
    assert before
    assert stage.read_description(tmp_path / "out").content != before
