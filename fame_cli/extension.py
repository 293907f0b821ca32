"""What a user adds: a backbone, an objective or a distraction of their own, named ``package.module:name``."""

import importlib
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from fame_cli.errors import ConfigurationError
from fame_cli.option import is_object_path

Built = TypeVar("Built")


def build_own(
    option: str,
    name: str,
    expected: type[Built],
    *arguments: Any,
    needs: Sequence[str] = (),
    also: type[Any] | None = None,
) -> Built:
    """Call what ``package.module:name`` names with the arguments, and check what it gives.

    The module is imported as Python imports any, from the current folder too. Errors of its own are its own.

    Args:
        option: that named it, for messages.
        name: ``package.module:name`` of a class or a function.
        expected: class of what it has to give.
        arguments: what it is called with.
        needs: attributes that it has to have.
        also: another class that will do.

    Raises:
        ConfigurationError: there is no such module or name, it cannot be called so, or gives another thing.
    """
    build = find_own(option, name)
    takes = ", ".join(type(argument).__name__ for argument in arguments) or "no argument"
    try:
        inspect.signature(build).bind(*arguments)
    except ValueError:
        pass  # what is written in C may tell no signature
    except TypeError as error:
        raise ConfigurationError(
            f"{option} {name} cannot be called with {takes}: {error}.", f"Let it take {takes}."
        ) from error
    built = build(*arguments)
    if not isinstance(built, (expected, also) if also else expected):
        raise ConfigurationError(
            f"{option} {name} gave a {type(built).__name__}; expected a {expected.__name__}.",
            f"Derive it from fame_cli.{expected.__name__} (docs/extending.md).",
        )
    for attribute in needs:
        if not hasattr(built, attribute):
            raise ConfigurationError(
                f"{option} {name}: {type(built).__name__} has no {attribute}.",
                "Set it in the class or in its constructor (docs/extending.md).",
            )
    return built


def find_own(option: str, name: str) -> Callable[..., Any]:
    """The class or function that ``package.module:name`` names."""
    module_name, _, attribute = name.partition(":")
    if not is_object_path(name):
        raise ConfigurationError(f"{option} is {name!r}; expected package.module:name.")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # the script `fame`, unlike `python -m fame_cli`, does not look there
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or module_name
        if module_name != missing and not module_name.startswith(f"{missing}."):
            raise ConfigurationError(
                f"{option} {name}: the module {module_name} needs {missing}, which is not installed."
            ) from error
        raise ConfigurationError(
            f"{option} {name}: there is no module {module_name}.",
            "Install it, run the command from the folder that holds it, or name that folder in PYTHONPATH.",
        ) from error
    found = getattr(module, attribute, None)
    if not callable(found):
        what = "has no" if found is None else "holds no class or function"
        raise ConfigurationError(
            f"{option} {name}: {module.__file__} {what} {attribute}.",
            f"Name a class or a function of {module_name}.",
        )
    build: Callable[..., Any] = found
    return build
