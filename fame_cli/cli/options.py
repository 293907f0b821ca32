"""The options of a command, made from the configuration that it carries out.

    @takes(StatisticsConfig)
    def masks(config: StatisticsConfig, work: Work) -> int:

gives the command a flag for each field, with the field's help, range, unit, default and group, and hands it
the configuration made of what was given. Typer only splits the line here: values are read and checked by the
code that checks a recipe too (``option.py``), so both are refused in the same words.
"""

import functools
import inspect
import os
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from fame_cli.cli import console
from fame_cli.cli.completion import complete_names
from fame_cli.cli.voice import VOICE
from fame_cli.config import GROUPS
from fame_cli.configuration import Configuration, flatten, nest, options_of, overlay
from fame_cli.errors import ConfigurationError
from fame_cli.option import Field, Option, as_text, option_name


def leave_output_to_json(wanted: bool) -> bool:
    VOICE.as_json = VOICE.as_json or wanted
    return wanted


AsJson = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print it as JSON, on standard output alone.",
        show_default=False,
        callback=leave_output_to_json,
        is_eager=True,
    ),
]

DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Say what would be done, how much disk it takes and how long, then exit."),
]

Command = Callable[..., int]

SECTIONS = "fame_cli.sections"
"""Under which a command's context keeps what stands for the defaults of sections (``lay_defaults``)."""

CONTEXT = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)


def takes(config_type: type[Configuration], leave_out: Container[str] = ()) -> Callable[[Command], Command]:
    """Give a command the options of a configuration in place of its parameter ``config``.

    ``leave_out``: names of options that the command does not have; they keep their defaults.

    A command with a parameter ``given`` also gets, by name, the values of those options whose default is only
    known later (``Configuration.defaults_shown``), None where there is none. In ``config`` they stand with
    the class's default, so that all others are checked before anything is read.

    Options of a section have no default here, so that only those given are laid over the recipe's.
    """
    fields = [field for field in options_of(config_type) if field.name not in leave_out]
    fields.sort(key=lambda field: GROUPS.index(field.option.group) if field.option.group else -1)
    later = [field.name for field in fields if field.default_shown and not field.section]

    def decorate(command: Command) -> Command:
        own = inspect.signature(command, eval_str=True).parameters
        parameters = [CONTEXT]
        for parameter in own.values():
            if parameter.name == "config":
                parameters += map(parameter_of, fields)
            elif parameter.name != "given":
                parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))

        @functools.wraps(command)
        def run(**values: Any) -> int:
            options = {field.name: values.pop(field.name, None) for field in fields}
            if "given" in own:
                values["given"] = {name: options[name] for name in later}
            options = {name: value for name, value in options.items() if value is not None}
            context = values.pop(CONTEXT.name, None)
            values_below: dict[str, Any] = {}
            for layer in context.meta.get(SECTIONS, []) if context else []:
                values_below = overlay(config_type, values_below, layer)
            config = config_type.from_dict(overlay(config_type, values_below, nest(config_type, options)))
            for name, value in flatten(config.to_dict()).items():
                console.detail(f"{option_name(name)} {as_text(value)}")
            return command(config=config, **values)

        return with_parameters(run, parameters)

    return decorate


def hands_on(
    config_type: type[Configuration], names: Container[str], group: str, default: str
) -> Callable[[Command], Command]:
    """Give a command options of a configuration that another command carries out.

    Its parameter ``chosen`` gets by name what was given; what is not given is up to the other command.
    """
    fields = [
        replace(field, default_shown=default, option=replace(field.option, group=group))
        for field in options_of(config_type)
        if field.name in names
    ]

    def decorate(command: Command) -> Command:
        parameters: list[inspect.Parameter] = []
        for parameter in inspect.signature(command, eval_str=True).parameters.values():
            if parameter.name == "chosen":
                parameters += map(parameter_of, fields)
            else:
                parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))

        @functools.wraps(command)
        def run(**values: Any) -> int:
            given = {field.name: values.pop(field.name, None) for field in fields}
            chosen = {name: value for name, value in given.items() if value is not None}
            return command(chosen=chosen, **values)

        return with_parameters(run, parameters)

    return decorate


def with_parameters(run: Command, parameters: Sequence[inspect.Parameter]) -> Command:
    """Let a function's signature be one of these parameters, which typer reads."""
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def lay_defaults(context: typer.Context, values: Mapping[str, Any], *, lowest: bool = False) -> None:
    """Let values stand for defaults of a command: above those that were laid before, or below them."""
    sections = {key: value for key, value in values.items() if isinstance(value, Mapping)}
    plain = {key: value for key, value in values.items() if key not in sections}
    before = context.default_map or {}
    context.default_map = {**plain, **before} if lowest else {**before, **plain}
    layers = context.meta.setdefault(SECTIONS, [])
    layers.insert(0 if lowest else len(layers), sections)


def parameter_of(field: Field) -> inspect.Parameter:
    """An option as typer reads it from a signature."""
    if field.default_shown:
        default = None
    elif field.element:
        default = ",".join(map(as_text, field.default))
    else:
        default = field.default
    # A bool is a pair of flags, which take no value to be read.
    is_flag = field.kind is bool
    flag = f"{field.flag}/--no-{field.flag.removeprefix('--')}" if is_flag else field.flag
    option = typer.Option(
        flag,
        *field.option.flags,
        parser=None if is_flag else parser_of(field),
        metavar=None if is_flag else metavar_of(field),
        help=help_of(field),
        rich_help_panel=field.option.group or None,
        show_default=field.default_text if default in (None, "") else True,
        autocompletion=complete_names(field.choices) if field.choices else None,
    )
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[bool | None if is_flag else str | None, option],
    )


def parser_of(field: Field) -> Callable[[Any], Any]:
    """Reads a value of the command line; those of a recipe and the default are values already."""

    def value(text: Any) -> Any:
        return field.parse(text) if isinstance(text, str) else text

    return value


def metavar_of(field: Field) -> str:
    if field.choices:
        return "NAME" if field.open else "|".join(field.choices)
    kind = {int: "INTEGER", float: "NUMBER"}.get(field.element or field.kind, "TEXT")
    return f"{kind},…" if field.element else field.option.unit.upper() or kind


def help_of(field: Field) -> str:
    """The help with the names or the range, as far as that says more than the kind of value does."""
    option = field.option
    if field.open:
        return f"{option.help} [{field.expected}]"
    trivial = option.range.split(" ")[:3] in ([""], ["at", "least", "0"], ["at", "least", "1"])
    return option.help if trivial else f"{option.help} [{option.range}]"


def choice(name: str, kind: Any, help: str, **more: Any) -> Any:
    """An option of a command's own that is one of several names; a wrong one is told with the nearest."""
    field = Field(name, kind, None, Option(help))
    metavar = more.pop("metavar", metavar_of(field))
    more.setdefault("autocompletion", complete_names(field.choices))
    return typer.Option(field.flag, parser=field.check, metavar=metavar, help=help_of(field), **more)


def own_number(name: str, kind: type, option: Option, *flags: str, **more: Any) -> Any:
    """An option of a command's own that is a number (int or float) within bounds."""
    field = Field(name, kind, None, option)
    more.setdefault("metavar", option.unit.upper() or "N")
    return typer.Option(
        field.flag, *flags, parser=lambda text: field.check(field.parse(text)), help=help_of(field), **more
    )


def repeatable(config_type: type[Configuration], name: str) -> Any:
    """An option of a configuration that can be given several times; the configuration checks each value."""
    field = next(field for field in options_of(config_type) if field.name == name)
    return typer.Option(
        field.flag,
        metavar=metavar_of(field),
        help=f"{help_of(field)} Repeatable.",
        autocompletion=complete_names(field.choices),
        rich_help_panel=field.option.group or None,
        show_default=field.default_text,
    )


def output_folder(help: str, metavar: str, **more: Any) -> Any:
    """The option ``-o``: the folder that receives what a command writes."""
    return typer.Option("--output", "-o", help=help, metavar=metavar, callback=require_folder, **more)


def require_folder(path: Path | None) -> Path | None:
    """Raise ConfigurationError where a folder to write to is, or lies in, something that is no folder."""
    for place in [path, *path.parents] if path else []:
        # Unlike those of Path, these two only say no where they are not allowed to look.
        if os.path.exists(place) and not os.path.isdir(place):
            raise ConfigurationError(
                f"cannot write to -o {path}: {place} is a file; expected a folder.",
                "Name a folder that does not exist yet, or one that this command wrote before.",
            )
    return path
