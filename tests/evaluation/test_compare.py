"""Results side by side: only what may be compared, with the right mean and spread."""

import csv
import dataclasses
import io
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fame_cli.cli.app import app
from fame_cli.errors import ArtefactError, ConfigurationError
from fame_cli.evaluation.compare import compare, find_results
from fame_cli.evaluation.results import Figure, Prediction, Result, write_result
from fame_cli.evaluation.tables import as_csv, as_latex, as_markdown


def result(percent: float, seed: int = 0, **changes: Any) -> Result:
    whole = Result(
        protocol="linear",
        figures={
            "top1": Figure(percent, 40, 25.0, 1, (percent - 8, percent + 7)),
            "top5": Figure(100.0, 40, 100.0, 2, (91.2, 100.0)),
        },
        configuration={"clips": 10, "seed": seed},
        splits={
            "train": {"name": "train", "videos": 90},
            "test": {"name": "test", "videos": 40},
            "source": {"source": "ucf101", "split": 1},
            "content": "0a",
        },
        classes=("a", "b"),
        weights={},
        frames={},
        device="cpu",
        versions={},
        seconds=1.0,
    )
    return dataclasses.replace(whole, **changes)


def test_row_shows_mean_and_spread_of_its_repetitions_or_the_interval_of_a_single_result() -> None:
    groups = [("MoCo", [result(60.0), result(70.0, seed=1), result(65.0, seed=2)]), ("FAME", [result(81.25)])]
    assert compare(groups).cells() == [
        ["MoCo", "3", "65.0 ± 5.0", "100.0 ± 0.0"],
        ["FAME", "1", "81.2 (73.2 – 88.2)", "100.0 (91.2 – 100.0)"],
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"protocol": "finetune"}, "of several protocols: finetune, linear"),
        ({"configuration": {"clips": 1, "seed": 0}}, "--clips is 10 in one and 1 in another"),
        ({"classes": ("a", "c")}, "the list of classes"),
        (
            {
                "splits": {
                    "train": {"name": "train", "videos": 90},
                    "test": {"name": "test", "videos": 40},
                    "source": {"source": "ucf101", "split": 2},
                    "content": "0b",
                }
            },
            "split 2",
        ),
    ],
)
def test_results_of_different_tests_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        compare([("x", [result(50.0)]), ("y", [result(60.0, **changes)])])


def test_sets_of_videos_that_look_alike_are_told_apart() -> None:
    neutral, biased = (
        result(percent).splits | {"content": digits, "source": {"source": "folder", "root": f"/made/{name}"}}
        for percent, digits, name in ((80.0, "0a", "neutral"), (40.0, "1b", "biased"))
    )
    members = [result(80.0, splits=neutral), result(40.0, splits=biased)]
    with pytest.raises(ConfigurationError, match="set of videos is 'neutral' in one and 'biased' in another"):
        compare([("x", members)])
    rows = compare([("x", members)], mixed=True).cells()
    assert [row[:2] for row in rows] == [["x: neutral", "1"], ["x: biased", "1"]]
    assert [row[2].split()[0] for row in rows] == ["80.0", "40.0"]
    moved = neutral | {"source": {"source": "folder", "root": "/elsewhere"}}
    assert len(compare([("a", [members[0]]), ("b", [result(70.0, splits=moved)])]).groups) == 2


def test_results_of_whole_and_of_blanked_videos_are_told_apart() -> None:
    def shown(masks: str, content: str) -> Result:
        return result(40.0, keep_only={"masks": masks, "content": content, "fill": [110, 101, 96]})

    members = [result(60.0), shown("/a/actors", "0c")]
    with pytest.raises(ConfigurationError, match="what is shown of each video is 'whole frames' in one"):
        compare([("x", members)])
    rows = compare([("x", members)], mixed=True).cells()
    assert [row[0] for row in rows] == ["x: whole frames", "x: only actors"]
    copied = compare([("x", [shown("/a/actors", "0c"), shown("/b/copy", "0c")])])
    assert copied.cells()[0][:2] == ["x", "2"]


def of_split(split: int, percent: float, **changes: Any) -> Result:
    sizes = {1: (90, 40), 2: (88, 42), 3: (91, 39)}[split]
    splits = {
        "train": {"name": "train", "videos": sizes[0]},
        "test": {"name": "test", "videos": sizes[1]},
        "source": {"source": "ucf101", "split": split},
        "content": f"0{split}",
    }
    return result(percent, **{"splits": splits, **changes})


def test_different_tests_stand_in_rows_of_their_own_when_mixed() -> None:
    paper, probe = ({"clips": 10, "seed": 0, "train_on": kind} for kind in ("clips", "features"))
    members = [
        result(50.0, configuration=paper),
        result(60.0, configuration=probe),
        result(64.0, configuration=probe | {"seed": 1}),
    ]
    assert [row[:3] for row in compare([("x", members)], mixed=True).cells()] == [
        ["x: --train-on clips", "1", "50.0 (42.0 – 57.0)"],
        ["x: --train-on features", "2", "62.0 ± 2.8"],
    ]
    mixed = compare([("x", [of_split(1, 50.0)]), ("y", [of_split(2, 60.0)])], mixed=True)
    assert [row[0] for row in mixed.cells()] == ["x", "y"]
    assert "(split 1)" in mixed.test
    assert "(split 2)" in mixed.test


def test_mean_over_splits_is_that_of_each_splits_mean() -> None:
    # Split 1 was repeated: (50 + 54) / 2 = 52; (52 + 58 + 61) / 3 = 57; deviations -5, 1, 4: sqrt(42 / 2).
    moco = [of_split(1, 50.0), of_split(1, 54.0), of_split(2, 58.0), of_split(3, 61.0)]
    fame = [of_split(3, 70.0), of_split(2, 72.0), of_split(1, 74.0)]
    comparison = compare([("MoCo", moco), ("FAME", fame)], over_splits=True)
    assert [row[:3] for row in comparison.cells()] == [
        ["MoCo", "4", "57.0 ± 4.6"],
        ["FAME", "3", "72.0 ± 2.0"],
    ]
    assert comparison.test == "ucf101, split 'test' (mean over splits 1, 2, 3)"


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ([of_split(1, 1.0), of_split(2, 1.0)], "same splits.*x of 1, 2, 3; y of 1, 2"),
        ([of_split(1, 1.0, splits=result(0).splits | {"source": {"source": "folder"}})], "some are of none"),
        (
            [of_split(n, 1.0, configuration={"clips": 1, "seed": 0}) for n in (1, 2, 3)],
            "--clips is 10 in one",
        ),
        (
            [of_split(1, 1.0, splits=of_split(1, 1.0).splits | {"test": {"name": "test", "videos": 7}})]
            + [of_split(n, 1.0) for n in (2, 3)],
            'the test is "40 videos.*"7 videos',
        ),
    ],
)
def test_mean_over_splits_is_refused_where_rows_differ_in_more(second: list[Result], message: str) -> None:
    first = [of_split(number, 50.0) for number in (1, 2, 3)]
    with pytest.raises(ConfigurationError, match=message):
        compare([("x", first), ("y", second)], over_splits=True)


def test_mean_over_splits_takes_one_protocol_on_all_splits() -> None:
    members = [of_split(1, 50.0), of_split(2, 50.0, configuration={"clips": 1, "seed": 0})]
    with pytest.raises(ConfigurationError, match="--clips is 10 in one and 1 in another"):
        compare([("x", members)], over_splits=True)


def test_row_says_that_its_pretraining_saw_test_videos_in_every_format() -> None:
    leaking = compare([("x", [result(60.0, seen_test_videos=3), result(70.0)]), ("y", [result(1.0)])])
    for table in (as_markdown(leaking), as_latex(leaking)):
        assert table.count("x (leak: pretraining saw 3 test videos)") == table.count("leak") == 1
    rows = list(csv.DictReader(io.StringIO(as_csv(leaking))))
    assert [row["seen test videos"] for row in rows] == ["3", "not known"]


def test_markdown_latex_and_csv_hold_the_same_figures() -> None:
    comparison = compare([("a_b|c", [result(60.0), result(70.0)]), ("d", [result(55.0)])])
    assert as_markdown(comparison).splitlines()[2] == "| a_b\\|c | 2 | 65.0 ± 7.1 | 100.0 ± 0.0 |"
    latex = as_latex(comparison)
    assert "a\\_b|c & 2 & 65.0 $\\pm$ 7.1 & 100.0 $\\pm$ 0.0 \\\\" in latex
    assert latex.startswith("\\begin{tabular}{lrrr}")
    rows = list(csv.DictReader(io.StringIO(as_csv(comparison))))
    assert (rows[0]["run"], float(rows[0]["top1"]), float(rows[0]["top1 std"])) == ("a_b|c", 65.0, 7.0711)
    assert (rows[1]["top1"], rows[1]["top1 std"]) == ("55.0", "")
    assert [rows[1][f"top1 {end}"] for end in ("low", "high")] == ["47.0", "62.0"]
    assert rows[0]["top1 low"] == rows[0]["top1 high"] == ""


def test_command_finds_the_results_of_runs_and_joins_runs_of_one_name(tmp_path: Path) -> None:
    for number, percent in enumerate((60.0, 70.0, 80.0)):
        write_result(tmp_path / f"run{number}" / "results" / "linear-1.json", result(percent, seed=number))
    write_result(tmp_path / "run0" / "results" / "knn-1.json", result(10.0, protocol="knn"))
    runs = [f"moco={tmp_path}/run0", f"moco={tmp_path}/run1", f"{tmp_path}/run2"]
    printed = CliRunner().invoke(app, ["compare", *runs, "--protocol", "linear", "--format", "csv"])
    assert printed.exit_code == 0, printed.output
    assert printed.output.splitlines()[1:] == [
        "moco,2,65.0,7.0711,,,100.0,0.0,,,not known",
        "run2,1,80.0,,72.0,87.0,100.0,,91.2,100.0,not known",
    ]
    refused = CliRunner().invoke(app, ["compare", *runs])
    assert refused.exit_code == 2
    assert "Name the one to compare: --protocol" in refused.output


def test_folder_without_results_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"holds no result of linear[\s\S]*Evaluate first"):
        find_results(tmp_path, "linear")


def test_results_of_other_weights_in_one_run_are_no_repetitions(tmp_path: Path) -> None:
    for number, weights in enumerate(["random", "backbone.safetensors"]):
        write_result(tmp_path / "results" / f"linear-{number}.json", result(50.0, weights={"path": weights}))
    with pytest.raises(ConfigurationError, match=r"several weights: backbone\.safetensors, random"):
        find_results(tmp_path, "linear")
    assert len(find_results(tmp_path / "results" / "linear-0.json", None)) == 1


def test_folders_of_one_name_are_rows_of_their_own(tmp_path: Path) -> None:
    for number, folder in enumerate(["a", "b"]):
        write_result(tmp_path / folder / "run" / "results" / "linear-0.json", result(50.0 + number))
    runs = [str(tmp_path / folder / "run") for folder in ("a", "b")]
    rows = CliRunner().invoke(app, ["compare", *runs, "--format", "csv"]).stdout.splitlines()
    assert [row.split(",")[:2] for row in rows[1:]] == [[run, "1"] for run in runs]
    slashed = CliRunner().invoke(app, ["compare", *(f"{run}/" for run in runs), "--format", "csv"])
    assert slashed.stdout.splitlines() == rows, "as a shell completes them"
    together = CliRunner().invoke(app, ["compare", *(f"x={run}" for run in runs), "--format", "csv"])
    assert together.stdout.splitlines()[1].split(",")[:2] == ["x", "2"]
    twice = CliRunner().invoke(app, ["compare", f"x={runs[0]}", f"x={runs[0]}"])
    assert twice.exit_code == 2
    assert "is named twice" in twice.output


def predicted(rights: str, **changes: Any) -> Result:
    """A result with a video for each letter, right where it is R; five videos make a film."""
    predictions = tuple(
        Prediction(f"{n}.avi", "a", "a" if letter == "R" else "b", 0.9, letter == "R", f"film {n // 5}")
        for n, letter in enumerate(rights)
    )
    return result(100 * rights.count("R") / len(rights), predictions=predictions, **changes)


def test_two_results_on_the_same_videos_are_compared_video_by_video() -> None:
    first, second = predicted("RR---" * 8), predicted("R-RRR" * 7 + "RR---")
    said = compare([("MoCo", [first]), ("FAME", [second])]).difference
    assert said.startswith("FAME less MoCo: +35.0 points of top1, 95 % interval +")
    assert "over 8 groups of 40 test videos" in said
    assert "Right in FAME alone 21, in MoCo alone 7: p = 0.013" in said
    assert "takes the videos of a group for independent" in said
    swapped = compare([("FAME", [second]), ("MoCo", [first])]).difference
    assert swapped.startswith("MoCo less FAME: -35.0 points")


def test_difference_without_groups_does_not_speak_of_them() -> None:
    alone = [
        dataclasses.replace(one, predictions=tuple(dataclasses.replace(p, group="") for p in one.predictions))
        for one in (predicted("RR---"), predicted("RRR--"))
    ]
    said = compare([("a", alone[:1]), ("b", alone[1:])]).difference
    assert "over 5 test videos" in said
    assert "group" not in said


@pytest.mark.parametrize(
    "rows",
    [
        [("a", [predicted("R-")])],
        [("a", [predicted("R-")]), ("b", [predicted("R-"), predicted("RR", seed=1)])],
        [("a", [predicted("R-")]), ("b", [predicted("R--")])],
        [("a", [result(50.0)]), ("b", [result(60.0)])],
        [(name, [predicted("R-")]) for name in "abc"],
    ],
    ids=["one", "repeated", "other videos", "no videos", "three"],
)
def test_difference_is_told_of_two_results_on_the_same_videos_alone(rows: Any) -> None:
    assert not compare(rows).difference


def test_command_prints_the_difference_beneath_a_table_and_not_within_data(tmp_path: Path) -> None:
    for name, rights in (("moco", "RR---"), ("fame", "RRR--")):
        write_result(tmp_path / name / "results" / "linear-1.json", predicted(rights * 4))
    runs = [str(tmp_path / "moco"), str(tmp_path / "fame")]
    said = {
        style: " ".join(CliRunner().invoke(app, ["compare", *runs, "--format", style]).output.split())
        for style in ("table", "markdown", "csv", "latex")
    }
    assert all("fame less moco: +20.0 points of top1" in said[style] for style in ("table", "markdown"))
    assert "95 % interval over the test videos" in said["table"]
    assert not any("less" in said[style] for style in ("csv", "latex"))


def test_row_of_a_leak_names_what_the_pretraining_saw() -> None:
    seen = compare([("a", [result(50.0, seen_test_videos=0, related_test_videos=30)])])
    assert seen.cells()[0][0] == "a (leak: pretraining saw videos of the same groups as 30 test videos)"
    both = compare([("a", [result(50.0, seen_test_videos=2, related_test_videos=3)])]).cells()[0][0]
    assert both == "a (leak: pretraining saw 2 test videos and videos of the same groups as 3 test videos)"
