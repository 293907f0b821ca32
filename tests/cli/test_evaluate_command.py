"""``fame eval`` as it is typed: tables, second runs, and what is said of wrong input."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
import typer
from conftest import write_video
from typer.testing import CliRunner, Result

from fame_cli.cli import console
from fame_cli.cli.evaluate import finetune, linear, retrieval
from fame_cli.config import ExtractConfig
from fame_cli.data.frames import extract
from fame_cli.data.manifest import write_manifest
from fame_cli.data.sources.folder import index_folder
from fame_cli.data.sources.ucf101 import index_ucf101
from fame_cli.evaluation.evaluation import random_weights
from fame_cli.learning.checkpoint import save_backbone, write_safetensors

app = typer.Typer()
for command in (linear, finetune, retrieval):
    app.command(command.__name__)(console.guard(command))

Invoke = Callable[..., Result]
TINY = ("--clips", "2", "--epochs", "2", "--batch-size", "4")
COLOURS = {"blue": (20, 20, 230), "red": (230, 20, 20)}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three training videos and a test video of either colour."""
    folder = tmp_path_factory.mktemp("command")
    for label, colour in COLOURS.items():
        for clip in range(4):
            split = "train" if clip < 3 else "test"
            frames = torch.tensor(colour, dtype=torch.uint8).expand(12 + clip, 48, 64, 3).numpy()
            write_video(folder / "videos" / split / label / f"{clip}.avi", frames)
    return make_work(folder / "work", folder / "videos")


def make_work(work: Path, videos: Path) -> Path:
    work.mkdir()
    _, manifest = extract(work, index_folder(videos), ExtractConfig(short_side_px=32))
    write_manifest(work, manifest)
    return work


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder as a pretraining leaves it."""
    folder = tmp_path / "run"
    folder.mkdir()
    clips = {"clip_frames": "4", "frame_stride": "2", "crop_px": "16"}
    save_backbone(folder / "backbone.safetensors", random_weights("small", 7).backbone, "small", clips)
    return folder


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def said(result: Result) -> str:
    """All that was printed, on one line."""
    return " ".join(result.output.split())


def error_of(result: Result, code: int) -> str:
    assert result.exit_code == code, result.output
    return said(result)


@pytest.mark.parametrize(
    ("arguments", "figures"),
    [
        (("linear", *TINY), ["top1", "top5 (k = 2)", "clip_top1"]),
        (("linear", "--train-on", "features", *TINY), ["top1"]),
        (("finetune", "--learning-rate", "0.01", *TINY), ["top1", "clip_top1"]),
        (("retrieval", "--clips", "2"), ["R@1", "R@5", "R@50 (k = 6)"]),
    ],
)
def test_command_prints_keys_table_and_result_and_does_it_once(
    work: Path, run: Path, arguments: tuple[str, ...], figures: list[str]
) -> None:
    protocol, *options = arguments
    first = invoke(protocol, work, run, *options)
    assert first.exit_code == 0, first.output
    assert "24 backbone keys matched, 0 missing, 0 unexpected" in said(first)
    assert "Done in" in said(first)
    assert all(figure in said(first) for figure in figures)
    assert "2 clips a video" in said(first)
    assert ("mean of 2 learned classes with test videos" in said(first)) == (protocol != "retrieval")
    (path,) = (run / "results").glob(f"{protocol}-*.json")
    record = json.loads(path.read_text())
    assert record["configuration"]["clip_frames"] == 4
    assert record["configuration"]["crop_px"] == 16
    assert record["weights"]["path"] == "backbone.safetensors"
    assert record["weights"]["keys"] == {"matched": 24, "missing": 0, "unexpected": 0}
    before = path.read_bytes()
    again = invoke(protocol, work, run, *options)
    assert again.exit_code == 0, again.output
    assert "Nothing to do: already evaluated" in said(again)
    assert all(figure in said(again) for figure in figures)
    assert path.read_bytes() == before


def test_untrained_network_is_evaluated_into_a_new_folder(work: Path, tmp_path: Path) -> None:
    clips = ("--clip-frames", "4", "--crop-px", "16", "--clips", "2")
    run = tmp_path / "baselines" / "random"
    result = invoke("retrieval", work, run, "--weights", "random", "--backbone", "small", *clips)
    assert result.exit_code == 0, result.output
    assert "untrained small (the baseline)" in said(result)
    (path,) = (run / "results").glob("*.json")
    assert json.loads(path.read_text())["weights"] | {"fingerprint": ""} == {
        "path": "random",
        "backbone": "small",
        "fingerprint": "",
        "keys": None,
    }


def test_weights_of_another_place_are_evaluated_by_their_path(work: Path, run: Path, tmp_path: Path) -> None:
    weights = run / "backbone.safetensors"
    result = invoke("retrieval", work, tmp_path / "other", "--weights", weights, "--clips", "1")
    assert result.exit_code == 0, result.output
    (path,) = (tmp_path / "other" / "results").glob("*.json")
    assert json.loads(path.read_text())["weights"]["path"] == str(weights)


def test_backbone_with_a_missing_key_is_not_evaluated(work: Path, run: Path) -> None:
    path = run / "backbone.safetensors"
    tensors = safetensors.torch.load_file(path)
    del tensors["layers.0.weight"]
    write_safetensors(path, tensors, {"backbone": "small"})
    result = invoke("linear", work, run, *TINY)
    assert "23 backbone keys matched, 1 missing" in error_of(result, 4)
    assert not (run / "results").exists()


def test_folders_of_the_wrong_kind_are_told_from_right_ones(work: Path, run: Path, tmp_path: Path) -> None:
    assert "is a WORK folder: it holds a manifest.csv" in error_of(invoke("linear", work, work), 2)
    assert "expected a WORK folder" in error_of(invoke("linear", run, run), 4)
    assert "is not a folder" in error_of(invoke("linear", work, tmp_path / "none"), 3)
    assert "is not a folder" in error_of(
        invoke("linear", work, run / "backbone.safetensors", "--weights", "random", "--backbone", "small"), 3
    )
    (tmp_path / "begun").mkdir()
    assert "holds no backbone.safetensors" in error_of(invoke("linear", work, tmp_path / "begun"), 4)


def test_damaged_result_is_not_replaced_in_silence(work: Path, run: Path) -> None:
    invoke("retrieval", work, run, "--clips", "1")
    (path,) = (run / "results").glob("*.json")
    path.write_text("{")
    assert "is not what was written" in error_of(invoke("retrieval", work, run, "--clips", "1"), 4)
    assert path.read_text() == "{"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--weights", "random"), "--weights random does not say which network"),
        (("--backbone", "small"), "--backbone goes with --weights random"),
        (("--milestones", "60;80"), "--milestones is '60;80'; expected integers of at least 0 with commas"),
        (("--sweep", "3,0"), "--sweep is (3.0, 0.0); expected numbers above 0 with commas between"),
        (("--learning-rate", "fast"), "--learning-rate is 'fast'; expected a number of at least 0"),
        (("--weight-decay", "inf"), "--weight-decay is inf; expected a number of at least 0"),
        (("--epochs", "1e20"), "--epochs is '1e20'; expected an integer of at least 1"),
        (("--seed", "-1"), "--seed is -1; expected at least 0"),
        (("--precision", "bf61"), "--precision is 'bf61'; expected fp32 or bf16. Did you mean bf16?"),
        (("--epochs", "0"), "--epochs is 0; expected at least 1"),
        (("--crop-px", "4"), "--crop-px is 4; expected at least 16 pixels"),
        (("--device", "cuda:99"), "--device cuda:99 cannot be used"),
        (("--test-split", "train"), "are both 'train'"),
        (("--frames", "short-none"), "has no such folder"),
    ],
)
def test_option_that_cannot_be_is_an_error_of_usage(
    work: Path, run: Path, options: tuple[str, ...], message: str
) -> None:
    assert message in error_of(invoke("linear", work, run, *options), 2)
    assert not (run / "results").exists()


def test_no_split_no_label_and_one_class_are_errors_of_the_data(
    work: Path, run: Path, tmp_path: Path
) -> None:
    assert "no video is of split 'val'" in error_of(invoke("linear", work, run, "--test-split", "val"), 3)
    videos = work.parent / "videos"
    shutil.copytree(videos / "train" / "red", tmp_path / "one" / "train" / "red")
    shutil.copytree(videos / "test", tmp_path / "one" / "test")
    one = make_work(tmp_path / "one class", tmp_path / "one")
    assert "all 3 videos of split 'train' have the label 'red'" in error_of(invoke("linear", one, run), 3)
    shutil.copytree(videos / "train" / "red", tmp_path / "flat")
    flat = make_work(tmp_path / "no label", tmp_path / "flat")
    assert "no video is of split 'train'; there are 3 of ''" in error_of(invoke("linear", flat, run), 3)


def test_label_never_seen_in_training_is_named_beside_the_table(
    work: Path, run: Path, tmp_path: Path
) -> None:
    shutil.copytree(work.parent / "videos", tmp_path / "videos")
    (tmp_path / "videos" / "test" / "blue").rename(tmp_path / "videos" / "test" / "mauve")
    other = make_work(tmp_path / "unseen", tmp_path / "videos")
    result = invoke("linear", other, run, "--train-on", "features", *TINY)
    assert result.exit_code == 0, result.output
    assert "1 of 2 test videos have a label that no training video has and count as wrong: mauve" in said(
        result
    )


REAL_CLASSES = ("Biking", "BoxingSpeedBag", "Diving", "LongJump")


@pytest.mark.real
def test_all_three_protocols_run_on_real_clips(real_data: Path, tmp_path: Path) -> None:
    for name in REAL_CLASSES:
        shutil.copytree(real_data / "ucf101" / name, tmp_path / "videos" / name)
    found = index_ucf101(tmp_path / "videos", real_data / "splits" / "ucf101", 1)
    work = tmp_path / "work"
    work.mkdir()
    _, manifest = extract(work, found, ExtractConfig(short_side_px=64))
    write_manifest(work, manifest)
    weights = ("--weights", "random", "--backbone", "small")
    clips = ("--clips", "3", "--clip-frames", "8", "--crop-px", "48")
    for protocol in ("linear", "finetune", "retrieval"):
        training = () if protocol == "retrieval" else ("--epochs", "2", "--batch-size", "8")
        result = invoke(protocol, work, tmp_path / "run", *weights, *clips, *training)
        assert result.exit_code == 0, result.output
        (path,) = (tmp_path / "run" / "results").glob(f"{protocol}-*.json")
        record = json.loads(path.read_text())
        assert record["splits"]["source"]["split"] == 1
        assert 0 < record["splits"]["test"]["videos"] == len(record["predictions"] + record["queries"])
