"""A folder of one's own without splits, from videos to figures, by the commands that are named on the way."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from conftest import moving_square, write_video
from typer.testing import CliRunner

from fame_cli.cli.app import app
from fame_cli.data.manifest import read_manifest

SMALL = ["--backbone", "small", "--crop-px", "32", "--queue-length", "8", "--steps", "1", "--device", "cpu"]


def fame(code: int, *arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.output


def add_videos(data: Path, numbers: range) -> None:
    for number in numbers:
        colour = (220, 30, 30) if number % 2 else (30, 30, 220)
        path = data / ("red" if number % 2 else "blue") / f"{number:02d}.avi"
        write_video(path, moving_square(12, colour, seed=number))


def next_command(work: Path) -> list[str]:
    said = fame(0, "status", work)
    [text] = re.findall(r"^Next: fame (.+)$", said, re.MULTILINE)
    printed = ["bash", "-c", f"printf '%s\\n' {text}"]
    return subprocess.run(printed, capture_output=True, text=True, check=True).stdout.splitlines()


def test_videos_without_splits_are_evaluated_on_those_held_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data, work = tmp_path / "videos", Path("my work")
    add_videos(data, range(14))
    assert "Held out by --hold-out 0.4" in fame(0, "extract", data, "-o", work, "--hold-out", 0.4, "-j", 1)
    before = {video.id: video.split for video in read_manifest(work).videos}
    assert set(before.values()) == {"train", "test"}
    add_videos(data, range(14, 16))
    fame(0, "extract", data, "-o", work, "--hold-out", 0.4, "-j", 1)
    assert before.items() <= {video.id: video.split for video in read_manifest(work).videos}.items()

    assert next_command(work) == ["masks", str(work)]
    fame(0, "masks", work, "-j", 1, "--clip-frames", 4)
    words = next_command(work)
    train = sum(video.split == "train" for video in read_manifest(work).videos)
    assert words == [
        *("pretrain", str(work), "-o", "run", "--clip-frames", "4", "--batch-size"),
        str(2 ** (train.bit_length() - 1)),
    ]
    fame(0, *words, *SMALL)
    said = " ".join(fame(0, "eval", "knn", work, "run", "--clips", 1, "--device", "cpu").split())
    assert "The splits are no official ones: fame extract --hold-out 0.4 drew about 40%" in said
    [result] = Path("run/results").glob("knn-*.json")
    assert json.loads(result.read_text())["splits"]["source"]["hold_out"] == 0.4
    assert "(40% held out)" in fame(0, "compare", "run")

    # What is lost is listed again with the same splits.
    (work / "manifest.csv").unlink()
    said = fame(4, "masks", work, "-j", 1)
    assert "--hold-out 0.4" in said
    said = fame(0, "extract", data, "-o", work, "--hold-out", 0.4, "-j", 1)
    assert before.items() <= {video.id: video.split for video in read_manifest(work).videos}.items()
    said = " ".join(fame(0, "extract", data, "-o", work, "-j", 1).split())
    assert "give the --source, --annotations, --split and --hold-out of before" in said


def test_options_and_beginnings_of_names_choose_a_store(tmp_path: Path) -> None:
    data, work = tmp_path / "videos", tmp_path / "work"
    add_videos(data, range(4))
    fame(0, "extract", data, "-o", work, "-j", 1)
    for options in (["--motion", "plain"], ["--motion", "compensated"], ["--clip-frames", 6]):
        fame(0, "masks", work, "--clip-frames", 4, "-j", 1, *options)
    small = [*SMALL, "--batch-size", 4, "--clip-frames", 4]
    said = " ".join(fame(2, "pretrain", work, "-o", tmp_path / "run", *small).split())
    assert "holds several results" in said
    assert "(motion plain)" in said
    assert "t6" not in said
    fame(0, "pretrain", work, "-o", tmp_path / "run", *small, "--motion", "compensated")
    asked = (tmp_path / "run" / "config.toml").read_text()
    [name] = re.findall(r'^statistics = "(t4-.+)"$', asked, re.MULTILINE)
    stage = json.loads((work / "statistics" / name / "stage.json").read_text())
    assert stage["configuration"]["motion"] == "compensated"
    fame(0, "pretrain", work, "-o", tmp_path / "six", *SMALL, "--batch-size", 4, "--clip-frames", 6)
    fame(0, "visualize", "masks", work, "--count", 1, "--statistics-store", "t6")
    assert "several names start with it: t4-" in fame(
        2, "visualize", "masks", work, "--count", 1, "--statistics-store", "t4"
    )
    six = [*SMALL, "--batch-size", 4, "--clip-frames", 6, "--motion", "compensated"]
    said = fame(4, "pretrain", work, "-o", tmp_path / "x", *six)
    assert f"fame masks {work} --clip-frames 6 --frame-stride 2 --motion compensated" in said
    assert "--hold-out is 1.0; expected above 0, at most 0.9" in fame(
        2, "extract", data, "-o", work, "--hold-out", 1
    )
