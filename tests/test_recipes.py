"""Recipes: complete, checked, and below what is given by hand."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
from conftest import find_real_data, moving_square, write_video
from typer.testing import CliRunner

from fame_cli.cli.app import app
from fame_cli.configuration import flatten
from fame_cli.errors import ConfigurationError, FameError
from fame_cli.method import MocoConfig, WideMicroConfig
from fame_cli.option import option_name
from fame_cli.recipe import TABLES, Recipe, parse, read_recipe, shipped_recipes

PUBLISHED = {
    # table: the figures of FAME's own rows, (UCF101, HMDB51) or R@1, 5, 10, 20, 50
    "Table 1": {(67.4, 39.8), (72.2, 42.2), (82.9, 50.7), (84.8, 53.5), (88.6, 61.1)},
    "Table 2": {(62.3, 75.1, 80.9, 86.9, 93.0)},
    "Table 3": {(75.8, 45.5), (80.3, 49.6), (81.2, 52.6), (82.0, 51.6)},
    "Table 4": {(75.8, 45.5), (77.4, 47.6), (81.2, 52.6)},
    "Table 5": {(80.3, 49.6), (79.6, 50.8), (81.2, 52.6), (81.2, 51.4), (82.0, 51.6), (81.1, 53.1)},
    "Table 6": {
        *((75.8, 45.5), (77.9, 46.4), (80.4, 51.3), (81.5, 51.5), (81.2, 52.6)),
        *((86.5, 58.7), (88.6, 61.1)),
    },
    # BE's own rows, those of its MoCo and of pretext tasks: (UCF101, HMDB51), (Diving48), R@1 to 50
    "BE, Table 1": {
        *((62.9, 33.7), (65.4, 37.4), (60.6, 28.3), (63.7, 30.8), (65.6, 28.4), (68.5, 32.8)),
        *((60.5, 27.2), (72.4, 42.3), (70.4, 36.3), (86.8, 55.4), (82.4, 52.9), (83.4, 53.7), (87.1, 56.2)),
    },
    "BE, Table 2": {(58.3,), (46.6,), (43.2,), (58.8,), (47.9,), (62.4,)},
    "BE, Table 3": {
        (9.5, 25.4, 38.3, 52.2, 72.4),
        (10.2, 27.6, 40.5, 56.2, 76.6),
        (9.3, 28.8, 41.4, 57.9, 78.5),
        (11.9, 31.3, 44.5, 60.5, 81.4),
    },
    "BE, Table 4": {(72.7, 42.1), (73.2, 42.4), (68.3, 38.1), (71.2, 40.5), (77.4, 46.5), (82.4, 52.9)},
}

TASKS = ("rotation", "puzzle", "order")
PRETEXT = [name for name in shipped_recipes() if {*TASKS} & {*name.split("-")}]
BE = [name for name in shipped_recipes() if "be" in name.split("-") and name not in PRETEXT]
BE_TRAINED = ["ucf101-i3d-be", "ucf101-c3d-be-moco"]
"""With and without what BE adds; its distractions, networks and tasks are trained in tests of their own."""


def test_recipes_cover_every_row_of_the_papers_tables() -> None:
    found: dict[str, set[tuple[float, ...]]] = {}
    for name in shipped_recipes():
        for row in read_recipe(name).rows:
            found.setdefault(row.table, set()).add(tuple(row.figures.values()))
    assert found == PUBLISHED


@pytest.mark.parametrize("name", shipped_recipes())
def test_recipe_states_every_option_so_that_a_changed_default_changes_no_recipe(name: str) -> None:
    recipe = read_recipe(name)
    for table, configuration in TABLES.items():
        # A section states the options of its own method, each of which is made whole by reading it.
        stated = recipe.options(table)
        assert flatten(stated).keys() == flatten(configuration.from_dict(stated).to_dict()).keys(), table
    assert recipe.notes


def is_other_method(value: object, below: Recipe, table: str, key: str) -> bool:
    """Whether a section chooses another method than the base, of which nothing is taken over then."""
    return isinstance(value, dict) and value.get("name") not in (None, below.options(table)[key]["name"])


def test_three_recipes_are_complete_and_the_others_say_only_what_differs_from_their_base() -> None:
    complete = []
    for name in shipped_recipes():
        own = parse(name)
        base = own["recipe"].get("base")
        if base is None:
            complete.append(name)
            continue
        below = read_recipe(base)
        for table in own.keys() & TABLES.keys():
            options = {
                key: value
                for key, value in own[table].items()
                if not is_other_method(value, below, table, key)
            }
            stated, given = flatten(options), flatten(below.options(table))
            assert stated.items().isdisjoint(given.items()), f"{name} [{table}]"
    assert complete == ["k400-c3d-rotation-be", "ucf101-i3d-be", "ucf101-r2plus1d-fame"]


def differences(name: str, base: str, table: str = "pretrain") -> dict[str, object]:
    """The options of a recipe that have other values than those of another, or that it lacks."""
    own, other = (flatten(read_recipe(one).options(table)) for one in (name, base))
    return {key: value for key, value in own.items() if key not in other or other[key] != value}


def test_rows_of_bes_tables_differ_from_it_in_what_is_ablated() -> None:
    none, moco = {"distraction": "none"}, {"distraction": "none", "extra_negative": "none"}
    k400 = {"epochs": 50, "batch_size": 64, "queue_length": 65536, "batch_norm_clips": 8}
    expected = {
        "be-published-finetune": {},
        "diving48-i3d-be": {"epochs": 10, "batch_size": 8},
        "k400-i3d-be": k400,
        "k400-i3d-be-moco": {**k400, **moco},
        "k400-r3d34-be": {**k400, "backbone": "r3d_34"},
        "ucf101-c3d-be": {"backbone": "c3d", "crop_px": 112},
        "ucf101-c3d-be-moco": {"backbone": "c3d", "crop_px": 112, **moco},
        "ucf101-i3d-be": {},
        "ucf101-i3d-be-cutmix": {"distraction": "cutmix"},
        "ucf101-i3d-be-inter": {"distraction": "frame-inter"},
        "ucf101-i3d-be-mixup": {"distraction": "mixup"},
        "ucf101-i3d-be-moco": moco,
        "ucf101-i3d-be-noise": {"distraction": "noise", "sigma": 1.0},
        "ucf101-i3d-be-none": none,
        "ucf101-r3d18-be": {"backbone": "r3d_18"},
        "ucf101-r3d34-be": {"backbone": "r3d_34"},
    }
    assert {name: differences(name, "ucf101-i3d-be") for name in BE} == expected


@pytest.mark.parametrize("task", TASKS)
def test_a_pretext_task_with_be_differs_from_it_alone_in_distraction_and_consistency(task: str) -> None:
    data = "k400" if task == "rotation" else "ucf101"
    changed = differences(f"{data}-c3d-{task}", f"{data}-c3d-{task}-be")
    assert changed == {"distraction": "none", "consistency": 0.0}
    with_be = flatten(read_recipe(f"{data}-c3d-{task}-be").options("pretrain"))
    assert [with_be[name] for name in ("objective", "distraction", "consistency")] == [
        *(task, "frame-intra", 1.0)
    ]


def test_bes_published_test_differs_from_the_honest_one_in_clips_and_epoch() -> None:
    for table in set(TABLES) - {"finetune"}:
        assert not differences("be-published-finetune", "ucf101-i3d-be", table)
    published = differences("be-published-finetune", "ucf101-i3d-be", "finetune")
    assert published == {"clips": 1, "keep_epoch": "best-on-test"}


def test_recipe_of_an_interpretation_says_so_and_claims_no_figure() -> None:
    recipe, fame = read_recipe("ucf101-r2plus1d-wide-micro"), read_recipe("ucf101-r2plus1d-fame")
    assert recipe.rows == ()
    assert "none is claimed" in recipe.notes[-2]
    options, base = recipe.options("pretrain"), fame.options("pretrain")
    assert {key for key in options if options[key] != base[key]} == {"distraction", "objective"}
    assert options["distraction"] == {**base["distraction"], "background": "still"}
    assert options["objective"] == WideMicroConfig().to_dict()


def test_rows_of_the_ablations_differ_in_the_option_that_is_ablated() -> None:
    def changed(name: str) -> dict[str, object]:
        return differences(name, "ucf101-i3d-fame")

    assert changed("ucf101-i3d-moco") == {"beta": 1.0}
    assert changed("ucf101-i3d-fame-beta0.7") == {"beta": 0.7}
    assert changed("ucf101-i3d-fame-beta0.3-both") == {"beta": 0.3, "branch": "both"}
    assert changed("ucf101-i3d-fame-intra") == {"background": "intra"}
    assert changed("ucf101-i3d-gauss") == {"variant": "gauss"}
    assert changed("ucf101-i3d-seed") == {"variant": "seed"}
    assert changed("ucf101-i3d-grid") == {"variant": "grid"}
    assert changed("k400-i3d-fame") == {"queue_length": 65536}
    assert changed("k400-r2plus1d-fame") == {
        "queue_length": 65536,
        "backbone": "r2plus1d_18",
        "crop_px": 112,
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[pretrain.distraction]\nbeta2 = 0.3\n",
            r"\[pretrain\]: unknown option beta2.\nDid you mean beta\?",
        ),
        (
            "[pretrain.distraction]\nbeta = 3\n",
            r"--beta is 3; expected above 0, at most 1.\nSee fame pretrain --help",
        ),
        ("[pretrain.distraction]\nbeta = true\n", r"--beta is True; expected a number above 0, at most 1"),
        (
            "[pretrain.distraction]\nbeta = [0.5]\n",
            r"--beta is \[0.5\]; expected a number above 0, at most 1",
        ),
        ("[pretrain]\nbeta = 0.3\n", r"unknown option beta.\nIt belongs into the table of distraction"),
        ("[pretrain]\nobjective = 'moco'\n", r"objective is 'moco'; expected a table of its name and its"),
        ("[pretrain.objective]\nsymmetric = 1\n", r"--symmetric is 1; expected true or false"),
        ("[pretrain.objective]\nname = 'mocco'\n", r"--objective is 'mocco'; [\s\S]*Did you mean moco\?"),
        (
            "[pretrain.objective]\nname = 'simclr'\nqueue_length = 64\n",
            r"--queue-length belongs to moco and wide-micro; the objective is simclr.\nLeave it out, or",
        ),
        (
            "[recipe]\nbase = 'ucf101-i3d-fame'\n[pretrain.distraction]\nname = 'none'\nbeta = 1\n",
            r"--beta belongs to fame; the distraction is none",
        ),
        ("[pretrain]\nbatch_size = '8'\n", r"--batch-size is '8'; expected an integer of at least 2"),
        ("[pretrain]\nbatch_size = 8.0\n", r"--batch-size is 8.0; expected an integer of at least 2"),
        ("[pretrain]\nsteps = 1e20\n", r"--steps is 1e\+20; expected an integer of at least 0"),
        (f"[pretrain]\nseed = {2**63}\n", r"--seed is 9223372036854775808; expected at most 922337203685"),
        ("[pretrain]\nseed = -1\n", r"--seed is -1; expected at least 0"),
        ("[pretrain]\nweight_decay = inf\n", r"--weight-decay is inf; expected a number of at least 0"),
        ("[pretrain]\nlearning_rate = nan\n", r"--learning-rate is nan; expected a number above 0"),
        ("[pretrain]\nsplit = 3\n", r"--split is 3; expected text"),
        (
            "[pretrain.distraction]\nvariant = 'guass'\n",
            r"--variant is 'guass'; expected fame.*\nDid you mean gauss\?",
        ),
        ("[pretrain]\nbackbone = 'i3'\n", r"--backbone is 'i3'; expected .* package.module:name.\nDid you"),
        ("[linear]\nmilestones = 60\n", r"--milestones is 60; expected integers of at least 0 with commas"),
        ("[linear]\nmilestones = [60, 0.5]\n", r"--milestones is \[60, 0.5\]; expected integers"),
        ("[linear]\nlr = 1\n", r"\[linear\]: unknown option lr[\s\S]*See fame eval linear --help"),
        ("[pretrian]\nbeta = 0.3\n", r"unknown table pretrian.\nDid you mean pretrain\?"),
        ("pretrain = 3\n", "expected a table of options"),
        ("[pretrain", "is not valid TOML"),
        (f"a = {'[' * 1000}{']' * 1000}\n", "is not valid TOML: its values are nested too deeply"),
        (
            f"[pretrain.distraction]\nbeta = {'[' * 90}{']' * 90}\n",
            r"--beta is \[\[\[.*; expected a number above 0",
        ),
        (f"[{'a.' * 1000}a]\n", "unknown table a"),
        (f"[pretrain.{'a.' * 1000}a]\n", "unknown option a"),
        ('["\\u001b[31m"]\n', r"unknown table \\x1b\[31m\."),
        ("recipe = 'mine'\n", r"\[recipe\]"),
        ("[recipe]\nbase = 3\n", r"\[recipe\]: base is 3; expected text"),
        ("[recipe]\nbased = 'x'\n", r"\[recipe\]: unknown key based"),
        ("[recipe]\nbase = 'ucf101-i3d-fme'\n", "there is no recipe"),
        ("[recipe]\nbase = 'mine.toml'\n", r"mine.toml builds on itself: \S*mine.toml → \S*mine.toml\."),
        ("[recipe]\nbase = 'ucf101-i3d-fame'\n[pretrain]\nbatch_size = 4096\n", "--queue-length is 2048"),
        ("[recipe]\nbase = 'ucf101-i3d-fame'\n[pretrain]\nbta = 1\n", "unknown option bta"),
        ("[recipe]\nbase = 'ucf101-i3d-fame'\npretrain = 3\n", "unknown key pretrain"),
        ("[[recipe.rows]]\ntable = 'x'\n", r"\[recipe\][\s\S]*rows of table, row, protocol and figures"),
    ],
)
def test_wrong_recipe_is_refused_with_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(FameError, match=message):
        read_recipe(str(path))


def test_recipe_builds_on_a_file_beside_it_which_builds_on_one_of_the_toolkit(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text(
        "[recipe]\nbase = 'ucf101-i3d-fame'\nnotes = ['ours']\n[pretrain]\nbatch_size = 256\n[masks]\n"
    )
    (tmp_path / "short.toml").write_text(
        "[recipe]\nbase = 'lab.toml'\ntitle = 'Short'\n[pretrain]\nepochs = 20\n"
    )
    short, base = read_recipe(str(tmp_path / "short.toml")), read_recipe("ucf101-i3d-fame")
    assert short.tables == {
        **base.tables,
        "pretrain": {**base.options("pretrain"), "batch_size": 256, "epochs": 20},
    }
    assert (short.title, short.pretrained_on, short.rows) == ("Short", "UCF101 split 1", ())
    assert short.notes == (*base.notes, "ours")


def test_recipes_that_build_on_too_many_others_are_refused(tmp_path: Path) -> None:
    for number in range(9):
        base = f"{number + 1}.toml" if number < 8 else "ucf101-i3d-fame"
        (tmp_path / f"{number}.toml").write_text(f"[recipe]\nbase = '{base}'\n")
    assert read_recipe(str(tmp_path / "3.toml")).options("pretrain")["backbone"] == "i3d"
    with pytest.raises(ConfigurationError, match="builds on more than 7 others"):
        read_recipe(str(tmp_path / "0.toml"))


def test_file_that_is_too_large_for_a_recipe_is_not_read_to_its_end() -> None:
    with pytest.raises(FameError, match="it is larger than 1 MiB"):
        read_recipe("/dev/zero")


def run(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if isinstance(result.exception, FameError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def flags(options: dict[str, Any]) -> list[str]:
    """As they are typed."""
    return [word for name, value in options.items() for word in (option_name(name), str(value))]


SMALL = {"clip_frames": 4, "crop_px": 32, "batch_size": 2, "queue_length": 4, "steps": 2}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three short made videos."""
    folder = tmp_path_factory.mktemp("recipes") / "videos"
    for number in range(3):
        frames = moving_square(20, (30 + 80 * number, 90, 60), seed=number)
        write_video(folder / f"{number}.avi", frames)
    return folder


@pytest.fixture(scope="module")
def work(videos: Path) -> Path:
    run("extract", videos, "-o", videos.parent / "work")
    run("masks", videos.parent / "work", "--clip-frames", "4")
    return videos.parent / "work"


@pytest.fixture(scope="module")
def work_of_recipes(videos: Path) -> Path:
    """Frames and statistics as FAME's recipes have them, of two real videos, or of made ones."""
    real = sorted(find_real_data().glob("ucf101/*/*.avi"), key=lambda path: path.stat().st_size)[:2]
    chosen, work = videos.parent / "chosen", videos.parent / "work of recipes"
    chosen.mkdir()
    for path in real or videos.iterdir():
        (chosen / path.name).symlink_to(path.resolve())
    run("extract", chosen, "-o", work, "--recipe", "k400-i3d-fame")
    run("masks", work, "--recipe", "k400-i3d-fame")
    return work


WITH_ITS_OWN_NETWORK = ("ucf101-i3d-fame", "ucf101-r2plus1d-fame")
"""The others train the small one: each network trains in tests of its own, which here takes up to half a
minute."""


@pytest.mark.parametrize("name", sorted({*shipped_recipes()} - {*BE, *PRETEXT}) + BE_TRAINED)
def test_recipe_trains_for_two_steps_with_its_own_options(
    name: str, work_of_recipes: Path, tmp_path: Path
) -> None:
    small: dict[str, Any] = {"crop_px": 32, "batch_size": 2, "steps": 2}
    if name not in WITH_ITS_OWN_NETWORK:
        small["backbone"] = "small"
    run("pretrain", work_of_recipes, "-o", tmp_path / name, "--recipe", name, *flags(small))
    options = read_recipe(str(tmp_path / name / "config.toml")).options("pretrain")
    assert options == {**read_recipe(name).options("pretrain"), **small}
    rows = [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [0, 1]


def test_option_given_by_hand_wins_over_the_recipe(work: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(
        "[pretrain]\nbackbone = 'small'\nlearning_rate = 1\nseed = 7\n[pretrain.distraction]\nbeta = 0.3\n"
    )
    given = ["--seed", "9", *flags(SMALL), "--recipe", str(mine)]
    run("pretrain", work, "-o", tmp_path / "run", *given)
    options = read_recipe(str(tmp_path / "run" / "config.toml")).options("pretrain")
    options = flatten(options)
    assert [options[key] for key in ("backbone", "beta", "seed")] == ["small", 0.3, 9]
    assert repr(options["learning_rate"]) == "1.0"
    assert options["momentum"] == MocoConfig.momentum


def test_configuration_of_a_run_repeats_it(work: Path, tmp_path: Path) -> None:
    small = flags(SMALL)
    run("pretrain", work, "-o", tmp_path / "first", "--backbone", "small", "--seed", "3", *small)
    run("pretrain", work, "-o", tmp_path / "second", "--recipe", tmp_path / "first" / "config.toml")
    for name in ("backbone.safetensors", "config.toml"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_recipe_serves_the_evaluations_too() -> None:
    given = ["eval", "finetune", "work", "run", "--weights", "random", "--recipe", "ucf101-i3d-fame"]
    result = CliRunner().invoke(app, [*given, "--epochs", "0"])
    assert result.exit_code == 2
    assert "--epochs is 0" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--recipe", "ucf101-i3d-fme"],
            r"there is no recipe ucf101-i3d-fme[\s\S]*Did you mean ucf101-i3d-f",
        ),
        (["--recipe", "."], r"there is no recipe \.: .*Is a directory"),
    ],
)
def test_wrong_use_of_recipes_is_told(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["masks", "work", *arguments])
    assert result.exit_code == 3
    assert re.search(message, result.output)


def test_list_names_each_recipe_and_show_prints_one() -> None:
    listed = run("recipes")
    assert all(name in listed for name in shipped_recipes())
    assert "Table 6, Grid: finetune UCF101 81.5, HMDB51 51.5" in listed
    assert 'variant = "grid"' in run("recipes", "show", "ucf101-i3d-grid")


@pytest.mark.parametrize("name", ["ucf101-i3d-gauss", "k400-r2plus1d-fame"])
def test_shown_recipe_is_whole_and_reads_back_as_the_same(name: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy.toml"
    copy.write_text(run("recipes", "show", name))
    assert "base" not in parse(str(copy))["recipe"]
    assert dataclasses.replace(read_recipe(str(copy)), name=name) == read_recipe(name)
