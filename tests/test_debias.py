"""The comparison of methods on videos whose background misleads: its videos, and its smallest run."""

from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.debias.be import STUDIES, make_materials
from benchmarks.debias.comparison import compare_methods, run_folder
from benchmarks.debias.dials import Study, draw_grid, parse, run_study
from benchmarks.debias.dials import as_markdown as grid_as_markdown
from benchmarks.debias.material import Material, Size, fold_rows, made_material, made_split
from benchmarks.debias.runs import BE_PARTS, PRETEXT, SUPERVISED, UNTRAINED, WIDE_MICRO_PARTS, baseline_of
from benchmarks.debias.table import Cell, as_markdown, difference, write_table
from benchmarks.debias.wide_micro import COMPARED, told_by
from benchmarks.debias.wide_micro import run_study as run_wide_micro_study
from fame_cli.data.made_plan import Dials, MadeVideo, plan_videos
from fame_cli.data.manifest import Video as Listed
from fame_cli.evaluation.evaluation import no_progress
from fame_cli.evaluation.results import Figure
from fame_cli.learning.run import RunFolder

METHODS = (UNTRAINED, "MoCo+FAME β .5", SUPERVISED)
SMALLEST = Size(pretrain_videos=16, train_per_motion=2, test_per_motion=1, epochs=1, batch_size=16)


def planned() -> dict[str, list[MadeVideo]]:
    """The videos of the comparison by split."""
    splits = defaultdict(list)
    for video in plan_videos(Size.pretrain_videos, Size.train_per_motion, Size.test_per_motion):
        splits[made_split(video.path)].append(video)
    return splits


def test_every_pretraining_video_and_every_neutral_one_has_a_background_that_no_other_has() -> None:
    splits = planned()
    seen = Counter(video.place for videos in splits.values() for video in videos)
    assert set(splits) == {"pretrain", "neutral train", "neutral test", "biased train", "biased test"}
    for split in ("pretrain", "neutral train", "neutral test"):
        assert all(seen[video.place] == 1 for video in splits[split])
    assert Counter(video.motion for video in splits["pretrain"]).most_common()[-1][1] == 120


def test_backgrounds_go_with_motions_in_biased_training_and_never_in_its_test() -> None:
    splits = planned()
    trained = {(video.motion, video.place) for video in splits["biased train"]}
    tested = {(video.motion, video.place) for video in splits["biased test"]}
    places = {place for _, place in trained}
    assert len(trained) == len(places) == 8
    assert tested == {(motion, place) for motion, _ in trained for place in places} - trained


def test_every_third_clip_of_each_class_is_held_out_and_each_once() -> None:
    videos = [
        Listed(f"{label}/{number:02d}", f"{label}/{number:02d}.mp4", label)
        for label in ("fight", "calm")
        for number in range(7)
    ]
    folds = [fold_rows(videos, fold) for fold in range(3)]
    held = [{path for path, _, split in rows if split == "test"} for rows in folds]
    assert "fight/01.mp4" in held[1]
    assert "calm/04.mp4" in held[1]
    assert sorted(path for fold in held for path in fold) == sorted(video.path for video in videos)
    assert all({split for _, _, split in rows} == {"train", "test"} for rows in folds)


@pytest.fixture(scope="module")
def smallest(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Material]:
    out = tmp_path_factory.mktemp("debias")
    return out, made_material(out, 1, no_progress, SMALLEST, seed=1)


def test_the_smallest_comparison_goes_from_videos_to_a_table_and_does_nothing_twice(
    smallest: tuple[Path, Material],
) -> None:
    out, material = smallest
    told: list[str] = []
    cells, cost = compare_methods({1: material}, METHODS, out, 1, told.append)
    assert len(told) == len(METHODS)
    assert [cell.method for cell in cells[::2]] == list(METHODS)
    assert {cell.test: cell.scores[0].videos for cell in cells} == {"neutral": 8, "biased": 8}
    table = write_table(out, cells, cost)
    assert all(method in table for method in METHODS)
    assert {"table.json", "table.md", "plot.png"} <= {path.name for path in out.iterdir()}
    made = {path: path.stat().st_mtime_ns for path in (out / "runs").rglob("*.safetensors")}
    assert len(made) >= len(METHODS) - 1
    assert compare_methods({1: material}, METHODS, out, 1, told.append)[0] == cells
    assert all(path.stat().st_mtime_ns == before for path, before in made.items())


def cell(method: str, *percents: float) -> Cell:
    return Cell(method, "biased", tuple(Figure(value, 8, 12.5) for value in percents))


def test_the_table_gives_mean_and_spread_and_the_difference_seed_by_seed() -> None:
    lines = as_markdown([cell("MoCo", 50, 60), cell("MoCo+FAME β .5", 70, 80)]).splitlines()
    assert lines[0] == "| method | compared with | biased | difference |"
    assert lines[2] == "| MoCo |  | 55.0 ± 7.1 |  |"
    assert lines[3] == "| MoCo+FAME β .5 | MoCo | 75.0 ± 7.1 | +20.0 (+20.0 to +20.0) |"


def test_each_method_is_compared_with_what_it_adds_something_to() -> None:
    assert [baseline_of(part) for part in ("same frames", "+ negative", "BE", "BE, noise")] == [
        "MoCo",
        *["same frames"] * 3,
    ]
    assert baseline_of("puzzle") == UNTRAINED
    assert baseline_of("puzzle + BE") == "puzzle"
    assert baseline_of("order + BE, β 0.1") == "order"
    lines = as_markdown([cell("MoCo", 50), cell("same frames", 40), cell("BE", 60)]).splitlines()
    assert lines[3:] == ["| same frames | MoCo | 40.0 | -10.0 |", "| BE | same frames | 60.0 | +20.0 |"]


def test_a_difference_has_the_interval_of_students_t_over_seeds() -> None:
    # Mean 3, standard deviation 1, and 4.303 = t(0.975) of two degrees of freedom: 3 ± 4.303 / √3.
    assert difference([2.0, 3.0, 4.0]) == "+3.0 (+0.5 to +5.5)"
    assert difference([2.0]) == "+2.0"


def dialled(method: str, *percents: float) -> Cell:
    return Cell(method, "biased", tuple(Figure(value, 8, 12.5) for value in percents))


def test_the_grid_has_a_column_a_point_with_the_difference_to_moco_at_that_point() -> None:
    grid = {
        Dials(0, 1): [dialled("MoCo", 50, 60), dialled("wide-micro", 70, 90)],
        Dials(1, 1): [dialled("MoCo", 20, 20), dialled("wide-micro", 10, 10)],
    }
    lines = grid_as_markdown(grid, "biased").splitlines()
    assert lines[0] == "| method | wide 0, micro 1 | wide 1, micro 1 |"
    assert lines[3] == (
        "| wide-micro | 80.0 ± 14.1; +25.0 (-38.5 to +88.5) | 10.0 ± 0.0; -10.0 (-10.0 to -10.0) |"
    )


def test_the_grid_is_drawn_while_it_is_not_whole(tmp_path: Path) -> None:
    study = Study(tmp_path, methods=("MoCo", "wide-micro"))
    draw_grid(study, {Dials(0.5, 1): [dialled("MoCo", 50), dialled("wide-micro", 70)]}, "biased")
    assert (tmp_path / "grid.png").stat().st_size > 1000


def test_the_command_names_what_is_studied(tmp_path: Path) -> None:
    study = parse(["--out", str(tmp_path), "--points", "0,0.5", "1,0.5", "--seeds", "2"])
    assert study.points == (Dials(0, 0.5), Dials(1, 0.5))
    assert study.seeds == (1, 2)
    assert study.folder(study.points[0]).name == "wide 0 micro 0.5"
    assert {"MoCo", "MoCo+FAME", "MoCo+BE", "wide-micro", UNTRAINED} <= set(study.methods)


def test_the_smallest_study_goes_through_all_kinds_of_methods_and_does_nothing_twice(tmp_path: Path) -> None:
    study = Study(tmp_path, (Dials(0, 1),), (UNTRAINED, "MoCo+BE", "wide-micro"), seeds=(1,), size=SMALLEST)
    grid, minutes = run_study(study, no_progress)
    cells = grid[Dials(0, 1)]
    assert [cell.method for cell in cells[::2]] == list(study.methods)
    assert minutes >= 0
    assert {"table.json", "table.md", "grid.png"} <= {path.name for path in tmp_path.iterdir()}
    made = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    assert len(made) >= 2
    assert run_study(study, no_progress)[0] == grid
    assert all(path.stat().st_mtime_ns == before for path, before in made.items())


def test_the_study_of_be_trains_its_parts_and_pretext_tasks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert STUDIES["parts"] == (UNTRAINED, *BE_PARTS)
    assert {"MoCo", "MoCo+FAME", "same frames", "+ distraction", "+ negative", "BE"} <= set(BE_PARTS)
    tasks = {f"{task}{be}" for task in ("rotation", "puzzle", "order") for be in ("", " + BE")}
    assert set(PRETEXT) == tasks | {"order + BE, β 0.1", "order + BE, β 0.01"}
    monkeypatch.setattr("benchmarks.debias.be.MADE_SIZE", SMALLEST)
    materials = make_materials(tmp_path, 1, 1)
    methods = ("same frames", "+ negative", "BE, mixup", "rotation", "puzzle + BE", "order + BE")
    cells, _ = compare_methods(materials, methods, tmp_path, 1, lambda _: None)
    assert [cell.method for cell in cells[::2]] == list(methods)
    assert all(cell.scores[0].videos == 8 for cell in cells)
    for method in methods:  # each was trained as itself
        config = RunFolder(tmp_path / "runs" / f"{method}, seed 1").read()["pretrain"]
        options = {**BE_PARTS, **PRETEXT}[method]
        assert config["distraction"]["name"] == options["distraction"]
        assert config["objective"]["name"] == options.get("objective", "moco")


def test_the_study_of_wide_micro_asks_what_its_parts_know(tmp_path: Path) -> None:
    assert {method for pair in COMPARED for method in pair} <= set(WIDE_MICRO_PARTS)
    point = Dials(1, 0)
    size = replace(SMALLEST, test_per_motion=8)
    study = Study(tmp_path, (point,), ("wide-micro, ν .1",), (1,), size)
    text = run_wide_micro_study(study, lambda _: None)
    assert "| method | neutral | biased | motion | background | scene gap |" in text
    config = RunFolder(run_folder(study.folder(point), (*study.methods, 1))).read()["pretrain"]
    assert config["objective"]["name"] == "wide-micro"
    assert config["objective"]["static_weight"] == 0.1
    assert (tmp_path / "parts.json").exists()


def test_labels_of_a_cue_tell_what_a_video_shows_not_what_it_is(tmp_path: Path) -> None:
    study = Study(tmp_path, size=SMALLEST)
    path = "biased/test/move_left/000.avi"
    assert told_by(study, Dials(1, 0))(path, "move_left") == "biased/1"
    assert told_by(study, Dials(0, 1))(path, "move_left") == "biased/4"
