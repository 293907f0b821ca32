"""fame run on small videos: the whole way, once; on after a kill; what it leaves out and what it refuses."""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import moving_square, write_video
from typer.testing import CliRunner

from fame_cli.cli.app import app

RECIPE = """
[masks]
clip_frames = 4
[pretrain]
backbone = "small"
clip_frames = 4
crop_px = 32
batch_size = 4
[pretrain.objective]
name = "moco"
queue_length = 16
[linear]
epochs = 1
clips = 1
train_on = "features"
[retrieval]
clips = 1
[knn]
clips = 1
"""


def fame(code: int, *arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.output


def refused(code: int, *arguments: object) -> str:
    return " ".join(fame(code, *arguments).split())


def commands_in(said: str) -> list[list[str]]:
    """The commands that were printed, as a shell takes them."""
    return [shlex.split(line)[1:] for line in said.splitlines() if line.startswith("    fame ")]


def names_of(commands: list[list[str]]) -> list[str]:
    return [" ".join(words[: 2 if words[0] == "eval" else 1]) for words in commands]


def written(folder: Path) -> dict[Path, int]:
    """When whatever took time was last written."""
    kinds = (
        "*.h5",
        "*.safetensors",
        "results/*.json",
        "cam.png",
        "retrieval.png",
        "report.html",
        "comparison.html",
    )
    return {path: path.stat().st_mtime_ns for kind in kinds for path in folder.rglob(kind)}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a recipe of small networks."""
    monkeypatch.chdir(tmp_path)
    Path("small.toml").write_text(RECIPE)
    return tmp_path


def write_videos(folder: Path, count: int, *, labelled: bool) -> Path:
    for number in range(count):
        colour = (220, 30, 30) if number % 2 else (30, 30, 220)
        path = folder / (("blue", "red")[number % 2] if labelled else "") / f"{number:02d}.avi"
        write_video(path, moving_square(12, colour, seed=number))
    return folder


def test_labelled_videos_without_splits_come_to_a_page_of_two_networks(place: Path) -> None:
    data = write_videos(Path("my videos"), 14, labelled=True)
    words = ["run", data, "-o", "out", "--recipe", "small.toml", "--compare", "moco", "--steps", 2]
    words += ["--device", "cpu", "-j", 1]
    said = fame(0, *words)
    commands = commands_in(said)
    assert names_of(commands) == [
        *("extract", "masks", "pretrain", "pretrain"),
        *("eval linear", "eval retrieval", "eval knn") * 2,
        *("compare", "compare", "compare", "eval bias", *["visualize"] * 3, "report", "report", "report"),
    ]
    assert commands[0] == ["extract", "my videos", "-o", "out/work", "--hold-out", "0.2", "--jobs", "1"]
    asked = (place / "out/runs/MoCo/config.toml").read_text()
    assert 'name = "none"' in asked
    assert "steps = 2" in asked
    bias = next(words for words in commands if words[:2] == ["eval", "bias"])
    assert bias[2:6] == ["out/work", "out/runs/small", "--against", "out/runs/MoCo"]
    assert "small=out/runs/small/results/linear-" in said
    assert said.endswith("All is done. Open out/comparison.html\n")
    assert Path("out/comparison.html").exists()
    assert Path("out/runs/MoCo/report.html").exists()
    assert {path.parts[2] for path in Path("out").glob("runs/*/pictures/retrieval.png")} == {"small", "MoCo"}
    assert Path("out/runs/small/pictures/cam.png").exists()

    before = written(place / "out")
    again = fame(0, *words)
    assert written(place / "out") == before
    # Only comparisons are made again, which keep nothing.
    assert again.count("Nothing to do: ") == len(commands) - 3 + 1
    # Each command can be given by hand, and is the same.
    for command in commands[3:5]:
        assert "Nothing to do" in fame(0, *command)
    assert written(place / "out") == before


@pytest.mark.usefixtures("place")
def test_videos_without_labels_are_learned_from_and_nothing_is_evaluated() -> None:
    data = write_videos(Path("flat"), 9, labelled=False)
    (data / "broken.avi").write_text("no video")
    words = ["run", data, "-o", "out", "--recipe", "small.toml", "--epochs", 1, "--device", "cpu", "-j", 1]
    said = fame(1, *words)
    assert "warning: No video has a label, so probe, retrieval and bias report are left out." in said
    assert names_of(commands_in(said)) == ["extract", "masks", "pretrain", "report"]
    assert "--hold-out" not in said.partition("1/4")[2]
    assert "broken.avi: failed" in said
    assert Path("out/report.html").exists()


def test_killed_in_a_training_it_goes_on_within_it(place: Path) -> None:
    data = write_videos(Path("flat"), 8, labelled=False)
    options = ["--recipe", "small.toml", "--steps", "24", "--device", "cpu", "-j", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "fame_cli", "run", str(data), "-o", "killed", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    metrics = place / "killed/runs/small/metrics.jsonl"
    ending = time.monotonic() + 90
    while not (metrics.exists() and metrics.read_text().count("\n") >= 2):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < ending
        time.sleep(0.005)
    process.kill()
    process.communicate()
    assert not Path("killed/runs/small/backbone.safetensors").exists()

    said = fame(0, "run", data, "-o", "killed", *options)
    assert said.count("Nothing to do: ") == 2
    assert "    fame pretrain killed/work --resume killed/runs/small --recipe small.toml --steps 24" in said
    rows = [json.loads(line) for line in metrics.read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(24))
    assert Path("killed/report.html").exists()


@pytest.mark.usefixtures("place")
def test_dry_run_prints_the_commands_and_writes_nothing(videos: Path) -> None:
    said = fame(0, "run", videos, "-o", "out", "--compare", "ucf101-i3d-be", "--finetune", "--dry-run")
    assert not Path("out").exists()
    assert "Would do: frames of 10 of 10 videos" in said
    commands = commands_in(said)
    assert names_of(commands).count("eval finetune") == 2
    # The videos have splits already, and there are few of them.
    assert commands[0] == ["extract", str(videos), "-o", "out/work"]
    assert "8 videos to learn from, so batches are smaller" in said
    assert commands[2] == ["pretrain", "out/work", "-o", "out/runs/MoCo+FAME", "--batch-size", "8"]
    # A recipe to compare with is trained as long, on clips and batches as large.
    named = "pretrain out/work -o out/runs/ucf101-i3d-be --recipe ucf101-i3d-be --batch-size 8"
    assert " ".join(commands[3]).startswith(named)


def test_another_recipe_in_the_same_folder_reads_frames_and_statistics_of_its_own(place: Path) -> None:
    data = write_videos(Path("flat"), 8, labelled=False)
    (place / "smaller.toml").write_text("[extract]\nshort_side_px = 40\n" + RECIPE)
    for recipe in ("small.toml", "smaller.toml"):
        said = fame(0, "run", data, "-o", "out", "--recipe", recipe, "--steps", 1, "--device", "cpu", "-j", 1)
    [pretrain] = [words for words in commands_in(said) if words[0] == "pretrain"]
    [short] = Path("out/work/frames").glob("short40-*")
    assert pretrain[pretrain.index("--frames") + 1] == short.name
    asked = [(place / f"out/runs/{name}/config.toml").read_text() for name in ("small", "smaller")]
    stores = [re.findall(r'^(?:frames|statistics) = "(\w+-.+)"$', text, re.MULTILINE) for text in asked]
    assert [len(names) for names in stores] == [2, 2]
    assert set(stores[0]).isdisjoint(stores[1])


@pytest.mark.usefixtures("place")
def test_videos_stay_held_out_as_they_were() -> None:
    data = write_videos(Path("videos"), 14, labelled=True)
    fame(0, "extract", data, "-o", "out/work", "--hold-out", 0.4, "-j", 1)
    [extract, *_] = commands_in(fame(0, "run", data, "-o", "out", "--dry-run"))
    assert extract == ["extract", "videos", "-o", "out/work", "--hold-out", "0.4"]


@pytest.mark.usefixtures("place")
def test_a_step_that_fails_ends_it_with_its_own_message_and_exit_code() -> None:
    data = write_videos(Path("flat"), 3, labelled=False)
    said = refused(2, "run", data, "-o", "out", "--recipe", "small.toml", "--device", "cpu", "-j", 1)
    assert "only 3 videos" in said
    assert "Step 3 of 4 ended with exit code 2: fame pretrain out/work -o out/runs/small" in said
    assert "run the same command again to continue" in said
    assert not Path("out/report.html").exists()


@pytest.mark.usefixtures("place")
def test_what_cannot_be_done_is_refused_before_anything_is(
    videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "absent is not a folder" in refused(3, "run", "absent", "-o", "out")
    assert "there is no recipe fancy" in refused(3, "run", videos, "-o", "out", "--recipe", "fancy")
    said = refused(2, "run", videos, "-o", "out", "--compare", "moko")
    assert "--compare moko is neither a method nor a recipe. Did you mean moco?" in said
    for nothing in (["--compare", "fame"], ["--recipe", "ucf101-r2plus1d-moco", "--compare", "moco"]):
        assert "is what is pretrained anyway" in refused(2, "run", videos, "-o", "out", *nothing)
    assert "--epochs is 0; expected at least 1" in refused(2, "run", videos, "-o", "out", "--epochs", 0)
    assert "--hold-out 0.5 does not go with" in refused(2, "run", videos, "-o", "out", "--hold-out", 0.5)
    assert "is the folder of the videos" in refused(2, "run", videos, "-o", videos)
    with monkeypatch.context() as several:
        several.setenv("WORLD_SIZE", "2")
        assert "fame run is one process" in refused(2, "run", videos, "-o", "out")
    assert not Path("out").exists()
    fame(0, "extract", videos, "-o", "work", "-j", 1)
    assert "DATA work is a WORK folder" in refused(2, "run", "work", "-o", "out")
    assert "-o work is a WORK folder" in refused(2, "run", videos, "-o", "work")
    assert not re.search("Traceback", refused(2, "run", "work", "-o", "out"))
