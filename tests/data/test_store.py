"""Which store is read, where there may be several."""

from pathlib import Path

import pytest

from fame_cli import stage
from fame_cli.data.store import choose_store
from fame_cli.errors import ArtefactError, ConfigurationError


def describe(folder: Path, complete: bool, **configuration: int) -> None:
    folder.mkdir(parents=True)
    stage.write_description(folder, stage.Description("text", configuration, "", {}, complete))


def test_the_only_finished_store_is_taken_and_of_two_one_is_to_be_named(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="does not exist yet"):
        choose_store(tmp_path, None, "--frames", "fame extract")
    describe(tmp_path / "a-1", complete=True, side=1)
    assert choose_store(tmp_path, None, "--frames", "fame extract").name == "a-1"
    describe(tmp_path / "b-2", complete=True, side=2)
    with pytest.raises(ConfigurationError, match=r"a-1 \(side 1\), b-2 \(side 2\)") as raised:
        choose_store(tmp_path, None, "--frames", "fame extract")
    assert raised.value.hint == "Choose one: --frames a-1"
    assert choose_store(tmp_path, "b-2", "--frames", "fame extract").name == "b-2"
    with pytest.raises(ConfigurationError, match="has no such folder; it has a-1, b-2"):
        choose_store(tmp_path, "c-3", "--frames", "fame extract")


@pytest.mark.parametrize("wanted", [None, "a-1"])
def test_unfinished_store_is_not_taken(tmp_path: Path, wanted: str | None) -> None:
    describe(tmp_path / "a-1", complete=False)
    with pytest.raises(ArtefactError, match="is not finished"):
        choose_store(tmp_path, wanted, "--frames", "fame extract")
