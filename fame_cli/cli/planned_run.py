"""A pretraining that is planned: what ``fame pretrain`` is asked for, and what is there of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from fame_cli.config import PretrainConfig
from fame_cli.configuration import Configuration, nest, overlay
from fame_cli.option import option_name
from fame_cli.recipe import read_recipe

TITLES = {"moco": "MoCo", "simclr": "SimCLR", "byol": "BYOL", "fame": "FAME"}
"""Names of methods as their papers write them."""
DRAWN = ("cam.*", "retrieval.*")
"""Pictures that ``fame visualize`` adds to a page."""


@dataclass(frozen=True)
class PlannedRun:
    """What ``fame pretrain`` is asked for."""

    folder: Path
    recipe: str | None
    options: Mapping[str, Any]
    """Laid over the recipe's, by name."""

    @property
    def name(self) -> str:
        return self.folder.name

    @cached_property
    def config(self) -> PretrainConfig:
        """Raises ConfigurationError where options do not go together."""
        below, above = recipe_table(self.recipe, "pretrain"), nest(PretrainConfig, self.options)
        return PretrainConfig.from_dict(overlay(PretrainConfig, below, above))

    @cached_property
    def reads_maps(self) -> bool:
        from fame_cli.distraction.build import reads_maps

        return reads_maps(self.config)

    @property
    def words(self) -> list[object]:
        """Recipe and options as on the command line."""
        return [*(["--recipe", self.recipe] if self.recipe else []), *options_as_words(self.options)]

    @property
    def is_finished(self) -> bool:
        from fame_cli.learning.run import RunFolder

        return RunFolder(self.folder).backbone.exists()

    @property
    def is_begun(self) -> bool:
        """Whether it was begun and is not finished."""
        from fame_cli.learning.run import RunFolder

        return RunFolder(self.folder).config.exists() and not self.is_finished

    def find_result(self, protocol: str, wanted: Configuration) -> Path:
        """The newest result of an evaluation by these options, or the folder where there is none yet.

        A folder does not do for a comparison: the bias report leaves a linear probe of its own there.
        """
        from fame_cli.evaluation.results import read_result

        paths = (self.folder / "results").glob(f"{protocol}-*.json")
        for path in sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True):
            if type(wanted).from_dict(read_result(path).configuration) == wanted:
                return path
        return self.folder

    @property
    def changed(self) -> float:
        """When anything last changed that a page shows, in seconds since 1970; 0 where there is nothing."""
        drawn = [path for kind in DRAWN for path in (self.folder / "pictures").glob(kind)]
        return max(self.evaluated, last_written([self.folder / "metrics.jsonl", *drawn]))

    @property
    def evaluated(self) -> float:
        """When a result was last written, in seconds since 1970; 0 where there is none."""
        return last_written((self.folder / "results").glob("*.json"))


def last_written(paths: Iterable[Path]) -> float:
    return max((path.stat().st_mtime for path in paths if path.exists()), default=0)


def recipe_table(recipe: str | None, table: str) -> Mapping[str, Any]:
    """What a recipe says of a command; nothing without a recipe."""
    return read_recipe(recipe).options(table) if recipe else {}


def options_as_words(options: Mapping[str, Any]) -> list[object]:
    return [word for name, value in options.items() for word in (option_name(name), value)]


def plan_run(runs: Path, recipe: str | None, options: Mapping[str, Any]) -> PlannedRun:
    """The pretraining that is asked for, in a folder named after its recipe, or else after its method."""
    unnamed = PlannedRun(runs, recipe, options)
    return replace(unnamed, folder=runs / (name_of_recipe(recipe) if recipe else title_of(unnamed.config)))


def name_of_recipe(recipe: str) -> str:
    """That of its file; of a run's ``config.toml``, the run's."""
    path = Path(recipe)
    return path.resolve().parent.name if path.name == "config.toml" else path.name.removesuffix(".toml")


def title_of(config: PretrainConfig) -> str:
    """Such as "MoCo+FAME"; a class of the user's own by its name."""
    parts = [config.objective.name, *([config.distraction.name] if config.merges else [])]
    return "+".join(TITLES.get(part, part.rpartition(":")[2]) for part in parts)
