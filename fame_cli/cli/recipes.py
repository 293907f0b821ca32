"""``fame recipes``, and the ``--recipe`` and ``--set`` options of every command that a recipe speaks of."""

from collections.abc import Iterable
from typing import Annotated, Any

import typer

from fame_cli.cli import console
from fame_cli.errors import ConfigurationError


def default_options(context: typer.Context, given: dict[str, Any], source: str) -> None:
    """Give the command other defaults, by Python name; what stands on the command line still wins."""
    known = {parameter.name for parameter in context.command.params}
    if unknown := sorted(set(given) - known):
        raise ConfigurationError(
            f"{source}: fame {context.info_name} has no option {', '.join(unknown)}.",
            f"See fame {context.info_name} --help; in a recipe, words are joined by _.",
        )
    plain = {name: listed(value) if isinstance(value, list) else value for name, value in given.items()}
    # What --set says goes before what a recipe says, whichever is read first.
    layers = context.meta.setdefault("fame.defaults", {})
    layers[source] = plain
    context.default_map = {**layers.get("--recipe", {}), **layers.get("--set", {})}


def listed(values: Iterable[Any]) -> str:
    """As an option's value: with commas between."""
    return ",".join(map(str, values))


def use_recipe(context: typer.Context, name: str | None) -> str | None:
    if name is not None and not context.resilient_parsing:
        from fame_cli.recipe import read_recipe

        default_options(context, dict(read_recipe(name).options(str(context.info_name))), "--recipe")
    return name


def use_settings(context: typer.Context, settings: list[str] | None) -> list[str] | None:
    given = {}
    for setting in settings or []:
        key, equals, value = setting.partition("=")
        if not (key and equals):
            raise ConfigurationError(f"--set {setting}: expected key=value, such as --set beta=0.3.")
        given[key.strip().replace("-", "_")] = value.strip()
    if given:
        default_options(context, given, "--set")
    return settings


RecipeOption = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        callback=use_recipe,
        is_eager=True,
        metavar="NAME|FILE",
        help="Take the options that are not given here from a recipe (fame recipes lists them).",
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        callback=use_settings,
        is_eager=True,
        metavar="KEY=VALUE",
        help="Change an option of the recipe.",
    ),
]


def list_unless_more_is_asked(context: typer.Context) -> None:
    """List the recipes: which rows of which tables each is for, and what was published."""
    if context.invoked_subcommand is None:
        console.guarded(list_recipes)()


def list_recipes() -> int:
    """List the recipes: which rows of which tables each is for, and what was published."""
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
    """Print a recipe as TOML, to look at or to change and give back as --recipe FILE."""
    from fame_cli.recipe import read_recipe, recipe_text

    read_recipe(name)
    console.say(recipe_text(name).rstrip("\n"))
    return 0
