"""A result file is read back as it was written, or refused."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from fame_cli.errors import ArtefactError
from fame_cli.evaluation.results import (
    Figure,
    Neighbour,
    Prediction,
    Query,
    Result,
    read_result,
    write_result,
)

RESULT = Result(
    protocol="linear",
    figures={"top1": Figure(50.0, 2, 33.3, 1, (9.5, 90.5)), "top5": Figure(100.0, 2, 100.0, 3)},
    configuration={"clips": 10, "milestones": [60, 80]},
    splits={"train": {"name": "train", "videos": 4}, "test": {"name": "test", "videos": 2}, "source": {}},
    classes=("blue", "grün"),
    weights={"path": "backbone.safetensors", "keys": None},
    frames={"folder": "short128", "fingerprint": "f"},
    device="cpu",
    versions={"torch": "2"},
    seconds=1.5,
    notes=("a note",),
    predictions=(Prediction("a.avi", "blue", "grün", 0.7, False),),
    queries=(Query("b.avi", "blue", (Neighbour("c.avi", "blue", 0.9),), True),),
    training_loss=(1.1, 0.4),
)


def test_result_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "results" / "linear-1.json"
    assert write_result(path, RESULT) == read_result(path) == RESULT
    assert json.loads(path.read_text())["schema_version"] == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"figures": {}}, "not percentages"),
        ({"figures": {"top1": {"percent": 120.0, "videos": 2, "chance": 1}}}, "not percentages"),
        ({"figures": {"top1": {"percent": 20.0}}}, "missing 2 required"),
        ({"predictions": [{"id": "a"}]}, "missing 4 required"),
        ({"queries": [{"id": "a"}]}, "neighbours"),
        ({"surprise": 1}, "surprise"),
        ({"schema_version": 1}, "has schema version 1, this version reads 3"),
    ],
)
def test_result_that_is_not_what_it_should_be_is_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    path = tmp_path / "linear-1.json"
    path.write_text(json.dumps(dataclasses.asdict(RESULT) | change))
    with pytest.raises(ArtefactError, match=message):
        read_result(path)


def test_truncated_or_missing_result_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "linear-1.json"
    with pytest.raises(ArtefactError, match="there is no such result"):
        read_result(path)
    write_result(path, RESULT)
    path.write_text(path.read_text()[:-20])
    with pytest.raises(ArtefactError, match="is not what was written: Unterminated"):
        read_result(path)


@pytest.mark.parametrize("sealed", [True, False])
def test_result_that_was_edited_by_hand_is_told_and_not_shown(tmp_path: Path, sealed: bool) -> None:
    path = tmp_path / "results" / "linear-1.json"
    write_result(path, RESULT)
    values = json.loads(path.read_text())
    values["figures"]["top1"]["percent"] = 99.0
    if not sealed:
        del values["seal"]  # the run's record tells it all the same
    path.write_text(json.dumps(values))
    with pytest.raises(ArtefactError, match="is not what was written"):
        read_result(path)


def test_result_of_an_older_version_has_no_seal_and_is_read(tmp_path: Path) -> None:
    path = tmp_path / "linear-1.json"
    path.write_text(json.dumps(dataclasses.asdict(RESULT)))
    assert read_result(path) == RESULT
