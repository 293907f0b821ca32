"""The workers of a stage: processes of this machine, or a cluster through joblib's backends."""

import contextlib
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from fame_cli.child import Children
from fame_cli.errors import ConfigurationError, FameError
from fame_cli.lock import WHOLE, Slice

JOBS_A_CORE = 32
"""More than this is a typing error and would exhaust the processes that the system allows."""

Backend = Literal["processes", "dask", "ray"]


@dataclass(frozen=True)
class Workers:
    """The workers that compute the shards of a stage."""

    jobs: int = 1
    """Worker processes on this machine; ignored for a cluster."""
    backend: Backend = "processes"
    address: str = ""
    """Address of the scheduler, as ``tcp://host:8786`` (dask) or ``host:6379`` (ray; "" finds it)."""
    slice: Slice = WHOLE
    """(i, n): the i-th of n processes that share the work, counted from 1."""

    def __post_init__(self) -> None:
        most = JOBS_A_CORE * (os.cpu_count() or 1)
        if self.jobs > most:
            raise ConfigurationError(
                f"--jobs is {self.jobs}, but this machine has {os.cpu_count()} cores.",
                f"More processes than cores are no faster: use at most {most}.",
            )


ONE_PROCESS = Workers()


def each_result(
    function: Callable[..., Any], calls: Iterable[tuple[Any, ...]], workers: Workers
) -> Iterator[Any]:
    """Yield ``function(children, *call)`` for each call as it finishes; ``children`` runs child processes.

    On this machine, threads wait for one child each. On a cluster, every worker has its own children. The
    first error stops everything.
    """
    import joblib

    # joblib warns about calls stopped by an error or Ctrl-C, which is intended.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"joblib\.parallel")
    with BACKENDS[workers.backend](workers) as (options, run_there):
        with joblib.parallel_config(**options):
            parallel = joblib.Parallel(return_as="generator_unordered", batch_size=1)
        with contextlib.closing(Children()) as children:
            for value, error in parallel(
                joblib.delayed(run_there)(function, children, *call) for call in calls
            ):
                if error is not None:
                    raise error
                yield value


def try_call(function: Callable[..., Any], *arguments: Any) -> tuple[Any, Exception | None]:
    """The result or the error of a call. A cluster would wrap a raised error, or retry in vain."""
    try:
        return function(*arguments), None
    except Exception as error:  # noqa: BLE001
        return None, error


Running = tuple[dict[str, Any], Callable[..., tuple[Any, Exception | None]]]
"""Options for joblib, and the function it calls."""


@contextlib.contextmanager
def on_this_machine(workers: Workers) -> Iterator[Running]:
    yield {"backend": "threading", "n_jobs": workers.jobs}, try_call


@contextlib.contextmanager
def on_dask(workers: Workers) -> Iterator[Running]:
    """Connect to a dask cluster; raises ConfigurationError if none answers."""
    try:
        from distributed import Client, KilledWorker
    except ImportError as error:
        raise missing("dask", "distributed") from error
    try:
        client = Client(workers.address, set_as_default=False)
    except (OSError, ValueError) as error:
        raise unreachable(workers) from error
    with client:
        try:
            yield {"backend": "dask", "n_jobs": -1, "client": client}, try_call
        except KilledWorker as error:
            raise lost_workers_error(workers, error) from error


@contextlib.contextmanager
def on_ray(workers: Workers) -> Iterator[Running]:
    """Connect to a ray cluster if not connected; raises ConfigurationError if none answers.

    Ray's own joblib backend reports nothing until everything is done, so threads wait for one ray task each.
    """
    try:
        import ray
    except ImportError as error:
        raise missing("ray", "ray") from error
    connects = not ray.is_initialized()
    if connects:
        try:
            ray.init(address=workers.address or "auto", log_to_driver=False)
        except (OSError, ValueError, RuntimeError) as error:
            raise unreachable(workers) from error
    task = ray.remote(try_call)
    try:
        cores = int(ray.cluster_resources()["CPU"])
        yield {"backend": "threading", "n_jobs": cores}, lambda *call: ray.get(task.remote(*call))
    except ray.exceptions.RayError as error:
        raise lost_workers_error(workers, error) from error
    finally:
        if connects:
            ray.shutdown()


BACKENDS = {"processes": on_this_machine, "dask": on_dask, "ray": on_ray}


def lost_workers_error(workers: Workers, error: Exception) -> FameError:
    return FameError(
        f"the {workers.backend} cluster lost its workers: {error}",
        "Finished shards are kept: run the command again when the cluster is back.",
    )


def missing(backend: Backend, package: str) -> ConfigurationError:
    return ConfigurationError(
        f"--backend {backend} needs the package {package}, which is not installed.",
        f"Install it: pip install 'fame-cli[{backend}]'",
    )


def unreachable(workers: Workers) -> ConfigurationError:
    where = f"at {workers.address}" if workers.address else "on this machine"
    return ConfigurationError(
        f"no {workers.backend} cluster answers {where}.",
        "Start it, or give the address of its scheduler: --address HOST:PORT",
    )
