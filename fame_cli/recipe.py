"""Recipes: what a row of a paper's table is made with, as a TOML file with one table for each command.

A recipe gives options other defaults; options given by hand win. It states every option itself, or names a
``base`` and says what differs from it, so a changed default of the toolkit changes no recipe. Those that come
with the toolkit are in ``fame_cli/recipes``; the ``config.toml`` of a run is a recipe as well, which repeats
the run.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import tomli_w

from fame_cli.config import (
    ExtractConfig,
    FinetuneConfig,
    KnnConfig,
    LinearConfig,
    PretrainConfig,
    RetrievalConfig,
    StatisticsConfig,
)
from fame_cli.configuration import Configuration, overlay
from fame_cli.errors import ConfigurationError, InputError
from fame_cli.option import abbreviate, did_you_mean, printable

TABLES: dict[str, type[Configuration]] = {
    "extract": ExtractConfig,
    "masks": StatisticsConfig,
    "pretrain": PretrainConfig,
    "linear": LinearConfig,
    "finetune": FinetuneConfig,
    "retrieval": RetrievalConfig,
    "knn": KnnConfig,
}
"""Tables of a recipe, each named as the command whose options it holds."""

COMMANDS = {table: f"eval {table}" for table in ("linear", "finetune", "retrieval", "knn")}
"""Of a table whose command is called by more than its name."""

OTHER_TABLES = {"recipe", "data", "machine", "legs", "schema_version"}
"""What a recipe, or the ``config.toml`` of a run, holds besides."""


LARGEST_FILE = 2**20
"""Bytes; a file that is larger is no recipe."""

LONGEST_CHAIN = 8
"""Recipes that may build on each other."""


@dataclass(frozen=True)
class Row:
    """A row of a published table that a recipe is for."""

    table: str
    row: str
    protocol: str
    figures: Mapping[str, float]
    """Published figures in percent, such as {"UCF101": 81.2, "HMDB51": 52.6}."""

    def __post_init__(self) -> None:
        texts = all(isinstance(text, str) for text in (self.table, self.row, self.protocol))
        if not (texts and isinstance(self.figures, dict)):
            raise TypeError(f"a row is {abbreviate((self.table, self.row, self.protocol, self.figures))}")

    def __str__(self) -> str:
        figures = ", ".join(f"{name} {value}" for name, value in self.figures.items())
        return f"{self.table}, {self.row}: {self.protocol} {figures}"


@dataclass(frozen=True)
class Recipe:
    """A recipe, whole and checked: every table holds known options with possible values."""

    name: str
    title: str
    pretrained_on: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    """What paper and published code leave open or contradict, and what was chosen."""
    tables: Mapping[str, Mapping[str, Any]]

    def options(self, command: str) -> Mapping[str, Any]:
        """The defaults that the recipe gives a command; none where it says nothing of it."""
        return self.tables.get(command, {})

    def as_toml(self) -> str:
        """The whole recipe as a file that builds on no other."""
        about = {
            "title": self.title,
            "pretrained_on": self.pretrained_on,
            "notes": list(self.notes),
            "rows": [asdict(row) for row in self.rows],
        }
        tables = {name: dict(options) for name, options in self.tables.items()}
        return tomli_w.dumps({"recipe": about, **tables})


def shipped_recipes() -> list[str]:
    """Names of the recipes that come with the toolkit, in order."""
    folder = resources.files("fame_cli") / "recipes"
    return sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml"))


def read_recipe(name: str) -> Recipe:
    """Read a recipe by its name or its file, complete it by what it builds on, and check it.

    Raises InputError where there is none, ConfigurationError that names what is wrong in it.
    """
    content = complete(name, ())
    about = content.get("recipe", {})
    return Recipe(
        name=name,
        title=about.get("title", ""),
        pretrained_on=about.get("pretrained_on", ""),
        rows=tuple(Row(**row) for row in about.get("rows", [])),
        notes=tuple(about.get("notes", [])),
        tables={table: content[table] for table in TABLES if table in content},
    )


def complete(name: str, above: tuple[str, ...]) -> dict[str, Any]:
    """The content of a recipe laid over that of its base; ``above``: those that build on it."""
    chain = (*above, name)
    if name in above or len(chain) > LONGEST_CHAIN:
        what = "builds on itself" if name in above else f"builds on more than {LONGEST_CHAIN - 1} others"
        raise ConfigurationError(
            f"the recipe {chain[0]} {what}: {' → '.join(chain)}.",
            "Let one of them state its options itself, without base.",
        )
    content = parse(name)
    check_description(name, content.get("recipe", {}))
    base = content.get("recipe", {}).get("base")
    if base is not None:
        content = laid_over(complete(locate(base, name), chain), content)
    for table in TABLES.keys() & content.keys():
        check_table(name, table, content[table])
    return content


def locate(base: str, name: str) -> str:
    """The base of a recipe: a name of the toolkit's, or a file beside the recipe's own."""
    if base in shipped_recipes() or name in shipped_recipes():
        return base
    return os.path.normpath(Path(name).parent / base)


def laid_over(base: Mapping[str, Any], content: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe with what it does not say taken from its base; rows are of the recipe alone."""
    about, own = base.get("recipe", {}), content.get("recipe", {})
    notes = [*about.get("notes", []), *own.get("notes", [])]
    merged = {"recipe": {**about, "rows": [], **own, "notes": notes}}
    for table in TABLES:
        options = content.get(table, {})
        if not isinstance(options, dict):
            merged[table] = options  # for check_table to refuse
        elif table in base or options:
            merged[table] = overlay(TABLES[table], base.get(table, {}), options)
    return merged


def parse(name: str) -> dict[str, Any]:
    """The content of a recipe's own file; only tables that a recipe can have."""
    try:
        content = tomllib.loads(read_text(name))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        reason = "its values are nested too deeply" if isinstance(error, RecursionError) else error
        raise ConfigurationError(f"the recipe {name} is not valid TOML: {reason}.") from error
    if unknown := sorted(content.keys() - TABLES.keys() - OTHER_TABLES):
        known = f"Known tables: {', '.join(TABLES)}."
        raise ConfigurationError(
            f"the recipe {name} has the unknown table {', '.join(map(printable, unknown))}.",
            f"{did_you_mean(unknown[0], TABLES)} {known}".strip(),
        )
    return content


def read_text(name: str) -> str:
    """The text of a shipped recipe, by name, or of a file; raises InputError where there is none."""
    if name in shipped_recipes():
        return (resources.files("fame_cli") / "recipes" / f"{name}.toml").read_text(encoding="utf-8")
    try:
        with Path(name).open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
        text = content.decode("utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        near = did_you_mean(Path(name).stem, shipped_recipes())
        ways = "See the names with fame recipes, or give a TOML file such as a run's config.toml."
        raise InputError(
            f"there is no recipe {name}: no such name comes with the toolkit, and the file cannot be read "
            f"({reason}).",
            f"{near} {ways}".strip(),
        ) from error
    if len(content) > LARGEST_FILE:
        raise InputError(f"{name} is not a recipe: it is larger than 1 MiB.", "See fame recipes.")
    return text


def check_description(name: str, about: object) -> None:
    """Raise ConfigurationError unless the table [recipe] holds what it can hold."""
    try:
        if not isinstance(about, dict):
            raise TypeError(f"it is {abbreviate(about)}")
        for key in ("base", "title", "pretrained_on"):
            if not isinstance(about.get(key, ""), str):
                raise TypeError(f"{key} is {abbreviate(about[key])}; expected text")
        if unknown := sorted(about.keys() - {"base", "title", "pretrained_on", "notes", "rows"}):
            raise TypeError(f"unknown key {printable(unknown[0])}")
        if not all(isinstance(note, str) for note in list(about.get("notes", []))):
            raise TypeError("notes are lines of text")
        for row in about.get("rows", []):
            Row(**row)
    except TypeError as error:
        raise ConfigurationError(
            f"the recipe {name}, [recipe]: {printable(str(error))}.",
            "It holds base, title, pretrained_on, notes, and rows of table, row, protocol and figures.",
        ) from error


def check_table(name: str, table: str, values: object) -> None:
    if not isinstance(values, dict):
        raise ConfigurationError(
            f"the recipe {name}: [{table}] is {abbreviate(values)}; expected a table of options."
        )
    try:
        TABLES[table].from_dict(values)
    except ConfigurationError as error:
        help_of_command = f"See fame {COMMANDS.get(table, table)} --help."
        raise ConfigurationError(
            f"the recipe {name}, [{table}]: {error.message}", f"{error.hint} {help_of_command}".strip()
        ) from error
