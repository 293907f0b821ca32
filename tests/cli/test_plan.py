"""What fame run plans: which networks are compared, and which evaluations data allows."""

from pathlib import Path

import pytest

from fame_cli.cli.baseline import plan_compared
from fame_cli.cli.plan import Plan
from fame_cli.cli.planned_run import plan_run
from fame_cli.data.manifest import Manifest, Video
from fame_cli.errors import ConfigurationError

RUNS = Path("out/runs")


def plan_of(*videos: tuple[str, str], recipe: str | None = None) -> Plan:
    """A plan for videos of these labels and splits, of which nothing is on disk."""
    rows = [Video(f"{n}.mp4", f"{n}.mp4", label, split) for n, (label, split) in enumerate(videos)]
    return Plan(Path("videos"), Path("out"), Manifest(Path("videos"), {}, tuple(rows)), recipe)


def titles(plan: Plan) -> str:
    return "; ".join(step.title for step in plan.steps())


def test_a_run_is_named_after_its_method_or_its_recipe() -> None:
    assert plan_run(RUNS, None, {}).name == "MoCo+FAME"
    assert (
        plan_run(RUNS, None, {"objective": "simclr", "distraction": "frame-intra"}).name
        == "SimCLR+frame-intra"
    )
    assert plan_run(RUNS, "ucf101-i3d-seed", {}).name == "ucf101-i3d-seed"
    assert plan_run(RUNS, None, {"objective": "lab.objectives:Mine", "beta": 1.0}).name == "Mine"


def test_an_objective_to_compare_with_learns_without_distraction_from_the_same_options() -> None:
    run = plan_run(RUNS, "ucf101-r2plus1d-fame", {"epochs": 3})
    moco = plan_compared(run, "moco")
    assert moco.folder == RUNS / "MoCo"
    assert moco.words == [*("--recipe", "ucf101-r2plus1d-fame", "--epochs", 3, "--distraction", "none")]
    assert not moco.config.merges
    assert moco.config.objective == run.config.objective
    assert moco.config.epochs == 3
    simclr = plan_compared(run, "simclr")
    assert simclr.words[-4:] == ["--objective", "simclr", "--distraction", "none"]


def test_plain_moco_beside_be_has_no_extra_negative_either() -> None:
    be = plan_run(RUNS, "ucf101-i3d-be", {})
    assert be.config.objective.extra_negative != "none"
    moco = plan_compared(be, "moco")
    assert moco.config.objective.extra_negative == "none"
    assert moco.config == plan_run(RUNS, "ucf101-i3d-be-moco", {}).config


def test_a_distraction_to_compare_with_changes_nothing_else() -> None:
    mixup = plan_compared(plan_run(RUNS, None, {}), "mixup")
    assert mixup.words == ["--distraction", "mixup"]
    assert mixup.name == "MoCo+mixup"


def test_a_recipe_to_compare_with_is_trained_as_long_on_as_much() -> None:
    run = plan_run(RUNS, None, {"steps": 7, "batch_size": 8, "seed": 3})
    other = plan_compared(run, "ucf101-i3d-be")
    shared = ("steps", "epochs", "batch_size", "seed", "clip_frames", "frame_stride")
    assert all(getattr(other.config, name) == getattr(run.config, name) for name in shared)
    assert other.config.backbone == "i3d"


def test_two_runs_of_one_name_are_refused(tmp_path: Path) -> None:
    for folder, beta in (("a", 0.3), ("b", 0.7)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.toml").write_text(f"[pretrain.distraction]\nname = 'fame'\nbeta = {beta}")
    run = plan_run(RUNS, str(tmp_path / "a/mine.toml"), {})
    with pytest.raises(ConfigurationError, match="would be a second run of the name mine"):
        plan_compared(run, str(tmp_path / "b/mine.toml"))


def test_validation_videos_stand_in_where_there_are_none_to_test_on() -> None:
    plan = plan_of(("a", "train"), ("b", "train"), ("a", "val"))
    assert plan.without_evaluation == ""
    linear = next(step for step in plan.steps() if step.title.startswith("Linear probe"))
    assert linear.words[-2:] == ["--test-split", "val"]


def test_what_cannot_be_evaluated_is_left_out_with_its_reason() -> None:
    for plan, reason in (
        (plan_of(("", ""), ("", "")), "No video has a label"),
        (plan_of(("a", "train"), ("b", "train")), "labelled videos of split 'train' alone"),
        (plan_of(("a", "train"), ("a", "test")), "of the class 'a'"),
    ):
        assert reason in plan.without_evaluation
        assert "probe" not in titles(plan)
        assert "page" in titles(plan)


def test_masks_are_left_out_where_nobody_reads_them() -> None:
    unlabelled = plan_of(("", ""), ("", ""), recipe="ucf101-i3d-be")
    assert "moves" not in titles(unlabelled)
    # The bias report reads them.
    labelled = [("a", "train"), ("b", "train"), ("a", "test")]
    assert "moves" in titles(plan_of(*labelled, recipe="ucf101-i3d-be"))


def test_statistics_are_of_the_clips_and_the_hue_that_are_learned_from(tmp_path: Path) -> None:
    recipe = tmp_path / "short.toml"
    recipe.write_text(
        "[pretrain]\nclip_frames = 8\nframe_stride = 1\n"
        "[pretrain.distraction]\nname = 'fame'\nhue = 'published'"
    )
    masks = next(step for step in plan_of(("", ""), recipe=str(recipe)).steps() if step.words[0] == "masks")
    assert masks.words == [
        *("masks", Path("out/work"), "--clip-frames", 8, "--frame-stride", 1, "--hue", "published")
    ]
