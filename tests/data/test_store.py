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


def test_beginning_of_a_name_names_a_store_where_no_other_begins_so(tmp_path: Path) -> None:
    for name in ("t4-s2-a1", "t4-s1-b2", "t16-s2-c3"):
        describe(tmp_path / name, complete=True)
    assert choose_store(tmp_path, "t16", "--frames", "").name == "t16-s2-c3"
    assert choose_store(tmp_path, "t4-s1", "--frames", "").name == "t4-s1-b2"
    with pytest.raises(ConfigurationError, match="several names start with it: t4-s1-b2, t4-s2-a1"):
        choose_store(tmp_path, "t4", "--frames", "")
    with pytest.raises(ConfigurationError, match="has no such folder"):
        choose_store(tmp_path, "", "--frames", "")


def test_options_choose_among_several_as_far_as_any_has_them(tmp_path: Path) -> None:
    describe(tmp_path / "a-1", complete=True, frames=4, side=1)
    describe(tmp_path / "b-2", complete=True, frames=4, side=2)
    describe(tmp_path / "c-3", complete=True, frames=8, side=1)
    assert choose_store(tmp_path, None, "--frames", "", {"frames": 8, "side": 2}).name == "c-3"
    assert choose_store(tmp_path, None, "--frames", "", {"frames": 4, "side": 2}).name == "b-2"
    with pytest.raises(ConfigurationError, match=r"several results: a-1 \(side 1\), b-2 \(side 2\)"):
        choose_store(tmp_path, None, "--frames", "", {"frames": 4, "side": 9})
