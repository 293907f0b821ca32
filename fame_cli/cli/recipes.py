"""``fame recipes``, and the option ``--recipe`` of every command that a recipe has options for."""

from collections.abc import Mapping
from typing import Annotated

import typer

from fame_cli.cli import console
from fame_cli.cli.options import RECIPE_SECTIONS


def use_recipe(context: typer.Context, name: str | None) -> str | None:
    """Give the command the recipe's values as defaults; what stands on the command line still wins."""
    if name is not None and not context.resilient_parsing:
        from fame_cli.recipe import read_recipe

        options = read_recipe(name).options(str(context.info_name))
        sections = {key: value for key, value in options.items() if isinstance(value, Mapping)}
        context.default_map = {key: value for key, value in options.items() if key not in sections}
        context.meta[RECIPE_SECTIONS] = sections
    return name


RecipeOption = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        callback=use_recipe,
        is_eager=True,
        metavar="NAME|FILE",
        help="Take options that are not given here from a recipe (fame recipes lists them).",
    ),
]


def list_by_default(context: typer.Context) -> None:
    """List the recipes with the table rows they belong to and the published figures."""
    if context.invoked_subcommand is None:
        console.guard(list_recipes)()


def list_recipes() -> int:
    """List the recipes with the table rows they belong to and the published figures."""
    from fame_cli.recipe import read_recipe, shipped_recipes

    for name in shipped_recipes():
        recipe = read_recipe(name)
        console.say(f"{name}  –  {recipe.title}, pretrained on {recipe.pretrained_on}")
        for row in recipe.rows:
            console.say(f"    {row}")
        if not recipe.rows:
            console.say("    no figure in the paper")
    console.say("Use one: fame pretrain WORK -o RUN --recipe NAME. Look at one: fame recipes show NAME")
    return 0


def show_recipe(
    name: Annotated[str, typer.Argument(help="Name of a recipe, or a TOML file.", metavar="NAME|FILE")],
) -> int:
    """Print a whole recipe as TOML, to read, or to edit and pass as --recipe FILE."""
    from fame_cli.recipe import read_recipe

    console.say(read_recipe(name).as_toml().rstrip("\n"))
    return 0
