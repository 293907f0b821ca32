"""Installed libraries beside the versions that this package is tested with, to explain an error."""

import shlex
import sys
from dataclasses import dataclass
from importlib import metadata

PACKAGE = "fame-cli"


@dataclass(frozen=True)
class Untested:
    """A library outside the range that the package asks for."""

    name: str
    version: str
    """The version that is installed; empty where the library is missing."""
    tested: str
    """A range as pip takes it, such as ``>=17,<20``."""

    def __str__(self) -> str:
        found = f"{self.name} {self.version} is installed" if self.version else f"{self.name} is missing"
        return f"{found}, tested is {self.name}{self.tested}"


def untested_libraries() -> list[Untested]:
    """Required libraries that are missing or of another version than this package asks for.

    pip installs such versions only after a warning, but another package's installation may bring them later.
    """
    from packaging.requirements import Requirement  # takes a while, and is needed after an error alone

    try:
        requirements = [Requirement(line) for line in metadata.requires(PACKAGE) or []]
    except metadata.PackageNotFoundError:  # run from its source without being installed
        return []
    found = []
    for requirement in requirements:
        # Extras such as "dev" have a marker that holds for no plain installation.
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        version = installed_version(requirement.name)
        if not (version and requirement.specifier.contains(version, prereleases=True)):
            found.append(Untested(requirement.name, version, str(requirement.specifier)))
    return found


def installed_version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def advice() -> str:
    """Untested libraries that may be behind an error, and the command that installs tested ones, if any."""
    untested = untested_libraries()
    if not untested:
        return ""
    ranges = [f"{library.name}{library.tested}" for library in untested]
    return "\n".join(
        [
            "A library whose version is not tested may be the reason:",
            *(f"  {library}" for library in untested),
            f"Install tested ones: {shlex.join([sys.executable, '-m', 'pip', 'install', *ranges])}",
        ]
    )
