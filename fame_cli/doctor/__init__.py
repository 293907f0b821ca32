"""What of a machine and its installation this toolkit depends on, looked at before anything is computed.

for finding in examine(Path("work")):
    print(finding.name, finding.state, finding.found, finding.advice)
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from fame_cli.doctor import accelerator, decoders, installation, machine, place
from fame_cli.doctor.finding import Finding

CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    installation.look_at_python,
    installation.look_at_libraries,
    accelerator.look_at_torch,
    accelerator.look_at_gpus,
    machine.look_at_cores,
    machine.look_at_memory,
    machine.look_at_shared_memory,
    machine.look_at_open_files,
    decoders.look_at_decoders,
    installation.look_at_optional_parts,
)


def examine(folder: Path) -> Iterator[Finding]:
    """What is found here, one thing at a time; of the disk, where ``folder`` lies.

    Nothing is left behind, and nothing that is wrong ends it.
    """
    for check in CHECKS:
        yield from guarded(check.__name__, check())
    yield from guarded("disk", place.look_at_place(folder))


def guarded(name: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """The findings of a check; where that fails itself, this is what was found."""
    try:
        yield from findings
    except Exception as error:  # noqa: BLE001, a broken library may raise anything
        what = name.removeprefix("look_at_").replace("_", " ")
        told = (str(error).splitlines() or [""])[0]
        yield Finding(what, "problem", f"{type(error).__name__}: {told}", "Install it again.")
