"""What a stage would do is told from the shards that are finished, and nothing is done."""

from pathlib import Path

import pytest

from fame_cli import stage
from fame_cli.forecast import Forecast, forecast_stage, seconds_between
from fame_cli.shard import Receipt, Shard, Summary


def write(path: Path, task: int) -> Summary:
    path.write_bytes(b"x" * task)
    return {}


def shards(count: int) -> list[Shard]:
    return [Shard(f"{number:05d}", f"in {number}", 8, 100) for number in range(count)]


def receipt(seconds: float) -> Receipt:
    return Receipt("", "", 1, round(seconds * 1e9), {})


def test_time_between_shards_is_not_that_of_a_pause() -> None:
    # Two hours pass between two runs of the stage.
    assert seconds_between([receipt(at) for at in (0, 2, 4, 6, 7206, 7208)]) == 2
    assert seconds_between([receipt(at) for at in (4, 0, 2)]) == 2
    assert seconds_between([receipt(0), receipt(2)]) is None


def test_nothing_is_known_of_a_stage_that_has_not_begun(tmp_path: Path) -> None:
    found = forecast_stage("frames", tmp_path / "none", shards(3))
    assert found == Forecast("frames of 24 of 24 videos", tmp_path / "none", 24)
    assert found.free > 0
    assert list(tmp_path.iterdir()) == []


def test_disk_and_time_are_those_of_what_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.run(tmp_path / "s", "frames", {}, shards(4), write, in_process=True)
    monkeypatch.setattr("fame_cli.forecast.seconds_between", lambda receipts: len(receipts) / 2)
    found = forecast_stage("frames", tmp_path / "s", shards(10))
    assert found.what == "frames of 48 of 80 videos (32 are done)"
    assert (found.left, found.bytes) == (48, 6 * 100)
    assert found.seconds == 6 * 2.0
    assert forecast_stage("frames", tmp_path / "s", shards(4)).left == 0
