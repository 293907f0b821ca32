"""``fame recipes``, and the option ``--recipe`` of every command that a recipe has options for."""

from dataclasses import asdict
from typing import Annotated

import typer

from fame_cli.cli import console
from fame_cli.cli.completion import complete_recipe
from fame_cli.cli.options import AsJson, lay_defaults


def use_recipe(context: typer.Context, name: str | None) -> str | None:
    """Give the command the recipe's values as defaults; what stands on the command line still wins."""
    if name is not None and not context.resilient_parsing:
        from fame_cli.recipe import read_recipe

        lay_defaults(context, read_recipe(name).options(str(context.info_name)))
    return name


RecipeOption = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        callback=use_recipe,
        is_eager=True,
        autocompletion=complete_recipe,
        metavar="NAME|FILE",
        help="Take options that are not given here from a recipe (fame recipes lists them).",
    ),
]


def list_by_default(context: typer.Context, as_json: AsJson = False) -> None:
    """List the recipes with the table rows they belong to and the published figures."""
    if context.invoked_subcommand is None:
        console.guard(list_recipes)(as_json)


def list_recipes(as_json: bool) -> int:
    """List the recipes with the table rows they belong to and the published figures."""
    from fame_cli.recipe import read_recipe, shipped_recipes

    recipes = [read_recipe(name) for name in shipped_recipes()]
    if as_json:
        console.say_json([{**asdict(recipe), "tables": list(recipe.tables)} for recipe in recipes])
        return 0
    for recipe in recipes:
        console.output(f"{recipe.name}  –  {recipe.title}, pretrained on {recipe.pretrained_on}")
        for row in recipe.rows:
            console.output(f"    {row}")
        if not recipe.rows:
            console.output("    no figure in the paper")
    console.say("Use one: fame pretrain WORK -o RUN --recipe NAME. Look at one: fame recipes show NAME")
    return 0


def show_recipe(
    name: Annotated[
        str,
        typer.Argument(
            help="Name of a recipe, or a TOML file.", metavar="NAME|FILE", autocompletion=complete_recipe
        ),
    ],
    as_json: AsJson = False,
) -> int:
    """Print a whole recipe as TOML, to read, or to edit and pass as --recipe FILE."""
    from fame_cli.recipe import read_recipe

    recipe = read_recipe(name)
    if as_json:
        console.say_json(asdict(recipe))
    else:
        console.output(recipe.as_toml().rstrip("\n"))
    return 0
