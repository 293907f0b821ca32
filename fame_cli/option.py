"""How an option is said: one field of a configuration with its type, default, bounds, unit, help and group.

    crop_px: Annotated[int, Option("Side of the square crop.", unit="pixels", at_least=16)] = 112

Everything else that knows the option reads it from there: the command's signature and its ``--help``
(``cli/options.py``), the check of a recipe (``recipe.py``), the tables in ``docs/commands`` and the written
``config.toml``.
"""

import difflib
import math
import reprlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from fame_cli.errors import ConfigurationError

LARGEST_INTEGER = 2**63 - 1
"""The largest value of an option that names no bound of its own; torch takes no larger seed."""

LARGEST_NUMBER = 3e38
"""The largest magnitude of a number: beyond it, the 32 bits of the weights hold none."""

OWN_CLASS = "package.module:name"
"""How something of the user's own is named where the toolkit's names are only suggestions."""


@dataclass(frozen=True)
class Option:
    """What is said of an option beside its name, type and default."""

    help: str
    unit: str = ""
    """Plural, such as "pixels"; the range is said with it, and ``--help`` names it as the kind of value."""
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    group: str = ""
    """Heading under which ``--help`` and the docs list it."""
    flags: tuple[str, ...] = ()
    """Flags of the command line beside the one made of the name."""

    @property
    def range(self) -> str:
        """The bounds in words, such as "at least 16 pixels"; empty where there are none."""
        match (self.at_least, self.above, self.at_most, self.below):
            case (None, None, None, None):
                return ""
            case (None, above, None, None):
                words = f"above {above}"
            case (None, above, high, None):
                words = f"above {above}, at most {high}"
            case (low, None, None, None):
                words = f"at least {low}"
            case (low, None, None, below):
                words = f"from {low} to below {below}"
            case (low, None, high, None):
                words = f"from {low} to {high}"
            case _:
                raise AssertionError(self)
        unit = self.unit.removesuffix("s") if words == "at least 1" else self.unit
        return f"{words} {unit}".rstrip()

    def holds(self, value: float) -> bool:
        """Whether a number is within the bounds."""
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
        )


@dataclass(frozen=True)
class Field:
    """An option of a configuration, with its name and kind of value."""

    name: str
    kind: Any
    """``bool``, ``int``, ``float``, ``str``, ``Literal``, ``Literal | str``, or a tuple of ints or floats."""
    default: Any
    option: Option
    default_shown: str = ""
    """What stands for the default where that is only known later, such as "as pretrained"."""
    section: str = ""
    """The section that chooses or has it (``configuration.py``); empty for an option of every method."""

    @property
    def flag(self) -> str:
        return option_name(self.name)

    @property
    def choices(self) -> tuple[str, ...]:
        """The names that it can be; with ``open`` also ``package.module:name``."""
        literals = [self.kind, *get_args(self.kind)]
        return next((get_args(kind) for kind in literals if get_origin(kind) is Literal), ())

    @property
    def open(self) -> bool:
        return get_origin(self.kind) in (Union, UnionType)

    @property
    def element(self) -> type | None:
        """Kind of the values of a tuple; None for a single value."""
        return get_args(self.kind)[0] if get_origin(self.kind) is tuple else None

    @property
    def default_text(self) -> str:
        """The default, or what stands for it, as a person would type or read it."""
        return self.default_shown or as_text(self.default)

    @property
    def expected(self) -> str:
        """What its value should be, in words."""
        if self.choices:
            names = [*self.choices, *([OWN_CLASS] if self.open else [])]
            return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]
        if self.kind in (str, bool):
            return "text" if self.kind is str else "true or false"
        noun = {int: "an integer", float: "a number"}[self.element or self.kind]
        if self.element:
            noun = f"{noun.split()[1]}s"
        words = self.option.range
        of = " of" if words.startswith("at least") else ""
        commas = " with commas between" if self.element else ""
        return f"{noun}{of} {words}".rstrip() + commas

    def parse(self, text: str) -> Any:
        """The value that a text of the command line means, or the text itself where it means none."""
        kind = self.element or self.kind
        if kind not in (int, float):
            return text
        try:
            if self.element:
                return tuple(kind(part) for part in text.split(",") if part.strip())
            return kind(text)
        except ValueError:
            return text

    def check(self, value: Any) -> Any:
        """The value in its own type: an int where a float is meant, or a list for a tuple, is converted.

        Raises ConfigurationError with the value, what was expected, and the nearest name.
        """
        if self.choices:
            if not isinstance(value, str) or not (
                value in self.choices or (self.open and is_object_path(value))
            ):
                raise self.refusal(value, did_you_mean(value, self.choices))
            return value
        if self.kind in (str, bool):
            if not isinstance(value, self.kind):
                raise self.refusal(value)
            return value
        if self.element is None:
            return self.number(value, self.kind, value)
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise self.refusal(value)
        return tuple(self.number(part, self.element, value) for part in value)

    def number(self, value: Any, kind: type, whole: Any) -> int | float:
        """A number of ``kind`` within the bounds; ``whole`` is what an error shows."""
        # True is an int to Python; a recipe's `beta = true` must not train with 1.0.
        if isinstance(value, bool) or not isinstance(value, int if kind is int else int | float):
            raise self.refusal(whole)
        largest = LARGEST_INTEGER if kind is int else LARGEST_NUMBER
        if isinstance(value, float) and not math.isfinite(value):
            raise self.refusal(whole)
        if self.option.at_most is None and abs(value) > largest:
            raise self.refusal(whole, expected=f"at most {largest}")
        if not self.option.holds(value):
            raise self.refusal(whole, expected="" if self.element else self.option.range)
        return float(value) if kind is float else int(value)

    def refusal(self, value: Any, hint: str = "", expected: str = "") -> ConfigurationError:
        return ConfigurationError(
            f"{self.flag} is {abbreviate(value)}; expected {expected or self.expected}.", hint
        )


def option_name(field_name: str) -> str:
    return "--" + field_name.replace("_", "-")


def is_object_path(value: str) -> bool:
    """Whether a text has the form ``package.module:name``; whether there is such a thing is seen later."""
    module, colon, name = value.partition(":")
    return bool(colon) and name.isidentifier() and all(part.isidentifier() for part in module.split("."))


def did_you_mean(wrong: object, known: Iterable[str]) -> str:
    """A sentence with the known name nearest to a wrong one; empty where none is near."""
    near = difflib.get_close_matches(str(wrong)[:100].lower(), list(known), n=1, cutoff=0.5)
    return f"Did you mean {near[0]}?" if near else ""


def as_text(value: Any) -> str:
    """A value as a person would type it: with commas between, 0.0001 rather than 1e-4."""
    match value:
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case tuple() | list():
            return ",".join(map(as_text, value)) or "none"
        case _:
            return str(value)


def abbreviate(value: object) -> str:
    """A value for an error message: quoted if it is text, short however large or deep it is."""
    brief = reprlib.Repr()
    brief.maxstring = brief.maxother = brief.maxlong = 80
    return brief.repr(value)


def printable(name: str) -> str:
    """A name from a file for an error message, without what a terminal would carry out."""
    return name if name.isprintable() else repr(name)[1:-1]
