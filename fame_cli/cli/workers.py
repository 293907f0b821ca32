"""The options that say who does the work of ``fame extract`` and ``fame masks``."""

import os
import re
from pathlib import Path
from typing import Annotated

import typer

from fame_cli.cli.options import choice, own_number
from fame_cli.errors import ConfigurationError
from fame_cli.lock import Slice
from fame_cli.option import Option
from fame_cli.workers import Backend, Workers


def available_cores() -> int:
    return len(os.sched_getaffinity(0))


Jobs = Annotated[
    int | None,
    own_number(
        "jobs",
        int,
        Option("Worker processes.", at_least=1),
        "-j",
        show_default="all cores",
        rich_help_panel="Machine",
    ),
]
BackendOption = Annotated[
    Backend,
    choice(
        "backend",
        Backend,
        help="Run on this machine's processes, or on an existing dask or ray cluster.",
        rich_help_panel="Machine",
    ),
]
Address = Annotated[
    str,
    typer.Option(
        help="Address of the cluster's scheduler: tcp://HOST:8786 (dask) or HOST:6379 (ray).",
        metavar="ADDRESS",
        rich_help_panel="Machine",
        show_default=False,
    ),
]
SliceOption = Annotated[
    str,
    typer.Option(
        "--slice",
        help="Do only the i-th of n slices of the work, as a job of a batch scheduler; the slice that ends "
        "last completes the stage.",
        metavar="i/n",
        rich_help_panel="Machine",
        show_default=False,
    ),
]


def choose_workers(jobs: int | None, backend: Backend, address: str, part: str) -> Workers:
    """Who is to do the work; raises ConfigurationError for options that do not go together."""
    own_slice = parse_slice(part) if part else (1, 1)
    if backend == "processes":
        if address:
            raise ConfigurationError(
                f"--address {address} does not go with --backend processes.",
                "Add --backend dask or --backend ray, or leave out --address.",
            )
        return Workers(jobs or available_cores(), slice=own_slice)
    if jobs is not None:
        raise ConfigurationError(
            f"--jobs {jobs} does not go with --backend {backend}: the cluster has the workers that it has.",
            "Leave out --jobs.",
        )
    if backend == "dask" and not address:
        raise ConfigurationError(
            "--backend dask needs the address of the cluster's scheduler.",
            "Give what dask scheduler printed when it began: --address tcp://HOST:8786",
        )
    return Workers(backend=backend, address=address, slice=own_slice)


def parse_slice(text: str) -> Slice:
    """(i, n) of ``i/n``."""
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise ConfigurationError(
            f"--slice {text} is not a slice of the work.",
            "Give i/n with i from 1 to n: --slice 1/4, 2/4, 3/4 and 4/4 are all of it.",
        )
    return int(found[1]), int(found[2])


def place(work: Path, workers: Workers) -> Path:
    """WORK as the workers can find it: those of a cluster are in other folders."""
    return work if workers.backend == "processes" else work.absolute()
