"""What ``fame run --compare`` pretrains beside what is asked for."""

import os
from dataclasses import replace
from typing import Any

from fame_cli.cli.planned_run import PlannedRun, name_of_recipe, title_of
from fame_cli.config import PretrainConfig
from fame_cli.configuration import sections_of
from fame_cli.errors import ConfigurationError
from fame_cli.method import MocoMethod, NoDistraction
from fame_cli.option import did_you_mean
from fame_cli.recipe import shipped_recipes

OBJECTIVES, DISTRACTIONS = (
    sections_of(PretrainConfig)[name].choice.choices for name in ("objective", "distraction")
)
SHARED = ("split", "clip_frames", "frame_stride", "epochs", "steps", "batch_size", "seed")
"""Options that two pretrainings have in common for their results to be comparable."""


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
