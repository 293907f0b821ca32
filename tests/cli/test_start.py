"""How ``fame pretrain`` starts: a run goes on by its name alone, becomes longer, or begins with weights."""

import json
import math
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fame_cli.cli.app import app
from fame_cli.data.sources.folder import index_folder
from fame_cli.learning.checkpoint import load_backbone
from fame_cli.learning.log import StepInfo
from fame_cli.learning.objectives.build import build_objective
from fame_cli.learning.pretraining_set import PretrainingSet, find_set

SMALL = [
    *("--backbone", "small", "--clip-frames", 4, "--crop-px", 32, "--batch-size", 4, "--queue-length", 16),
    *("--device", "cpu", "--distraction", "none"),
]
BEGUN = [*SMALL, "--epochs", 2, "--seed", 3, "--temperature", 0.2, "--checkpoint-seconds", 0]
"""Two epochs of two steps each, with options that are not the defaults."""


def fame(code: int, *arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


@pytest.fixture
def work(tmp_path: Path, videos: Path) -> Path:
    fame(0, "extract", videos, "-o", tmp_path / "work", "-j", 1)
    return tmp_path / "work"


@pytest.fixture
def stop_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], None]:
    """Lets trainings be interrupted after so many steps."""

    def stop(step: int | None) -> None:
        def describe(at: StepInfo) -> str:
            if at.step == step:
                raise KeyboardInterrupt("stopped by the test")
            return ""

        monkeypatch.setattr("fame_cli.cli.pretrain.describe", describe)

    return stop


def rows(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def losses(run: Path) -> list[float]:
    return [row["loss"] for row in rows(run)]


def test_stopped_run_goes_on_by_its_name_alone(
    tmp_path: Path, work: Path, stop_after: Callable[[int | None], None]
) -> None:
    fame(0, "pretrain", work, "-o", tmp_path / "straight", *BEGUN)
    run = tmp_path / "stopped"
    stop_after(2)
    fame(130, "pretrain", work, "-o", run, *BEGUN)
    stop_after(None)
    said = fame(2, "pretrain", work, "-o", run, *BEGUN)
    assert "is not finished. Choose another folder with -o, start over with --overwrite, or resume" in said
    assert said.endswith(f"resume it: fame pretrain --resume {run}")
    assert f"To resume: fame pretrain --resume {run}" in fame(0, "status", run)
    fame(0, "pretrain", "--resume", run)
    assert losses(run) == losses(tmp_path / "straight")
    assert len(losses(run)) == 4
    asked = tomllib.loads((run / "config.toml").read_text())
    assert asked["machine"]["device"] == "cpu"
    assert asked["data"]["work"] == str(work)
    assert "Nothing to do" in fame(0, "pretrain", "--resume", run)
    assert f"To evaluate it: fame eval linear {work} {run}" in fame(0, "status", run)


def test_option_that_differs_is_an_error_that_shows_both(
    tmp_path: Path, work: Path, stop_after: Callable[[int | None], None]
) -> None:
    run = tmp_path / "run"
    stop_after(1)
    fame(130, "pretrain", work, "-o", run, *BEGUN)
    before = (run / "config.toml").read_bytes()
    for options, told in (
        (["--temperature", 0.1], "temperature was 0.2, is 0.1"),  # the toolkit's default, but given
        (["--seed", 4], "seed was 3, is 4"),
        (["--objective", "simclr"], "objective was 'moco', is 'simclr'"),
        (["--recipe", "ucf101-r2plus1d-fame"], "backbone was 'small', is 'r2plus1d_18'"),
        (["--epochs", 3], "epochs was 2, is 3. A run is made longer once it is finished"),
    ):
        assert told in fame(2, "pretrain", "--resume", run, *options)
    stop_after(None)
    fame(0, "pretrain", "--resume", run, "--seed", 3, "--temperature", 0.2)
    assert (run / "config.toml").read_bytes() == before


def test_finished_run_becomes_longer_as_a_leg_that_says_so(
    tmp_path: Path, work: Path, stop_after: Callable[[int | None], None]
) -> None:
    run = tmp_path / "run"
    fame(0, "pretrain", work, "-o", run, *BEGUN)
    first, weights = losses(run), (run / "backbone.safetensors").read_bytes()
    said = fame(2, "pretrain", work, "-o", run, *BEGUN, "--epochs", 4)
    assert "epochs was 2, is 4" in said
    assert f"make this run longer: fame pretrain --resume {run} --epochs 4" in said
    assert "is finished after 4 steps; --epochs 1 and --steps 0 make 2" in fame(
        2, "pretrain", "--resume", run, "--epochs", 1
    )
    assert (run / "backbone.safetensors").read_bytes() == weights
    stop_after(7)
    said = fame(130, "pretrain", "--resume", run, "--epochs", 4)
    assert "a new leg: the run had ended after 4 steps and continues to 8" in said
    assert "not that of one training of 8 steps" in said
    assert not (run / "backbone.safetensors").exists()
    stop_after(None)
    assert "8 steps from step 6" in fame(0, "pretrain", "--resume", run)
    assert losses(run)[:4] == first
    assert [row["step"] for row in rows(run)] == list(range(8))
    # The cosine of eight steps, from its middle on.
    rates = [row["learning_rate"] for row in rows(run)]
    assert rates[:4] == pytest.approx([0.01 * (1 + math.cos(math.pi * step / 4)) / 2 for step in range(4)])
    assert rates[4:] == pytest.approx([0.01 * (1 + math.cos(math.pi * step / 8)) / 2 for step in range(4, 8)])
    assert (run / "backbone-step4.safetensors").read_bytes() == weights
    asked = tomllib.loads((run / "config.toml").read_text())
    assert asked["pretrain"]["epochs"] == 4
    assert asked["legs"] == [{"ended_at_step": 4, "epochs": 2, "steps": 0}]
    assert "a new leg" in (run / "log.txt").read_text()
    assert "all as written" in fame(0, "verify", run)
    fame(0, "recipes", "show", run / "config.toml")
    assert find_set(run / "backbone-step4.safetensors") == find_set(run / "backbone.safetensors")


def test_lost_checkpoint_keeps_a_finished_run_finished(tmp_path: Path, work: Path) -> None:
    run = tmp_path / "run"
    fame(0, "pretrain", work, "-o", run, *BEGUN)
    (run / "checkpoints" / "last.pt").unlink()
    assert "last.pt is missing" in fame(4, "pretrain", "--resume", run, "--epochs", 4)
    assert (run / "backbone.safetensors").exists()


def test_run_goes_on_with_work_that_was_moved(
    tmp_path: Path, work: Path, stop_after: Callable[[int | None], None]
) -> None:
    run = tmp_path / "run"
    stop_after(1)
    fame(130, "pretrain", work, "-o", run, *BEGUN)
    stop_after(None)
    moved = work.rename(tmp_path / "elsewhere")
    said = fame(4, "pretrain", "--resume", run)
    assert f"learns from {work}, which is not a WORK folder any more" in said
    assert f"fame pretrain WORK --resume {run}" in said
    fame(0, "pretrain", moved, "--resume", run)


def test_one_line_begins_a_run_and_goes_on_with_it(
    tmp_path: Path, work: Path, stop_after: Callable[[int | None], None]
) -> None:
    line = ["pretrain", work, "--resume", tmp_path / "run", *BEGUN]
    stop_after(2)
    assert "There is no run in" in fame(130, *line)
    stop_after(None)
    assert "4 steps from step 1" in fame(0, *line)
    assert "Nothing to do" in fame(0, *line)


def test_starts_exclude_each_other_in_words(tmp_path: Path, work: Path) -> None:
    run = tmp_path / "run"
    for given, told in (
        (["--resume", run, "--overwrite"], "--resume continues a run, --overwrite deletes one"),
        (["--resume", run, "--init-from", run], "--init-from starts a new one from weights: these exclude"),
        (["-o", run, "--overwrite", "--init-from", run], "these exclude each other. Give one of them."),
        (["-o", run, "--resume", run], "which names the run already"),
        ([], "-o, where the run goes, is missing. Begin a run: fame pretrain WORK -o RUN"),
        (["--resume", "--steps"], "--resume --steps: expected the folder of a run"),
    ):
        assert told in fame(2, "pretrain", work, *given)
    assert "WORK, the folder that fame extract made, is missing" in fame(2, "pretrain", "-o", run)
    assert "is not the folder of a run: it has no config.toml" in fame(4, "pretrain", "--resume", run)
    assert not run.exists()


def test_overwrite_removes_the_run_and_nothing_else(tmp_path: Path, work: Path) -> None:
    run = tmp_path / "run"
    fame(0, "pretrain", work, "-o", run, *BEGUN)
    fame(0, "eval", "knn", work, run, "--clips", 1, "--device", "cpu")
    (run / "notes.txt").write_text("mine")
    said = fame(2, "pretrain", work, "-o", run, *SMALL, "--steps", 1, "--queue-length", 2, "--overwrite")
    assert "queue_length" in said or "--queue-length" in said
    assert (run / "backbone.safetensors").exists()
    fame(0, "pretrain", work, "-o", run, *SMALL, "--steps", 1, "--overwrite")
    assert len(losses(run)) == 1
    assert not (run / "results").exists()
    assert (run / "notes.txt").read_text() == "mine"
    assert "all as written" in fame(0, "verify", run)


def test_training_begins_with_the_weights_that_are_given(tmp_path: Path, work: Path) -> None:
    fame(0, "pretrain", work, "-o", tmp_path / "first", *BEGUN)
    fame(0, "pretrain", work, "-o", tmp_path / "next", *BEGUN, "--init-from", tmp_path / "first")
    fame(0, "pretrain", work, "-o", tmp_path / "other", *BEGUN)
    assert losses(tmp_path / "other") == losses(tmp_path / "first")
    assert losses(tmp_path / "next") != losses(tmp_path / "first")
    asked = tomllib.loads((tmp_path / "next" / "config.toml").read_text())
    assert asked["data"]["init_from"] == str(tmp_path / "first" / "backbone.safetensors")
    fame(0, "pretrain", "--resume", tmp_path / "next")  # what it began with is in its checkpoint
    said = fame(4, "pretrain", work, "-o", tmp_path / "next", *BEGUN)
    assert "init_weights was" in said
    said = fame(
        *(2, "pretrain", work, "-o", tmp_path / "c", *BEGUN, "--backbone", "r3d_18"),
        *("--init-from", tmp_path / "first"),
    )
    assert "holds small, not r3d_18. Choose the network of the weights with --backbone" in said
    assert "there is no backbone file" in fame(
        4, "pretrain", work, "-o", tmp_path / "c", *BEGUN, "--init-from", tmp_path / "nothing"
    )
    assert not (tmp_path / "c").exists()


def test_both_encoders_begin_with_initial_weights(tmp_path: Path, work: Path) -> None:
    from fame_cli.config import PretrainConfig

    fame(0, "pretrain", work, "-o", tmp_path / "first", *SMALL, "--steps", 1)
    initial, _ = load_backbone(tmp_path / "first" / "backbone.safetensors")
    model = build_objective(PretrainConfig(backbone="small"), initial)
    fresh = build_objective(PretrainConfig(backbone="small"))
    for name, values in initial.state_dict().items():
        for encoder in ("encoder_q", "encoder_k"):
            assert (model.state_dict()[f"{encoder}.backbone.{name}"] == values).all()
    assert (model.queue == fresh.queue).all()  # type: ignore[operator]


def test_what_initial_weights_have_seen_counts_as_seen(tmp_path: Path, videos: Path, work: Path) -> None:
    """The first training learns from the test videos of the second."""
    swapped = tmp_path / "swapped"
    shutil.copytree(videos, swapped)
    (swapped / "test").rename(swapped / "aside")
    (swapped / "train").rename(swapped / "test")
    (swapped / "aside").rename(swapped / "train")
    fame(0, "extract", swapped, "-o", tmp_path / "swapped-work", "-j", 1)
    two = [*SMALL, "--steps", 1, "--batch-size", 2, "--batch-norm-clips", 0]
    fame(0, "pretrain", tmp_path / "swapped-work", "-o", tmp_path / "first", *two)
    fame(0, "pretrain", work, "-o", tmp_path / "next", *two, "--init-from", tmp_path / "first")
    said = fame(2, "eval", "knn", work, tmp_path / "next", "--clips", 1, "--device", "cpu")
    assert "was pretrained on 2 of the 2 test videos" in said
    weights = tmp_path / "plain.safetensors"
    shutil.copy(tmp_path / "first" / "backbone.safetensors", weights)
    fame(0, "pretrain", work, "-o", tmp_path / "unknown", *two, "--init-from", weights)
    assert find_set(tmp_path / "unknown" / "backbone.safetensors") is None


def test_sets_are_looked_for_in_all_that_weights_have_seen(videos: Path) -> None:
    manifest = index_folder(videos)
    first, second = manifest.videos[0], manifest.videos[1]
    early = PretrainingSet(str(manifest.root), "folder", {first.id: first.bytes})
    later = PretrainingSet(str(manifest.root), "folder", {second.id: second.bytes}, (early,))
    assert later.find_shared(manifest, [0, 1, 2]) == (first.id, second.id)
