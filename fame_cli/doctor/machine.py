"""Cores, memory, shared memory and open files of this machine, or of the part of it that we may use."""

import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path

from fame_cli.doctor.finding import Finding, judge
from fame_cli.limits import LEAST_MEMORY, SHARED_MEMORY_FOLDER, free_shared_memory

CGROUP = Path("/sys/fs/cgroup")
"""Where a container or a batch system says how much of the machine is ours (cgroup v2)."""
GIB = 1 << 30
ENOUGH_MEMORY = 4 * GIB
ENOUGH_SHARED_MEMORY = 2 * GIB
"""About what 8 processes take that load the default batch: 2 batches ahead each, of 2 x 64 clips."""
ENOUGH_FILES = 1024


def look_at_cores() -> Iterator[Finding]:
    ours = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share = cpu_share()
    if share is not None and share < ours:
        advice = f"Give --jobs {max(1, round(share))} and --workers {max(1, round(share))} at most."
        yield Finding("cores", "warning", f"{ours}, of which this container may use {share:g}", advice)
    else:
        yield Finding("cores", "ok", f"{ours} of {os.cpu_count()}")


def cpu_share() -> float | None:
    """Cores' worth of time that a container may use; None where nothing limits it."""
    with contextlib.suppress(OSError, ValueError):
        quota, period = (CGROUP / "cpu.max").read_text().split()
        return int(quota) / int(period)
    return None


def look_at_memory() -> Iterator[Finding]:
    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    if most != resource.RLIM_INFINITY and most < 2 * LEAST_MEMORY:
        found = f"ulimit -v allows {most >> 20} MiB a process"
        yield Finding("memory", "problem", found, "Allow more: ulimit -v unlimited")
        return
    free = available_memory()
    yield judge(
        "memory",
        "not known" if free is None else f"{free / GIB:.1f} GiB available",
        "Give fewer --jobs and --workers, a smaller --batch-size, or end what else uses it.",
        wrong=free is not None and free < ENOUGH_MEMORY,
    )


def available_memory() -> int | None:
    """Bytes that can be taken without swapping, by the machine and by the container."""
    found = []
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        found.append(int(next(line.split()[1] for line in lines if line.startswith("MemAvailable"))) << 10)
    with contextlib.suppress(OSError, ValueError):
        limit, used = ((CGROUP / f"memory.{name}").read_text() for name in ("max", "current"))
        found.append(max(0, int(limit) - int(used)))
    return min(found, default=None)


def look_at_shared_memory() -> Iterator[Finding]:
    free = free_shared_memory()
    yield judge(
        str(SHARED_MEMORY_FOLDER),
        "not there; not needed on this system" if free is None else f"{free / GIB:.1f} GiB free",
        "Processes that load clips pass them through it: give fewer --workers, or more of it "
        "(docker run --shm-size 8g).",
        wrong=free is not None and free < ENOUGH_SHARED_MEMORY,
    )


def look_at_open_files() -> Iterator[Finding]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = soft if hard == resource.RLIM_INFINITY else hard
    yield judge(
        "open files",
        f"{soft} for each process" + (f", up to {most} where they are needed" if most > soft else ""),
        f"Allow more: ulimit -n {4 * ENOUGH_FILES} (docker run --ulimit nofile=4096; limits.conf).",
        wrong=most < ENOUGH_FILES,
    )
