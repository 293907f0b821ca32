"""Recipes: what a row of a paper's table is made with, as a TOML file with one table for each command.

A recipe gives options other defaults; options given by hand win. Those that come with the toolkit lie in
``fame_cli/recipes``; the ``config.toml`` of a run is a recipe as well, which repeats the run.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from fame_cli.config import (
    Configuration,
    ExtractConfig,
    FinetuneConfig,
    KnnConfig,
    LinearConfig,
    PretrainConfig,
    RetrievalConfig,
    StatisticsConfig,
)
from fame_cli.errors import ConfigurationError, InputError

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

OTHER_TABLES = {"recipe", "data", "schema_version"}
"""What a recipe, or the ``config.toml`` of a run, holds besides."""


@dataclass(frozen=True)
class Row:
    """A row of a published table that a recipe is for."""

    table: str
    row: str
    protocol: str
    figures: Mapping[str, float]
    """Published figures in percent, such as {"UCF101": 81.2, "HMDB51": 52.6}."""

    def __str__(self) -> str:
        figures = ", ".join(f"{name} {value}" for name, value in self.figures.items())
        return f"{self.table}, {self.row}: {self.protocol} {figures}"


@dataclass(frozen=True)
class Recipe:
    """A recipe, checked: every table holds known options with possible values."""

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


def shipped_recipes() -> list[str]:
    """Names of the recipes that come with the toolkit, in order."""
    folder = resources.files("fame_cli") / "recipes"
    return sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml"))


def recipe_text(name: str) -> str:
    """The TOML text of a shipped recipe, by name, or of a file; raises InputError where there is none."""
    if name in shipped_recipes():
        return (resources.files("fame_cli") / "recipes" / f"{name}.toml").read_text(encoding="utf-8")
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"there is no recipe {name}: no such name comes with the toolkit, and the file cannot be read "
            f"({error.strerror if isinstance(error, OSError) else error}).",
            "See the names with fame recipes, or give a TOML file such as a run's config.toml.",
        ) from error


def read_recipe(name: str) -> Recipe:
    """Read and check a recipe; raises ConfigurationError that names what is wrong in it."""
    text = recipe_text(name)
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigurationError(f"the recipe {name} is no TOML file: {error}.") from error
    if unknown := sorted(content.keys() - TABLES.keys() - OTHER_TABLES):
        raise ConfigurationError(
            f"the recipe {name} holds the unknown table {', '.join(unknown)}.",
            f"Known tables: {', '.join(TABLES)}.",
        )
    tables = {table: content[table] for table in TABLES if table in content}
    for table, values in tables.items():
        check_table(name, table, values)
    about = content.get("recipe", {})
    try:
        return Recipe(
            name=name,
            title=about.get("title", ""),
            pretrained_on=about.get("pretrained_on", ""),
            rows=tuple(Row(**row) for row in about.get("rows", [])),
            notes=tuple(about.get("notes", [])),
            tables=tables,
        )
    except (TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"the recipe {name}, [recipe]: {error}.",
            "It holds title, pretrained_on, notes, and rows of table, row, protocol and figures.",
        ) from error


def check_table(name: str, table: str, values: object) -> None:
    if not isinstance(values, dict):
        raise ConfigurationError(f"the recipe {name}: [{table}] is {values!r}; expected a table of options.")
    plain = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    try:
        TABLES[table].from_dict(plain)
    except (ConfigurationError, TypeError) as error:
        message = error.message if isinstance(error, ConfigurationError) else str(error)
        hint = error.hint if isinstance(error, ConfigurationError) else ""
        raise ConfigurationError(f"the recipe {name}, [{table}]: {message}", hint) from error
