"""``fame status``: how far the stages of a WORK folder are, told without reading what they hold."""

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fame_cli import stage
from fame_cli.cli.app import app
from fame_cli.cli.status import age
from fame_cli.config import ExtractConfig, StatisticsConfig
from fame_cli.data.manifest import Manifest, Video, write_manifest
from fame_cli.inventory import take_inventory
from fame_cli.lock import locked
from fame_cli.shard import Shard, Summary


def write_fake(path: Path, task: list[str]) -> Summary:
    path.write_bytes(b"pixels")
    return {"videos": [{"status": status} for status in task]}


def make_work(work: Path, statuses: list[str], kind: str = "frames", **options: object) -> Path:
    """A WORK folder of videos that became what ``statuses`` says, and a stage of it with empty shards."""
    videos = [
        Video(f"{number}.avi", f"{number}.avi", split=("train", "test")[number % 2], status=status)  # type: ignore[arg-type]
        for number, status in enumerate(statuses)
    ]
    manifest = Manifest(Path("/videos"), {"source": "ucf101", "split": 2, "named": 9}, tuple(videos))
    work.mkdir(exist_ok=True)
    write_manifest(work, manifest)
    if kind == "frames":
        configuration, parent = ExtractConfig(**options).to_dict(), manifest.fingerprint  # type: ignore[arg-type]
    else:
        configuration = StatisticsConfig(**options).to_dict()  # type: ignore[arg-type]
        parent = take_inventory(work).stages[0].description.content  # type: ignore[union-attr]
    shards = [
        Shard(f"{start // 8:05d}", "in", 8, statuses[start : start + 8])
        for start in range(0, len(statuses), 8)
    ]
    folder = stage.stage_folder(work / kind, "store", configuration)
    stage.run(folder, kind, configuration, shards, write_fake, parent=parent, in_process=True)
    return folder


def told(work: Path) -> str:
    result = CliRunner().invoke(app, ["status", str(work)], env={"COLUMNS": "80"})
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def test_videos_are_counted_by_split_and_status(tmp_path: Path) -> None:
    make_work(tmp_path / "w", ["ok", "ok", "failed", "partial", "pending", "ok"])
    said = told(tmp_path / "w")
    assert "│ test │ 3 │ 2 │ 1 │ 0 │ 0 │" in said
    assert "│ train │ 3 │ 1 │ 0 │ 1 │ 1 │" in said


def test_complete_stage_is_told_with_its_failures_size_and_age(tmp_path: Path) -> None:
    folder = make_work(tmp_path / "w", ["ok"] * 15 + ["partial", "failed"])
    said = told(tmp_path / "w")
    assert folder.name in said
    assert "3/3 │ complete" in said
    assert "1 videos failed" in said
    assert "1 videos partial" in said
    assert re.search(r"KiB │ \d+ s", said)  # its age is that of this test
    assert "To complete" not in said


def test_missing_and_damaged_shards_are_counted_and_the_command_is_named(tmp_path: Path) -> None:
    folder = make_work(tmp_path / "w", ["ok"] * 40, jpeg_quality=80)
    (folder / "00001.h5").unlink()
    (folder / "00002.json").unlink()
    (folder / "00003.h5").write_bytes(b"pix")
    (folder / "00004.json").write_text("")
    [state] = take_inventory(tmp_path / "w").stages
    assert (state.done, state.missing, state.damaged) == (1, ("00001", "00002"), ("00003", "00004"))
    said = told(tmp_path / "w")
    assert "1/5 │ unfinished" in said
    assert "2 missing" in said
    assert "2 damaged" in said
    assert f"fame extract /videos -o {tmp_path}/w --source ucf101 --split 2 --jpeg-quality 80" in said
    assert "--named" not in said


def test_stage_of_other_videos_is_out_of_date(tmp_path: Path) -> None:
    make_work(tmp_path / "w", ["ok"] * 8)
    [state] = take_inventory(tmp_path / "w").stages
    description = dataclasses.replace(state.description, parent="of other videos")  # type: ignore[type-var]
    stage.write_description(state.folder, description)  # type: ignore[arg-type]
    assert "out of date" in told(tmp_path / "w")


def test_statistics_name_their_frame_store_where_there_are_two(tmp_path: Path) -> None:
    first = make_work(tmp_path / "w", ["ok"] * 8)
    statistics = make_work(tmp_path / "w", ["ok"] * 8, "statistics", clip_frames=8)
    (statistics / "00000.h5").unlink()
    assert f"fame masks {tmp_path}/w --clip-frames 8" in told(tmp_path / "w")
    other = make_work(tmp_path / "w", ["ok", "failed"] * 8, short_side_px=64)
    stage.write_description(
        first,
        dataclasses.replace(
            stage.read_description(first), parent=take_inventory(tmp_path / "w").manifest.fingerprint
        ),
    )
    assert other != first
    assert f"fame masks {tmp_path}/w --frames {first.name} --clip-frames 8" in told(tmp_path / "w")


def test_running_stage_is_told_with_who_runs_it(tmp_path: Path) -> None:
    folder = make_work(tmp_path / "w", ["ok"])
    with locked(folder):
        said = told(tmp_path / "w")
    assert "running" in said
    assert f"is being worked on by process {os.getpid()} on " in said
    with locked(folder, (2, 4)):
        assert "(slice 2/4)" in told(tmp_path / "w")
    assert "being worked on" not in told(tmp_path / "w")


def test_stage_killed_before_it_described_itself_is_unfinished(tmp_path: Path) -> None:
    folder = make_work(tmp_path / "w", ["ok"])
    (folder / "stage.json").unlink()
    assert "unfinished" in told(tmp_path / "w")
    assert f"fame extract /videos -o {tmp_path}/w --source ucf101 --split 2" in told(tmp_path / "w")


def test_run_is_told_by_its_last_whole_step(tmp_path: Path) -> None:
    row = {"step": 999, "epoch": 4, "loss": 6.5, "chance": 7.6}
    (tmp_path / "config.toml").touch()
    assert "stopped" in told(tmp_path)
    (tmp_path / "metrics.jsonl").write_text("junk\n" * 2000 + json.dumps(row) + '\n{"step": 10')
    assert "step │ 1000" in told(tmp_path)
    assert "epoch │ 5" in told(tmp_path)
    assert "6.500 (7.600)" in told(tmp_path)
    assert "stopped" in told(tmp_path)
    assert "checkpoint │ none" in told(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.pt").touch()
    with locked(tmp_path):
        assert "running" in told(tmp_path)
    assert re.search(r"checkpoint │ \d+ s ago", told(tmp_path))  # a busy machine takes its time


def test_four_thousand_videos_open_no_shard_and_import_nothing_heavy(tmp_path: Path) -> None:
    folder = make_work(tmp_path / "w", ["ok"] * 64)
    for path in folder.glob("*.h5"):
        path.chmod(0)
    program = "import sys; from pathlib import Path; from fame_cli.cli.app import app\n"
    program += f"app(['status', {str(tmp_path / 'w')!r}], standalone_mode=False)\n"
    program += (
        "import json; print(json.dumps([name for name in ('torch', 'cv2', 'h5py') if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_folder_that_is_none_of_ours_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["status", str(tmp_path)])
    assert result.exit_code == 4
    assert "is not a WORK folder" in result.output


@pytest.mark.parametrize(
    ("seconds", "text"), [(5, "5 s"), (125, "2 min"), (7300, "2 h"), (86400 * 3.5, "3 d")]
)
def test_age_is_told_in_its_largest_unit(seconds: float, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1e9)
    assert age(1e9 - seconds) == text
    assert age(None) == ""


def test_run_is_told_by_its_last_step_that_can_be_read(tmp_path: Path) -> None:
    row = {"step": 9, "epoch": 0, "loss": 6.5, "chance": 7.6}
    (tmp_path / "config.toml").touch()
    (tmp_path / "metrics.jsonl").write_text(json.dumps(row) + "\n{bad\n3\n")
    assert "step │ 10" in told(tmp_path)
