"""``fame eval masks`` as it is typed: tables, files, and what is said of wrong input."""

import json
from pathlib import Path
from typing import get_args

import pytest
from PIL import Image
from segmentation.true_sequences import write_sequence
from typer.testing import CliRunner, Result

from fame_cli.cli.app import app
from fame_cli.config import Motion
from fame_cli.method import Variant

SMALL = ("--clip-frames", 4, "--hop-frames", 4, "--size-px", 32, "--map-short-side-px", 32, "-j", 1)


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    """Two sets of sequences of twelve frames."""
    for number, name in enumerate(("still/a", "still/b", "other/c")):
        write_sequence(tmp_path / "truth" / name, count=12, seed=number)
    return tmp_path / "truth"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["eval", "masks", *map(str, arguments)], env={"COLUMNS": "160"})


def said(result: Result) -> str:
    return " ".join(result.output.split())


def refused(code: int, *arguments: object) -> str:
    result = invoke(*arguments)
    assert result.exit_code == code, result.output
    return said(result)


def test_one_setting_is_told_sequence_by_sequence(truth: Path, tmp_path: Path) -> None:
    result = invoke("--truth", truth, "-o", tmp_path / "out", "--variant", "seed", *SMALL)
    assert result.exit_code == 0, result.output
    for name in (
        "seed, plain, β = 0.5",
        "still/a",
        "still/b",
        "other/c",
        "mean of still",
        "mean of other",
        "AUC",
    ):
        assert name in said(result)
    record = json.loads((tmp_path / "out" / "masks.json").read_text())
    assert f"{record['settings'][0]['mean']['auc']:.3f}" in said(result)
    assert record["protocol"]["clip_frames"] == 4
    assert record["truth"]["folder"] == str(truth)
    width, height = Image.open(tmp_path / "out" / "masks.png").size
    assert width > 400
    assert height > 3 * 144


def test_every_combination_is_scored_once(truth: Path, tmp_path: Path) -> None:
    variants, motions = get_args(Variant), get_args(Motion)
    options = [part for variant in (*variants, "seed") for part in ("--variant", variant)]
    options += [part for motion in motions for part in ("--motion", motion)]
    hues = ("--hue", "published", "--hue", "correct")
    result = invoke("--truth", truth, "-o", tmp_path, *options, *hues, *SMALL)
    assert result.exit_code == 0, result.output
    record = json.loads((tmp_path / "masks.json").read_text())
    found = [(one["variant"], one["motion"], one["hue"]) for one in record["settings"]]
    # A centred blob is the same whatever the clip shows, and the seed whatever its colours are.
    expected = {"gauss": [("plain", "published")]}
    for variant in ("seed", "grid"):
        expected[variant] = [(motion, "published") for motion in motions]
    for variant in ("fame", "joint"):
        expected[variant] = [(motion, hue) for motion in motions for hue in ("published", "correct")]
    assert found == [(variant, *rest) for variant in variants for rest in expected[variant]]
    assert [one["name"] for one in record["settings"] if one["variant"] == "gauss"] == ["gauss"]
    assert "drawing" in said(result)
    assert "AUC other" in said(result)
    assert all(word in said(result) for word in (*variants, *motions))


def test_options_reach_the_masks(truth: Path, tmp_path: Path) -> None:
    for beta in ("0.02", "0.25"):
        done = invoke("--truth", truth, "-o", tmp_path / beta, "--variant", "gauss", "--beta", beta, *SMALL)
        assert done.exit_code == 0, done.output
    little, more = (json.loads((tmp_path / beta / "masks.json").read_text()) for beta in ("0.02", "0.25"))
    assert little["settings"][0]["mean"]["auc"] == more["settings"][0]["mean"]["auc"]
    assert little["settings"][0]["mean"]["recall"] < more["settings"][0]["mean"]["recall"] == 1


def test_sequences_named_in_a_file_are_scored_alone(truth: Path, tmp_path: Path) -> None:
    (tmp_path / "val.txt").write_text("b\nother/c\n")
    result = invoke("--truth", truth, "-o", tmp_path, "--sequences", tmp_path / "val.txt", *SMALL)
    assert result.exit_code == 0, result.output
    record = json.loads((tmp_path / "masks.json").read_text())
    assert [one["name"] for one in record["sequences"]] == ["other/c", "still/b"]


def test_what_was_left_out_is_told(truth: Path, tmp_path: Path) -> None:
    write_sequence(truth / "other" / "short", count=5)
    result = invoke("--truth", truth, "-o", tmp_path, *SMALL)
    assert result.exit_code == 0, result.output
    assert "1 of 7 clips left out: too few frames for a clip" in said(result)
    assert "no clip was scored of other/short" in said(result)


def test_names_that_are_no_text_are_told_and_drawn(tmp_path: Path) -> None:
    write_sequence(tmp_path / "truth" / "caf\udce9 [1]", count=12)
    result = invoke("--truth", tmp_path / "truth", "-o", tmp_path / "out", *SMALL)
    assert result.exit_code == 0, result.output
    assert r"caf\xe9 [1]" in said(result)
    record = json.loads((tmp_path / "out" / "masks.json").read_text())
    assert record["sequences"][0]["name"] == "caf\udce9 [1]"


def test_wrong_input_is_named_with_its_exit_code(truth: Path, tmp_path: Path) -> None:
    out = ("-o", tmp_path / "out")
    assert "absent is not a folder" in refused(3, "--truth", tmp_path / "absent", *out)
    (tmp_path / "empty").mkdir()
    assert "holds no sequence of frames and masks" in refused(3, "--truth", tmp_path / "empty", *out)
    assert "3 for too few frames for a clip" in refused(3, "--truth", truth, *out, "-j", 1)
    assert "--variant is 'fam'; expected fame, seed, grid, gauss or joint" in refused(
        2, "--truth", truth, *out, "--variant", "fam"
    )
    assert "--motion is 'fast'; expected plain or compensated" in refused(
        2, "--truth", truth, *out, "--motion", "fast"
    )
    assert "--beta is 0.0; expected above 0" in refused(2, "--truth", truth, *out, "--beta", 0)
    (truth / "other" / "c" / "masks" / "00004.png").write_text("no image")
    assert "00004.png is not a readable image" in refused(3, "--truth", truth, *out, *SMALL)
    assert "missing option" in refused(2, *out)
    assert not (tmp_path / "out").exists()


def test_folder_that_cannot_be_written_is_told(truth: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    assert "cannot write" in refused(2, "--truth", truth, "-o", tmp_path / "out", *SMALL)


def test_help_has_an_example_and_says_what_masks_mean() -> None:
    help_text = said(CliRunner().invoke(app, ["eval", "masks", "--help"]))
    assert "Example: fame eval masks --truth" in help_text
    assert "170 and 85 are ignored" in help_text


@pytest.mark.real
def test_real_sequences_are_scored_with_several_processes(real_data: Path, tmp_path: Path) -> None:
    result = invoke("--truth", real_data / "masks", "-o", tmp_path, "--variant", "seed", "-j", 2)
    assert result.exit_code == 0, result.output
    record = json.loads((tmp_path / "masks.json").read_text())
    [seed] = record["settings"]
    assert seed["groups"]["davis2016"]["auc"] == pytest.approx(0.75, abs=0.02)
    assert seed["groups"]["sbi2015"]["auc"] == pytest.approx(0.92, abs=0.02)
