"""Sections: one of several methods, each with its own options and defaults, flat on the command line."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fame_cli.cli.app import app
from fame_cli.config import PretrainConfig
from fame_cli.configuration import flatten, options_of
from fame_cli.errors import ArtefactError, ConfigurationError
from fame_cli.learning.pretraining_set import NOTHING
from fame_cli.learning.run import RunFolder
from fame_cli.method import (
    ByolConfig,
    FameConfig,
    MixupConfig,
    MocoConfig,
    NoDistraction,
    OwnObjective,
    SimclrConfig,
)
from fame_cli.recipe import read_recipe


def test_each_method_has_defaults_of_its_own() -> None:
    assert (MocoConfig().momentum, MocoConfig().embedding_dim) == (0.999, 128)
    byol = PretrainConfig.from_options(objective="byol").objective
    assert byol == ByolConfig(momentum=0.996, embedding_dim=256)
    assert PretrainConfig.from_options(distraction="mixup").distraction == MixupConfig(gamma=0.3)
    assert PretrainConfig() == PretrainConfig(distraction=FameConfig(), objective=MocoConfig())


def test_help_says_which_method_has_which_default() -> None:
    shown = {field.name: field.default_text for field in options_of(PretrainConfig)}
    assert shown["momentum"] == "0.999 (moco, wide-micro), 0.996 (byol)"
    assert shown["embedding_dim"] == "128 (moco, simclr, wide-micro), 256 (byol)"
    assert shown["gamma"] == "0.3 (mixup, frame-inter, frame-intra)"
    assert shown["branch"] == "single"
    assert shown["objective"] == "moco"
    text = CliRunner().invoke(app, ["pretrain", "--help"], env={"COLUMNS": "200"}).output
    assert "0.999 (moco, wide-micro), 0.996 (byol)" in text
    assert "--no-symmetric" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"objective": "simclr", "queue_length": 64},
            "--queue-length belongs to moco and wide-micro; the objective is simclr",
        ),
        (
            {"objective": "byol", "temperature": 1},
            "--temperature belongs to moco, simclr and wide-micro; the objective is b",
        ),
        (
            {"objective": "a.b:c", "momentum": 0.5},
            "--momentum belongs to moco, byol and wide-micro; the objective is a.b:c",
        ),
        ({"distraction": "noise", "beta": 0.5}, "--beta belongs to fame; the distraction is noise"),
        ({"sigma": 2}, "--sigma belongs to noise; the distraction is fame"),
        (
            {"distraction": "cutmix", "gamma": 0.2},
            "--gamma belongs to mixup, frame-inter and frame-intra; the",
        ),
        (
            {"distraction": "none", "branch": "both"},
            "--branch belongs to fame, noise, mixup, cutmix, frame-inter, frame-intra and your own "
            "distraction; the distraction is none",
        ),
    ],
)
def test_option_that_the_method_does_not_have_is_refused_wherever_it_is_given(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message) as told:
        PretrainConfig.from_options(**options)
    assert "Leave it out, or choose with --" in told.value.hint
    words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    refused = CliRunner().invoke(app, ["pretrain", "work", "-o", "run", *words])
    assert refused.exit_code == 2
    assert message in " ".join(refused.output.split())


def test_method_or_value_that_does_not_exist_is_refused() -> None:
    for values, message in (
        ({"objective": {"name": "mocco"}}, "--objective is 'mocco'; expected moco, simclr, byol, rotation, "),
        ({"objective": {"nam": "moco"}}, "unknown option nam.\nDid you mean name?"),
        ({"objective": "moco"}, "objective is 'moco'; expected a table of its name and its options"),
        ({"objective": {"symmetric": 1}}, "--symmetric is 1; expected true or false"),
        ({"objective": {"name": 3}}, "--objective is 3"),
        ({"queue_length": 64}, "unknown option queue_length.\nIt belongs into the table of objective"),
    ):
        with pytest.raises(ConfigurationError) as told:
            PretrainConfig.from_dict(values)
        assert message in str(told.value)
    with pytest.raises(ConfigurationError, match="--objective is 'mocco'"):
        PretrainConfig(objective=OwnObjective("mocco"))


def test_another_method_begins_with_its_own_defaults_and_the_same_one_keeps_what_was_said() -> None:
    config = PretrainConfig.from_options(momentum=0.5, temperature=0.2, beta=0.3, branch="both")
    assert config.with_options(objective="byol").objective == ByolConfig()
    assert config.with_options(objective="simclr", temperature=0.3).objective == SimclrConfig(temperature=0.3)
    assert config.with_options(objective="moco", temperature=0.3).objective == MocoConfig(
        momentum=0.5, temperature=0.3
    )
    assert config.with_options(distraction="none").distraction == NoDistraction()
    assert config.with_options(seed=3).distraction == config.distraction


def test_plain_values_make_the_same_configuration_again() -> None:
    config = PretrainConfig.from_options(objective="a.b:c", distraction="frame-inter", gamma=0.2, seed=1)
    assert PretrainConfig.from_dict(config.to_dict()) == config
    assert PretrainConfig.from_options(**flatten(config.to_dict())) == config


def test_derived_recipe_says_options_of_its_bases_method_or_chooses_another(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"

    def read(text: str) -> dict[str, Any]:
        path.write_text(f"[recipe]\nbase = 'ucf101-i3d-fame'\n{text}")
        return dict(read_recipe(str(path)).options("pretrain"))

    base = read_recipe("ucf101-i3d-fame").options("pretrain")
    longer = read("[pretrain.objective]\nqueue_length = 4096\n")
    assert longer["objective"] == base["objective"] | {"queue_length": 4096}
    assert longer["distraction"] == base["distraction"]
    assert read("[pretrain.objective]\nname = 'simclr'\n")["objective"] == {"name": "simclr"}
    noisy = read("[pretrain.distraction]\nname = 'noise'\nsigma = 2\n")
    assert noisy["distraction"] == {"name": "noise", "sigma": 2}


def run_of(folder: Path, *options: str) -> PretrainConfig:
    """What a pretraining of these options is asked to do, as its folder says; it stops for want of videos."""
    asked: list[PretrainConfig] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fame_cli.distraction.build.reads_maps", lambda config: asked.append(config))
        patch.setattr("fame_cli.data.manifest.read_manifest", lambda _: None)
        patch.setattr("fame_cli.data.frames.open_frame_store", lambda *_: None)
        CliRunner().invoke(app, ["pretrain", "work", "-o", str(folder), *options])
    (config,) = asked
    return config


def test_command_lays_what_is_given_over_the_section_of_its_recipe(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text("[pretrain.objective]\nqueue_length = 512\nsymmetric = false\nmomentum = 0.9\n")
    given = run_of(tmp_path, "--recipe", str(recipe), "--momentum", "0.5", "--symmetric")
    assert given.objective == MocoConfig(queue_length=512, momentum=0.5)
    same = run_of(tmp_path, "--recipe", str(recipe), "--objective", "moco")
    assert same.objective == MocoConfig(queue_length=512, symmetric=False, momentum=0.9)
    assert run_of(tmp_path, "--recipe", str(recipe), "--objective", "byol").objective == ByolConfig()
    assert run_of(tmp_path, "--no-symmetric").objective == MocoConfig(symmetric=False)


def test_run_of_other_options_is_told_by_what_differs(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    begun = PretrainConfig.from_options(temperature=0.2)
    folder.begin(begun.to_dict(), {}, NOTHING, False)
    for changes, said in (
        ({"temperature": 0.3}, r"other options: temperature was 0\.2, is 0\.3\."),
        ({"objective": "simclr"}, r"other options: objective was 'moco', is 'simclr'\."),
    ):
        with pytest.raises(ConfigurationError, match=said):
            folder.begin(begun.with_options(**changes).to_dict(), {}, NOTHING, True)


def test_run_folder_of_an_older_version_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        "schema_version = 1\n[pretrain]\nobjective = 'moco'\nbeta = 0.5\n[data]\n"
    )
    with pytest.raises(ArtefactError, match="has schema version 1, this version reads 2"):
        RunFolder(tmp_path).begin(PretrainConfig().to_dict(), {}, NOTHING, True)
    refused = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert refused.exit_code == 4
    assert "has schema version 1" in " ".join(refused.output.split())
    assert "Traceback" not in refused.output
