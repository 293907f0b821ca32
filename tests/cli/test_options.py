"""An option that a configuration says is there wherever options are: in signature, help, recipes, docs."""

import inspect
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner, Result

from docs.option_tables import option_table
from fame_cli.cli import console
from fame_cli.cli.app import app
from fame_cli.cli.options import takes
from fame_cli.cli.recipes import RecipeOption
from fame_cli.config import GROUPS, EvaluationConfig, PretrainConfig
from fame_cli.errors import ConfigurationError, FameError
from fame_cli.learning.pretraining_set import NOTHING
from fame_cli.learning.run import RunFolder
from fame_cli.option import Option
from fame_cli.recipe import TABLES, read_recipe


@dataclass(frozen=True)
class LabConfig(PretrainConfig):
    """A pretraining with one option more: all that has to be written for it."""

    mixed_share: Annotated[
        float,
        Option(
            "Fraction of clips that are mixed.", at_least=0, below=1, group="Distraction", flags=("--mix",)
        ),
    ] = 0.25


WIDE = {"COLUMNS": "200"}
"""So that a row of a help is one line."""


def command_of(config_type: type[Any]) -> tuple[typer.Typer, list[Any]]:
    """A command that takes a configuration, and the configurations that it was called with."""
    called: list[Any] = []

    @takes(config_type)
    def pretrain(config: Any, recipe: RecipeOption = None) -> int:  # noqa: ARG001
        called.append(config)
        return 0

    one = typer.Typer(rich_markup_mode="markdown")
    one.command()(console.guard(pretrain))
    assert "mixed_share" in inspect.signature(pretrain).parameters
    return one, called


def invoke(command: Any, *arguments: object) -> Result:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments], env=WIDE)
    if isinstance(result.exception, FameError):
        raise result.exception
    return result


def test_option_that_is_said_once_is_taken_from_the_command_line() -> None:
    command, called = command_of(LabConfig)
    assert invoke(command).exit_code == 0
    assert invoke(command, "--mixed-share", "0.75").exit_code == 0
    assert invoke(command, "--mix", "0").exit_code == 0
    assert called == [LabConfig(), LabConfig(mixed_share=0.75), LabConfig(mixed_share=0)]
    refused = invoke(command, "--mix", "1")
    assert refused.exit_code == 2
    assert "--mixed-share is 1.0; expected from 0 to below 1" in refused.output


def test_option_that_is_said_once_stands_in_its_group_of_the_help() -> None:
    text = invoke(command_of(LabConfig)[0], "--help").output
    panel = text[text.index("─ Distraction ─") : text.index("─ Objective ─")]
    line = next(line for line in panel.splitlines() if "--mixed-share" in line)
    assert "--mix " in line
    assert "NUMBER" in line
    assert "Fraction of clips that are mixed. [from 0 to below 1]" in line
    assert "[default: 0.25]" in panel


def test_option_that_is_said_once_is_known_to_recipes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[pretrain]\nmixed_share = 0.5\nbatch_size = 32\n")
    with pytest.raises(ConfigurationError, match="unknown option mixed_share"):
        read_recipe(str(path))
    monkeypatch.setitem(TABLES, "pretrain", LabConfig)
    command, called = command_of(LabConfig)
    assert invoke(command, "--recipe", path, "--batch-size", "16").exit_code == 0
    assert called == [LabConfig(mixed_share=0.5, batch_size=16)]
    path.write_text("[pretrain]\nmixed_share = '0.5'\n")
    with pytest.raises(
        ConfigurationError, match=r"--mixed-share is '0.5'; expected a number from 0 to below"
    ):
        invoke(command, "--recipe", path)


def test_option_that_is_said_once_is_written_down_and_repeats_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TABLES, "pretrain", LabConfig)
    config = LabConfig(mixed_share=0.125, seed=3)
    RunFolder(tmp_path / "run").begin(config.to_dict(), {}, NOTHING, False)
    command, called = command_of(LabConfig)
    assert invoke(command, "--recipe", tmp_path / "run" / "config.toml").exit_code == 0
    assert called == [config]


def test_option_that_is_said_once_has_a_row_in_the_docs() -> None:
    row = "| `--mixed-share`, `--mix` | `NUMBER` | 0.25 | Fraction of clips that are mixed. [from 0 to"
    assert f"{row} below 1] |" in option_table(typer.main.get_command(command_of(LabConfig)[0])).splitlines()


def test_options_that_are_left_out_keep_their_defaults() -> None:
    @takes(PretrainConfig, leave_out=("epochs",))
    def command(config: PretrainConfig, epochs: int) -> int:
        return config.epochs - epochs

    assert command(epochs=1) == 199


def test_options_whose_default_comes_later_are_handed_over_as_given() -> None:
    @takes(EvaluationConfig)
    def command(config: EvaluationConfig, given: dict[str, int | None]) -> int:
        assert given == {"clip_frames": 8, "frame_stride": None, "crop_px": None}
        return config.clip_frames

    assert command(clip_frames=8) == 8


def test_pretraining_shows_its_options_in_named_groups() -> None:
    text = invoke(app, "pretrain", "--help").output
    places = [text.index(f"─ {group} ─") for group in GROUPS if group not in ("Frames", "Vote")]
    assert len(places) == 7
    assert places == sorted(places)


def test_no_command_has_an_option_to_set_others() -> None:
    assert invoke(app, "pretrain", "work", "-o", "run", "--set", "beta=0.3").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "extract videos -o work --source ucf10",
            r"--source is 'ucf10'; expected [\s\S]*Did you mean ucf101\?",
        ),
        (
            "extract videos -o work --backend daks",
            r"--backend is 'daks'; expected [\s\S]*Did you mean dask\?",
        ),
        ("compare a b --protocol retreival", r"--protocol is 'retreival'; [\s\S]*Did you mean retrieval\?"),
        ("compare a b --format markdwn", r"--format is 'markdwn'; expected [\s\S]*Did you mean markdown\?"),
        (
            "visualize confusion run --protocol finetuned",
            r"--protocol is 'finetuned'; [\s\S]*mean finetune\?",
        ),
        (
            "eval knn work run --backbone r3d18",
            r"--backbone is 'r3d18'; expected [\s\S]*Did you mean r3d_18\?",
        ),
        (
            "pretrain work -o run --device gpu",
            r"--device gpu cannot be used: expected auto, cpu, cuda or cuda:N",
        ),
        ("pretrain work -o afile", r"cannot write to -o afile: afile is a file; expected a folder"),
        ("visualize masks work -o afile/pictures", r"cannot write to -o afile/pictures: afile is a file"),
        ("pretrain work -o run --recipe afile", r"the recipe .*afile is not valid TOML"),
    ],
)
def test_wrong_name_is_told_with_what_was_expected_and_the_nearest(
    arguments: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("afile").write_text("no table")
    result = invoke(app, *arguments.split())
    assert result.exit_code == 2
    assert re.search(message, result.output)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("pretrain work -o run --beta half", "--beta is 'half'; expected a number above 0, at most 1"),
        ("pretrain work -o run --steps 1e20", "--steps is '1e20'; expected an integer of at least 0"),
        ("pretrain work -o run --seed -1", "--seed is -1; expected at least 0"),
        ("pretrain work -o run --variant gaus", "Did you mean gauss?"),
        ("masks work --motion compensate", "Did you mean compensated?"),
        ("extract videos -o work --jpeg-quality 101", "--jpeg-quality is 101; expected from 1 to 100"),
        ("eval masks --truth x -o y --variant sed", "Did you mean seed?"),
        ("visualize masks work --beta 0", "--beta is 0.0; expected above 0, at most 1"),
        ("benchmark train --batch-size 1", "--batch-size is 1; expected at least 2"),
    ],
)
def test_wrong_value_is_an_error_of_usage(arguments: str, message: str) -> None:
    result = invoke(app, *arguments.split())
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
