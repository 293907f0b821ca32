"""A pretraining that is planned, and the one that it is compared with."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from fame_cli.config import PretrainConfig
from fame_cli.configuration import nest, overlay, sections_of
from fame_cli.errors import ConfigurationError
from fame_cli.method import MocoMethod, NoDistraction
from fame_cli.option import did_you_mean, option_name
from fame_cli.recipe import read_recipe, shipped_recipes

TITLES = {"moco": "MoCo", "simclr": "SimCLR", "byol": "BYOL", "fame": "FAME"}
"""Names of methods as their papers write them."""
OBJECTIVES, DISTRACTIONS = (
    sections_of(PretrainConfig)[name].choice.choices for name in ("objective", "distraction")
)
SHARED = ("split", "clip_frames", "frame_stride", "epochs", "steps", "batch_size", "seed")
"""Options that two pretrainings have in common for their results to be comparable."""


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


def recipe_table(recipe: str | None, table: str) -> Mapping[str, Any]:
    """What a recipe says of a command; nothing without a recipe."""
    return read_recipe(recipe).options(table) if recipe else {}


def options_as_words(options: Mapping[str, Any]) -> list[object]:
    return [word for name, value in options.items() for word in (option_name(name), value)]


def plan_run(runs: Path, recipe: str | None, options: Mapping[str, Any]) -> PlannedRun:
    """The pretraining that is asked for, in a folder named after its recipe, or else after its method."""
    unnamed = PlannedRun(runs, recipe, options)
    return replace(unnamed, folder=runs / (name_of_recipe(recipe) if recipe else title_of(unnamed.config)))


def plan_compared(run: PlannedRun, wanted: str) -> PlannedRun:
    """What a pretraining is compared with: on the same clips, for as many steps, by the same seed.

    Args:
        run: the pretraining.
        wanted: an objective, which then learns without distraction from otherwise the same options; a
            distraction, under which everything else is the same; or a recipe.

    Raises ConfigurationError where there is no such thing, or it is the same.
    """
    runs = run.folder.parent
    if wanted in OBJECTIVES or wanted in DISTRACTIONS:
        unnamed = replace(run, folder=runs, options={**run.options, **variation(run.config, wanted)})
        other = replace(unnamed, folder=runs / title_of(unnamed.config))
    else:
        require_recipe(wanted)
        alone = PlannedRun(runs / name_of_recipe(wanted), wanted, run.options).config
        shared = {name: getattr(run.config, name) for name in SHARED}
        differing = {name: value for name, value in shared.items() if getattr(alone, name) != value}
        other = PlannedRun(runs / name_of_recipe(wanted), wanted, {**run.options, **differing})
    if plain(other.config) == plain(run.config):
        raise ConfigurationError(
            f"--compare {wanted} is what is pretrained anyway.", "Leave it out, or compare with another."
        )
    if other.folder == run.folder:
        raise ConfigurationError(
            f"--compare {wanted} would be a second run of the name {run.name}.",
            "Give the options of one of them as a recipe FILE of another name.",
        )
    return other


def variation(config: PretrainConfig, method: str) -> dict[str, Any]:
    """The options that make a pretraining one by another objective or another distraction."""
    if method in DISTRACTIONS:
        return {"distraction": method}
    changed: dict[str, Any] = {} if config.objective.name == method else {"objective": method}
    same = config.objective if not changed else None
    if isinstance(same, MocoMethod) and same.extra_negative != "none":
        changed["extra_negative"] = "none"  # it belongs to BE, not to the plain objective
    return {**changed, "distraction": "none"}


def require_recipe(wanted: str) -> None:
    if wanted not in shipped_recipes() and not os.path.exists(wanted):
        methods = [*OBJECTIVES, *DISTRACTIONS]
        near = did_you_mean(wanted, [*methods, *shipped_recipes()])
        raise ConfigurationError(
            f"--compare {wanted} is neither a method nor a recipe.",
            f"{near} Methods: {', '.join(methods)}. Recipes: fame recipes.".strip(),
        )


def plain(config: PretrainConfig) -> PretrainConfig:
    """The same with one way of saying that nothing is distracted."""
    return config if config.merges else replace(config, distraction=NoDistraction())


def name_of_recipe(recipe: str) -> str:
    """That of its file; of a run's ``config.toml``, the run's."""
    path = Path(recipe)
    return path.resolve().parent.name if path.name == "config.toml" else path.name.removesuffix(".toml")


def title_of(config: PretrainConfig) -> str:
    """Such as "MoCo+FAME"; a class of the user's own by its name."""
    parts = [config.objective.name, *([config.distraction.name] if config.merges else [])]
    return "+".join(TITLES.get(part, part.rpartition(":")[2]) for part in parts)
