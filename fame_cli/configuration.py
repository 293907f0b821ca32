"""What a configuration is: options, checked when it is made, and sections that choose among methods.

    @dataclass(frozen=True)
    class SimclrConfig(Method):
        name: Literal["simclr"] = "simclr"
        temperature: Annotated[float, Option("Temperature of the loss.", above=0)] = 0.1

    @dataclass(frozen=True)
    class TrainingConfig(Configuration):
        objective: Annotated[MocoConfig | SimclrConfig | OwnObjective, Section("Objective.")] = MocoConfig()
        seed: Annotated[int, Option("Seed.")] = 0

A section's options are flat on the command line and in ``from_options`` (``--objective simclr --temperature
0.2``), and a table of their own in TOML and in ``from_dict``. The configurations themselves: ``config.py``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cache, cached_property
from typing import Annotated, Any, ClassVar, Literal, Self, cast, get_args, get_origin, get_type_hints

from fame_cli.errors import ConfigurationError
from fame_cli.option import Field, Option, abbreviate, did_you_mean, option_name, printable


@dataclass(frozen=True)
class Configuration:
    """Base of all configurations: checked on creation, convertible to and from plain values.

    Fields are written ``name: Annotated[kind, Option(...)] = default``. What takes two options to say is
    checked in ``__post_init__`` of the configuration, with ``require``. A subclass that gives a field another
    default writes ``name: kind = default``; the rest is inherited.
    """

    defaults_shown: ClassVar[Mapping[str, str]] = {}
    """By name, what stands for the default of an option where that is only known later."""

    def __post_init__(self) -> None:
        for field in fields_of(type(self)):
            # Frozen: this is the one place where a value is replaced, by the same one in its own type.
            object.__setattr__(self, field.name, field.check(getattr(self, field.name)))

    def require(self, holds: bool, name: str, expected: str) -> None:
        """Raise ConfigurationError naming the option, its value and what was expected unless ``holds``."""
        if not holds:
            value = abbreviate(getattr(self, name))
            raise ConfigurationError(f"{option_name(name)} is {value}; expected {expected}.")

    def to_dict(self) -> dict[str, Any]:
        """Plain values; of a section a table with its ``name``."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from plain values; an unknown key is an error, a missing one takes its default."""
        known = [field.name for field in fields_of(cls)]
        if unknown := sorted(set(values) - set(known)):
            inside = {field.name: field.section for field in options_of(cls) if field.section}
            hint = f"Known: {', '.join(known)}."
            if unknown[0] in inside:
                hint = f"It belongs into the table of {inside[unknown[0]]}."
            raise ConfigurationError(
                f"unknown option {', '.join(map(printable, unknown))}.",
                " ".join(filter(None, [did_you_mean(unknown[0], known), hint])),
            )
        return cls(**values)

    @classmethod
    def from_options(cls, **options: Any) -> Self:
        """Build from options as the command line names them: ``objective="simclr", temperature=0.2``."""
        return cls.from_dict(nest(cls, options))

    def with_options(self, **options: Any) -> Self:
        """The same but for these, named as for ``from_options``; another method begins with its defaults."""
        return self.from_dict(overlay(type(self), self.to_dict(), nest(type(self), options)))


@dataclass(frozen=True)
class Method(Configuration):
    """What a section can be: a name and the options that belong to it.

    A method of the toolkit writes ``name: Literal["moco"] = "moco"``; the one that stands for
    ``package.module:name`` leaves the name as it is.
    """

    name: Annotated[str, Option("Name of the method.")] = ""


@dataclass(frozen=True)
class Section:
    """What is said of a field that is one of several methods: its type is a union of their classes."""

    help: str
    group: str = ""
    """Heading under which ``--help`` and the docs list the choice."""


@dataclass(frozen=True)
class SectionField:
    """A section of a configuration, with the methods to choose from."""

    name: str
    methods: tuple[type[Method], ...]
    default: Method
    section: Section

    @cached_property
    def choice(self) -> Field:
        """The choice of a method as an option, ``--objective``."""
        names = tuple(name for method in self.methods for name in method_names(method))
        kind = cast(Any, Literal)[names] | str
        option = Option(self.section.help, group=self.section.group)
        return Field(self.name, kind, self.default.name, option, self.default.name, self.name)

    @cached_property
    def options(self) -> tuple[Field, ...]:
        """The options of all methods, each once, with what is the default of which."""
        found: dict[str, Field] = {}
        for method in self.methods:
            for field in fields_of(method):
                if isinstance(field, Field) and field.name != "name" and field.name not in found:
                    defaults = self.defaults_of(field.name)
                    found[field.name] = replace(field, default_shown=defaults, section=self.name)
        return tuple(found.values())

    def defaults_of(self, option: str) -> str:
        """Such as "0.999 (moco), 0.996 (byol)"; without names where every method with options has it."""
        with_options = [method for method in self.methods if len(fields_of(method)) > 1]
        by_default: dict[str, list[str]] = {}
        for method in with_options:
            for field in fields_of(method):
                if isinstance(field, Field) and field.name == option:
                    by_default.setdefault(field.default_text, []).extend(method_names(method))
        (first, *others) = by_default
        if not others and all(option in option_names(method) for method in with_options):
            return first
        return ", ".join(f"{default} ({', '.join(names)})" for default, names in by_default.items())

    def owners(self, option: str) -> list[str]:
        """Names of the methods that have an option."""
        return [
            name
            for method in self.methods
            if option in option_names(method)
            for name in method_names(method) or (f"your own {self.name}",)
        ]

    def method(self, name: str) -> type[Method]:
        """The class of a method by its name; that of one's own for ``package.module:name``."""
        return next(method for method in self.methods if name in (method_names(method) or (name,)))

    def check(self, value: Any) -> Method:
        """The method that a table of its name and its options means, or the method itself.

        Raises ConfigurationError where there is no such method, or it does not have such an option.
        """
        if isinstance(value, self.methods):
            self.choice.check(value.name)
            return value
        if not isinstance(value, Mapping):
            raise ConfigurationError(
                f"{self.name} is {abbreviate(value)}; expected a table of its name and its options.",
                f'Such as {self.name} = {{ name = "{self.default.name}" }}.',
            )
        name = self.choice.check(value.get("name", self.default.name))
        method = self.method(name)
        for option in sorted(value.keys() - option_names(method)):
            if owners := self.owners(option):
                raise ConfigurationError(
                    f"{option_name(option)} belongs to {join_words(owners)}; the {self.name} is {name}.",
                    f"Leave it out, or choose with {self.choice.flag} one that has it.",
                )
        return method.from_dict({**value, "name": name})


def fields_of(config_type: type[Configuration]) -> tuple[Field | SectionField, ...]:
    """The fields of a configuration in their order, a section as one.

    Raises TypeError, for the programmer, where a field says neither its Option nor its Section.
    """
    return read_fields(config_type)  # type: ignore[arg-type]  # mypy takes the hash of instances for theirs


@cache  # a command line is made of all options of all methods, each looked up by name many times
def read_fields(config_type: Any) -> tuple[Field | SectionField, ...]:
    # A subclass may have said another default and no more: the nearest class that says an Option counts.
    hints = [get_type_hints(owner, include_extras=True) for owner in config_type.__mro__]
    found: list[Field | SectionField] = []
    for field in fields(config_type):
        name = field.name
        said = [get_args(hint[name]) for hint in hints if get_origin(hint.get(name)) is Annotated]
        if not said or not isinstance(said[0][1], Option | Section):
            raise TypeError(f"{config_type.__name__}.{name}: expected Annotated[kind, Option(...)].")
        kind, about = said[0][:2]
        if isinstance(about, Section):
            found.append(SectionField(name, get_args(kind), field.default, about))  # type: ignore[arg-type]
            continue
        if get_origin(hints[0][name]) is not Annotated:
            kind = hints[0][name]
        later = config_type.defaults_shown.get(name, "")
        found.append(Field(name, kind, field.default, about, later))
    return tuple(found)


def sections_of(config_type: type[Configuration]) -> dict[str, SectionField]:
    return {field.name: field for field in fields_of(config_type) if isinstance(field, SectionField)}


def options_of(config_type: type[Configuration]) -> tuple[Field, ...]:
    """All options of a configuration, flat: those of a section after its choice."""
    found: list[Field] = []
    for field in fields_of(config_type):
        found += [field.choice, *field.options] if isinstance(field, SectionField) else [field]
    names = [field.name for field in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise TypeError(f"{config_type.__name__} has {', '.join(sorted(twice))} more than once.")
    return tuple(found)


def method_names(method: type[Method]) -> tuple[str, ...]:
    """The names that a method's class stands for; none for the one of ``package.module:name``."""
    return next(
        field.choices for field in fields_of(method) if isinstance(field, Field) and field.name == "name"
    )


def option_names(method: type[Method]) -> set[str]:
    return {field.name for field in fields_of(method)}


def join_words(names: Sequence[str]) -> str:
    """ "a, b and c"."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def nest(config_type: type[Configuration], options: Mapping[str, Any]) -> dict[str, Any]:
    """Flat options as the plain values of a configuration; an unknown name is left for ``from_dict``."""
    sections = {field.name: field.section for field in options_of(config_type) if field.section}
    values: dict[str, Any] = {}
    for name, value in options.items():
        if section := sections.get(name):
            values.setdefault(section, {})["name" if name == section else name] = value
        else:
            values[name] = value
    return values


def flatten(values: Mapping[str, Any]) -> dict[str, Any]:
    """The reverse of ``nest``."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= {key if name == "name" else name: inner for name, inner in value.items()}
        else:
            flat[key] = value
    return flat


def overlay(
    config_type: type[Configuration], base: Mapping[str, Any], own: Mapping[str, Any]
) -> dict[str, Any]:
    """Plain values laid over others, option by option; another method drops what the base says of its own."""
    values = {**base, **own}
    for name, section in sections_of(config_type).items():
        below, above = base.get(name), own.get(name)
        if isinstance(below, Mapping) and isinstance(above, Mapping):
            before = below.get("name", section.default.name)
            values[name] = {**below, **above} if above.get("name", before) == before else above
    return values
