"""``fame eval bias`` as it is typed: table, pictures, page, a second run, and what is said of wrong input."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import typer
from conftest import moving_square, write_video
from typer.testing import CliRunner, Result

from fame_cli.cli import console, visualize
from fame_cli.cli.bias import bias
from fame_cli.cli.compare import compare
from fame_cli.cli.evaluate import finetune, knn
from fame_cli.cli.report import report
from fame_cli.config import ExtractConfig, StatisticsConfig
from fame_cli.data.frames import extract, open_frame_store
from fame_cli.data.manifest import read_manifest, write_manifest
from fame_cli.data.sources.folder import index_folder
from fame_cli.data.statistics import compute
from fame_cli.evaluation.evaluation import random_weights
from fame_cli.learning.checkpoint import save_backbone

app = typer.Typer()
for function, name in (
    (bias, "bias"),
    (finetune, "finetune"),
    (knn, "knn"),
    (report, "report"),
    (compare, "compare"),
    (visualize.bias, "chart"),
):
    app.command(name)(console.guard(function))

TINY = ("--clips", "1", "--epochs", "1", "--batch-size", "4")
CLIPS = {"clip_frames": "4", "frame_stride": "2", "crop_px": "32"}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two training and two test videos of a red and of a blue square, with their statistics."""
    folder = tmp_path_factory.mktemp("bias")
    for label, colour in (("red", (220, 30, 30)), ("blue", (30, 30, 220))):
        for number in range(4):
            path = folder / "videos" / ("train" if number < 2 else "test") / label / f"{number}.avi"
            write_video(path, moving_square(14, colour, seed=number))
    work = folder / "work"
    work.mkdir()
    _, manifest = extract(work, index_folder(folder / "videos"), ExtractConfig(short_side_px=48))
    write_manifest(work, manifest)
    frames = open_frame_store(work, read_manifest(work))
    compute(work, frames, StatisticsConfig(clip_frames=4, frame_stride=2, map_short_side_px=16))
    return work


def make_run(folder: Path, seed: int) -> Path:
    folder.mkdir()
    save_backbone(folder / "backbone.safetensors", random_weights("small", seed).backbone, "small", CLIPS)
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run", 7)


def invoke(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(argument) for argument in arguments])


def said(result: Result) -> str:
    return " ".join(result.output.split())


def error_of(result: Result, code: int) -> str:
    assert result.exit_code == code, result.output
    return said(result)


def test_two_runs_side_by_side_and_what_becomes_of_their_reports(
    work: Path, run: Path, tmp_path: Path
) -> None:
    other = make_run(tmp_path / "other", 8)
    first = invoke("bias", work, run, "--against", other, *TINY)
    assert first.exit_code == 0, first.output
    for words in (
        "on stripes",
        "run │ other │ difference",
        "Masks: fame, plain motion, β 0.5; they keep 50.0 % of the frame",
        "right on",
        "may favour a network that was trained with them",
        "three seeds or more",
        "Pairing of videos and backgrounds",
    ):
        assert words in said(first).replace("┃", "│"), words
    for folder in (run, other):
        (path,) = (folder / "results").glob("bias-*.json")
        assert (folder / "pictures" / f"clips-{path.stem}.png").exists()
    pairings = [json.loads(next((one / "results").glob("bias-*.json")).read_text()) for one in (run, other)]
    assert pairings[0]["bias"]["pairing"] == pairings[1]["bias"]["pairing"]
    second = invoke("bias", work, run, *TINY)
    assert second.exit_code == 0, second.output
    assert "Nothing to do: already evaluated" in said(second)
    assert "less as they are" in said(second)
    assert invoke("report", run).exit_code == 0
    page = (run / "report.html").read_text()
    assert "on stripes (SCUBA)" in page
    assert page.count("<img") >= 2
    assert invoke("chart", run, other, "-o", tmp_path / "pictures").exit_code == 0
    assert (tmp_path / "pictures" / "bias.png").exists()
    compared = invoke("compare", run, other, "--protocol", "bias", "--format", "csv")
    assert compared.exit_code == 0, compared.output
    assert "scuba_stripes" in compared.output


def test_finetuned_network_is_tested_with_its_own_last_layer(work: Path, run: Path) -> None:
    assert invoke("finetune", work, run, *TINY, "--learning-rate", "0.01").exit_code == 0
    (folder,) = (run / "evaluations").glob("finetune-*")
    result = invoke("bias", work, run, "--classifier", folder, *TINY)
    assert result.exit_code == 0, result.output
    assert f"Classifier: finetuned, {folder.name}" in said(result)
    (found,) = (run / "results").glob("bias-*.json")
    (finetuned,) = (run / "results").glob("finetune-*.json")
    before = json.loads(finetuned.read_text())["figures"]["top1"]["percent"]
    assert json.loads(found.read_text())["figures"]["as_they_are"]["percent"] == before
    assert not list((run / "results").glob("linear-*"))
    linear = invoke("bias", work, run, *TINY)
    assert linear.exit_code == 0, linear.output
    (probe,) = (run / "evaluations").glob("linear-*")
    told = error_of(invoke("bias", work, run, "--classifier", probe, *TINY), 4)
    assert "is a last layer on a frozen network" in told
    both = invoke("bias", work, run, "--classifier", folder, "--against", run, *TINY)
    assert "--against and --classifier exclude each other" in error_of(both, 2)


def test_network_of_another_program_is_evaluated_from_its_file(work: Path, tmp_path: Path) -> None:
    class Mean(torch.nn.Module):
        def forward(self, clips: torch.Tensor) -> torch.Tensor:
            return clips.mean(dim=[2, 3, 4])

    path = tmp_path / "model.pt"
    torch.jit.save(torch.jit.script(Mean()), path)
    common = (work, tmp_path / "mine", "--weights", path)
    assert "does not tell which clips" in error_of(invoke("bias", *common, *TINY), 2)
    clips = ("--clip-frames", "4", "--frame-stride", "2", "--crop-px", "32")
    result = invoke("bias", *common, *TINY, *clips, "--mean", "0,0,0", "--std", "1,1,1")
    assert result.exit_code == 0, result.output
    assert "a network of its own, with the normalisation that was given" in said(result)
    assert "Whether the pretraining saw test videos is not known" in said(result)
    assert invoke("knn", *common, *clips).exit_code == 0
    wrong = invoke("bias", *common, *TINY, *clips, "--mean", "0,0,0")
    assert "expected both, each three numbers" in error_of(wrong, 2)
    told = error_of(invoke("finetune", *common, *TINY, *clips), 2)
    assert "brings a network of its own, which cannot be finetuned" in told


def test_masks_that_are_missing_and_wrong_files_are_told(work: Path, run: Path, tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    told = error_of(invoke("bias", work, run, "--masks", tmp_path / "masks", *TINY), 3)
    assert "has no masks for 4 of 4 videos" in told
    assert "is not a folder of masks" in error_of(invoke("bias", work, run, "--masks", tmp_path / "no"), 3)
    assert "cannot be read as a pairing" in error_of(
        invoke("bias", work, run, "--pairing", tmp_path / "no.json", *TINY), 4
    )
    assert "--weights own goes with --backbone" in error_of(
        invoke("bias", work, tmp_path / "new", "--weights", "own"), 2
    )
    shutil.rmtree(tmp_path / "masks")


def test_dry_run_tells_and_writes_nothing(work: Path, run: Path) -> None:
    pairings = work / "pairings"
    shutil.rmtree(pairings, ignore_errors=True)
    said = " ".join(invoke("bias", work, run, *TINY, "--device", "cpu", "--dry-run").output.split())
    assert "4 test videos as they are and altered in 12 ways" in said
    assert "Time: not known yet; it is once a report like it is done." in said
    assert not pairings.exists()
    assert [path.name for path in run.iterdir()] == ["backbone.safetensors"]
    assert invoke("bias", work, run, *TINY, "--device", "cpu").exit_code == 0
    said = " ".join(invoke("bias", work, run, *TINY, "--device", "cpu", "--dry-run").output.split())
    assert "(it is done)" in said
    assert "Nothing is left to do." in said
    longer = ("--clips", "2", "--epochs", "1", "--batch-size", "4")
    assert "Time: about" in invoke("bias", work, run, *longer, "--device", "cpu", "--dry-run").output
