"""Whole commands on small videos: they do what they say, once, and say what is wrong."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import moving_square, write_video
from PIL import Image
from typer.testing import CliRunner, Result

from fame_cli.cli.app import app
from fame_cli.streams import ENDING_SIGNALS

SMALL = [
    *("--backbone", "small", "--clip-frames", 4, "--frame-stride", 2, "--crop-px", 32),
    *("--batch-size", 4, "--queue-length", 16),
]


def fame(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def done(*arguments: object) -> str:
    result = fame(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


def refused(code: int, *arguments: object) -> str:
    result = fame(*arguments)
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


@pytest.fixture
def work(tmp_path: Path, videos: Path) -> Path:
    done("extract", videos, "-o", tmp_path / "work", "-j", 1)
    done("masks", tmp_path / "work", "--clip-frames", 4, "--hop-frames", 4, "-j", 1)
    return tmp_path / "work"


@pytest.fixture
def run(tmp_path: Path, work: Path) -> Path:
    done("pretrain", work, "-o", tmp_path / "run", "--steps", 2, "--device", "cpu", *SMALL)
    return tmp_path / "run"


def pictures(folder: Path) -> dict[str, tuple[int, int]]:
    return {path.name: Image.open(path).size for path in sorted(folder.iterdir())}


def test_from_videos_to_results_and_pictures(work: Path, run: Path) -> None:
    assert (run / "backbone.safetensors").exists()
    cheap = ["--device", "cpu", "--epochs", 2, "--milestones", "1", "--clips", 2, "--learning-rate", 0.1]
    assert "top1" in done("eval", "linear", work, run, *cheap)
    assert "top1" in done("eval", "finetune", work, run, *cheap, "--batch-size", 4)
    assert "R@1" in done("eval", "retrieval", work, run, "--device", "cpu", "--clips", 2)
    results = [json.loads(path.read_text()) for path in sorted((run / "results").glob("*.json"))]
    assert {result["protocol"] for result in results} == {"linear", "finetune", "retrieval"}
    assert all(result["splits"]["test"]["videos"] == 2 for result in results)
    done("visualize", "masks", work, "--count", 3)
    done("visualize", "merge", work, "--count", 2)
    said = done("visualize", "cam", work, run, "--count", 2)
    assert "run: classifier of finetune-" in said
    assert "fame mask, β 0.5" in said
    assert "over 10 clips" in said
    done("visualize", "retrieval", work, run, "--count", 2)
    done("visualize", "curves", run)
    assert set(pictures(work / "pictures")) == {"masks.png", "merge.png", "merge.gif"}
    measured = json.loads((run / "pictures" / "cam.json").read_text())
    (run / "pictures" / "cam.json").unlink()
    assert [mean["percent"] for mean in measured["means"] if mean["model"] == "even activation"] == [50.0]
    assert {mean["map"] for mean in measured["means"]} == {"", "class-agnostic", "predicted class"}
    assert set(pictures(run / "pictures")) == {"cam.png", "cam.gif", "retrieval.png", "curves.png"}


def test_finished_stages_have_nothing_to_do(videos: Path, work: Path, run: Path) -> None:
    assert "Nothing to do" in done("extract", videos, "-o", work, "-j", 1)
    assert "Nothing to do" in done("masks", work, "--clip-frames", 4, "--hop-frames", 4, "-j", 1)
    again = done("pretrain", work, "-o", run, "--steps", 2, "--device", "cpu", *SMALL)
    assert "Nothing to do" in again


def test_changed_option_makes_a_new_result_beside_the_old_one(work: Path) -> None:
    done("masks", work, "--clip-frames", 4, "--hop-frames", 8, "-j", 1)
    assert len(list((work / "statistics").iterdir())) == 2
    said = refused(2, "visualize", "masks", work)
    assert "holds several results" in said
    assert "(hop_frames " in said
    assert "--statistics-store t4" in said


def test_unreadable_video_is_told_and_the_exit_code_says_so(tmp_path: Path) -> None:
    write_video(tmp_path / "videos" / "good.avi", moving_square(9, (1, 200, 1), seed=0))
    (tmp_path / "videos" / "bad.avi").write_text("no video")
    said = refused(1, "extract", tmp_path / "videos", "-o", tmp_path / "work", "-j", 1)
    assert "bad.avi: failed: not a video" in said
    assert "1 ok, 0 partial, 1 failed" in said
    assert "failed,not a video that the decoders can read" in (tmp_path / "work" / "manifest.csv").read_text()
    again = refused(1, "extract", tmp_path / "videos", "-o", tmp_path / "work", "-j", 1)
    assert "Nothing to do" in again


def test_wrong_input_is_named_with_its_exit_code(tmp_path: Path, work: Path, run: Path) -> None:
    assert "is not a folder" in refused(3, "extract", tmp_path / "absent", "-o", tmp_path / "w")
    assert "at least 16 pixels" in refused(2, "extract", tmp_path, "-o", tmp_path / "w", "--short-side-px", 3)
    assert "is not a WORK folder" in refused(4, "masks", tmp_path)
    assert "--beta is 0.0; expected above 0" in refused(
        2, "pretrain", work, "-o", tmp_path / "r", "--beta", 0
    )
    assert "only 8 videos" in refused(
        2, "pretrain", work, "-o", tmp_path / "r", *SMALL, "--batch-size", 64, "--queue-length", 64
    )
    assert "Compute them: fame masks" in refused(4, "pretrain", work, "-o", tmp_path / "r")
    assert "other options: beta was 0.5, is 0.3" in refused(
        2, "pretrain", work, "-o", run, "--steps", 2, "--device", "cpu", *SMALL, "--beta", 0.3
    )
    assert "cannot be used" in refused(
        2, "pretrain", work, "-o", tmp_path / "r", *SMALL, "--device", "abacus"
    )
    assert "fits 0 videos" in refused(3, "visualize", "masks", work, "--video", "zebra")
    assert "holds no result of retrieval" in refused(4, "visualize", "retrieval", work, run)
    assert "is not the folder of a run" in refused(4, "visualize", "curves", tmp_path)
    assert not (tmp_path / "w").exists()
    assert not (tmp_path / "r").exists()


def test_broken_backbone_stops_an_evaluation(work: Path, run: Path) -> None:
    (run / "backbone.safetensors").write_bytes(b"no weights")
    assert "is not what was written" in refused(4, "eval", "retrieval", work, run, "--device", "cpu")


def command(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "fame_cli", *map(str, arguments)],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
        preexec_fn=heed_signals,
    )


def heed_signals() -> None:
    """Let the process heed signals that whoever runs the tests may ignore, as nohup does."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def wait_for(condition: object, process: subprocess.Popen[str], seconds: float = 90) -> None:
    assert callable(condition)
    ending = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < ending, "it never came"
        time.sleep(0.01)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.h5"))}


def test_extraction_killed_in_the_middle_goes_on_to_the_same_end(tmp_path: Path) -> None:
    for number in range(40):
        frames = moving_square(60, (number, 90, 200), seed=number)
        write_video(tmp_path / "videos" / f"{number:02d}.avi", frames)
    done("extract", tmp_path / "videos", "-o", tmp_path / "straight", "-j", 1)
    process = command("extract", tmp_path / "videos", "-o", tmp_path / "killed", "-j", 1)
    wait_for(lambda: list(tmp_path.glob("killed/frames/*/0000[12].json")), process)
    process.kill()
    process.wait()
    finished = {path: path.stat().st_mtime_ns for path in tmp_path.glob("killed/frames/*/*.h5")}
    assert 0 < len(finished) < 5
    assert "kept from before" in done("extract", tmp_path / "videos", "-o", tmp_path / "killed", "-j", 1)
    assert all(path.stat().st_mtime_ns == before for path, before in finished.items())
    [straight], [killed] = (list((tmp_path / work / "frames").iterdir()) for work in ("straight", "killed"))
    assert contents(straight) == contents(killed)
    manifests = [(tmp_path / work / "manifest.csv").read_text() for work in ("straight", "killed")]
    assert manifests[0] == manifests[1]


@pytest.mark.parametrize("how", [signal.SIGKILL, *ENDING_SIGNALS])
def test_pretraining_stopped_in_the_middle_goes_on_to_the_same_end(
    tmp_path: Path, work: Path, how: signal.Signals
) -> None:
    options = ["--steps", 6, "--device", "cpu", "--checkpoint-seconds", 0, *SMALL]
    process = command("pretrain", work, "-o", tmp_path / "stopped", *options)
    metrics = tmp_path / "stopped" / "metrics.jsonl"
    wait_for(lambda: metrics.exists() and len(metrics.read_text().splitlines()) >= 2, process)
    process.send_signal(how)
    process.communicate()
    assert process.returncode == (-how if how == signal.SIGKILL else 130)
    done("pretrain", "--resume", tmp_path / "stopped")
    straight = command("pretrain", work, "-o", tmp_path / "straight", *options)
    assert straight.wait() == 0, straight.communicate()
    rows = [
        [json.loads(line)["loss"] for line in (tmp_path / run / "metrics.jsonl").read_text().splitlines()]
        for run in ("stopped", "straight")
    ]
    assert len(rows[0]) == 6
    assert rows[0] == rows[1]


def test_help_is_quick_to_import_and_complete() -> None:
    program = "import sys; import fame_cli.cli.app\n"
    program += "print(*(name for name in ('torch', 'cv2', 'h5py', 'numpy') if name in sys.modules))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
    top = done("--help")
    for name in ("extract", "masks", "pretrain", "eval", "compare", "visualize", "report", "demo"):
        assert name in top


@pytest.mark.parametrize(
    "name",
    [
        "extract",
        "masks",
        "pretrain",
        "demo",
        "report",
        *(f"eval {protocol}" for protocol in ("linear", "finetune", "retrieval")),
        *(
            f"visualize {picture}"
            for picture in ("masks", "merge", "distractions", "cam", "retrieval", "curves")
        ),
    ],
)
def test_help_of_every_command_has_an_example(name: str) -> None:
    assert f"Example: fame {name} " in " ".join(done(*name.split(), "--help").split())


def test_what_the_system_refuses_is_no_bug(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fails(_: Path) -> None:
        raise PermissionError(13, "Permission denied", "work/source.json")

    monkeypatch.setattr("fame_cli.data.manifest.read_manifest", fails)
    assert "error: work/source.json: Permission denied. Check the path, and who may" in refused(
        2, "masks", tmp_path
    )


def test_a_bug_is_admitted_and_debug_shows_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("fame_cli.data.manifest.read_manifest", fails)
    assert "unexpected error: ZeroDivisionError: oops" in refused(70, "masks", tmp_path)
    monkeypatch.setenv("FAME_DEBUG", "1")
    assert "Traceback" in refused(70, "masks", tmp_path)


def test_sigterm_to_all_processes_of_a_job_saves_the_step(tmp_path: Path, work: Path) -> None:
    options = ["--steps", 500, "--device", "cpu", "--workers", 2, *SMALL]
    process = command("pretrain", work, "-o", tmp_path / "run", *options)
    metrics = tmp_path / "run" / "metrics.jsonl"
    wait_for(lambda: metrics.exists() and len(metrics.read_text().splitlines()) >= 2, process)
    os.killpg(process.pid, signal.SIGTERM)
    process.send_signal(signal.SIGTERM)  # as torchrun passes on what it got itself
    said = "".join(process.communicate())
    assert process.returncode == 130, said
    assert f"Go on: fame pretrain --resume {tmp_path}/run\n" in said
    log = (tmp_path / "run" / "log.txt").read_text()
    assert "interrupted after step" in log


def test_version_is_told() -> None:
    assert done("--version").startswith("fame ")


def test_other_labels_and_splits_of_a_work_are_told(tmp_path: Path, videos: Path) -> None:
    done("extract", videos, "-o", tmp_path / "work", "-j", 1)
    table = tmp_path / "videos.csv"
    names = sorted(str(path.relative_to(videos)) for path in videos.rglob("*.avi"))
    table.write_text("path,label,split\n" + "".join(f"{name},other,train\n" for name in names))
    said = done(
        "extract", videos, "-o", tmp_path / "work", "--source", "csv", "--annotations", table, "-j", 1
    )
    assert f"of another label or split than before ({len(names)})" in said


def test_work_without_its_source_is_listed_anew(tmp_path: Path, videos: Path) -> None:
    done("extract", videos, "-o", tmp_path / "work", "-j", 1)
    (tmp_path / "work" / "source.json").unlink()
    assert "source.json is missing" in refused(4, "masks", tmp_path / "work")
    assert "Rebuilding the list of videos" in done("extract", videos, "-o", tmp_path / "work", "-j", 1)
    assert (tmp_path / "work" / "source.json").exists()


def test_error_ends_a_command_whose_loader_processes_wait(tmp_path: Path, work: Path) -> None:
    for shard in work.glob("frames/*/*.h5"):
        shard.write_bytes(shard.read_bytes()[:100])
    process = command("pretrain", work, "-o", tmp_path / "run", "--device", "cpu", "--workers", 2, *SMALL)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 4, said
    assert "is missing or damaged" in said
    assert "Traceback" not in said


def test_sigterm_to_all_processes_of_an_evaluation_ends_it_in_words(work: Path, run: Path) -> None:
    process = command("eval", "finetune", work, run, "--epochs", 500, "--batch-size", 4, "--workers", 2)
    wait_for(lambda: any(run.glob("evaluations/*/last.pt")), process)
    os.killpg(process.pid, signal.SIGTERM)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "interrupted; finished shards" in said
    assert "Traceback" not in said
