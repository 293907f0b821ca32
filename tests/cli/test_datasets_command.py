"""``fame datasets``: what is shown, its exit codes, and the list that ``fame extract`` reads."""

import json
from pathlib import Path

import pytest
from conftest import moving_square, write_video
from typer.testing import CliRunner, Result

from fame_cli.cli.app import app
from fame_cli.cli.completion import complete_dataset
from fame_cli.cli.extract import SourceName
from fame_cli.data.manifest import read_manifest
from fame_cli.data.sources.catalogue import DATASETS
from fame_cli.data.sources.rosters import weizmann


def fame(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def said(result: Result) -> str:
    return " ".join(result.output.split())


@pytest.fixture
def kth(tmp_path: Path) -> Path:
    """Two videos of KTH, one of a person in training and one of a person in the test."""
    for name in ("person11_boxing_d1_uncomp.avi", "person02_walking_d4_uncomp.avi"):
        write_video(tmp_path / "kth" / name, moving_square(20, (200, 30, 30), seed=1))
    return tmp_path / "kth"


def test_all_datasets_are_listed_with_size_terms_and_page() -> None:
    result = fame("datasets")
    assert result.exit_code == 0
    for dataset in DATASETS.values():
        assert f"{dataset.name}  –  {dataset.title}, {dataset.classes} classes" in result.output
        assert f"    page: {dataset.page}\n" in result.output
    assert [row["name"] for row in json.loads(fame("datasets", "--json").stdout)] == list(DATASETS)


def test_one_dataset_is_shown_whole() -> None:
    result = fame("datasets", "show", "HMDB-51")
    assert result.exit_code == 0
    assert "terms     Creative Commons Attribution 4.0\n" in result.output
    assert "lists     brush_hair_test_split1.txt, cartwheel_test_split1.txt" in result.output
    assert "          test_train_splits.rar  http://serre-lab" in result.output
    assert "fame extract FOLDER -o work --source hmdb51 --split 1\n" in result.output
    shown = json.loads(fame("datasets", "show", "hmdb51", "--json").stdout)
    assert shown["numbered_splits"] == [1, 2, 3]
    assert len(shown["lists"]) == 51 * 3
    assert "wave_test_split3.txt" in shown["lists"]
    assert shown["commands"][0] == "fame datasets check hmdb51 FOLDER"


@pytest.mark.libraries
def test_mistyped_name_is_told_with_the_nearest() -> None:
    result = fame("datasets", "show", "ufc101")
    assert result.exit_code == 2
    assert "error: there is no dataset ufc101 in the list. Did you mean ucf101? All names: ucf101" in said(
        result
    )
    assert complete_dataset("k") == ["kinetics-400", "kth"]


def test_check_says_what_is_missing_and_ends_with_1(kth: Path) -> None:
    result = fame("datasets", "check", "kth", kth)
    assert result.exit_code == 1
    assert "warning: named but not on disk (597): person01_boxing_d1_uncomp.avi" in said(result)
    assert "Not complete: missing." in said(result)
    assert f"With what is there: fame datasets annotations kth {kth} > kth.csv" in said(result)
    result = fame("datasets", "check", "kth", kth, "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert not told["complete"]
    assert [(finding["kind"], len(finding["names"])) for finding in told["findings"]] == [("missing", 597)]


def test_check_of_a_whole_dataset_ends_with_0(tmp_path: Path) -> None:
    for video in weizmann(Path()).videos.values():
        (tmp_path / video.name).write_bytes(b"video")
    result = fame("datasets", "check", "weizmann", tmp_path)
    assert result.exit_code == 0
    assert "Weizmann is complete. Next: fame datasets annotations weizmann" in said(result)
    assert json.loads(fame("datasets", "check", "weizmann", tmp_path, "--json").stdout)["complete"]


def test_printed_list_is_what_extract_reads(kth: Path, tmp_path: Path) -> None:
    result = fame("datasets", "annotations", "kth", kth)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "path,label,split,group",
        "person02_walking_d4_uncomp.avi,walking,test,person02",
        "person11_boxing_d1_uncomp.avi,boxing,train,person11",
    ]
    (tmp_path / "kth.csv").write_bytes(result.stdout_bytes)
    arguments = ("--source", "csv", "--annotations", tmp_path / "kth.csv", "-j", 1)
    assert fame("extract", kth, "-o", tmp_path / "work", *arguments).exit_code == 0
    videos = read_manifest(tmp_path / "work").videos
    assert [(video.label, video.split, video.group, video.status) for video in videos] == [
        ("walking", "test", "person02", "ok"),
        ("boxing", "train", "person11", "ok"),
    ]


def test_list_is_printed_only_where_it_is_needed(tmp_path: Path) -> None:
    result = fame("datasets", "annotations", "ucf101", tmp_path)
    assert result.exit_code == 2
    assert "UCF101 needs no such list" in said(result)
    result = fame("datasets", "annotations", "kth", tmp_path)
    assert result.exit_code == 3
    assert f"{tmp_path} has no video of KTH that could be listed. no video in (1)" in said(result)


@pytest.mark.parametrize("name", DATASETS)
def test_command_that_reads_a_dataset_can_be_given(name: str) -> None:
    shown = json.loads(fame("datasets", "show", name, "--json").stdout)
    assert shown["source"] in SourceName.__args__  # type: ignore[attr-defined]
    for command in shown["commands"]:
        words = command.partition(" > ")[0].split()[1:]
        assert fame(*words, "--help").exit_code == 0
