"""What a training or an evaluation takes of its machine: checked before, and named where it runs out."""

import contextlib
import errno
import os
import re
import resource
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from fame_cli.errors import MachineError
from fame_cli.limits import SHARED_MEMORY_FOLDER, free_shared_memory

BATCHES_AHEAD = 2
"""That each loading process has ready, as torch has it."""
OWN_FILES = 32
"""Open files that a process may come to need beside those of its loaders."""
FILES_OF_A_WORKER = 8
"""Pipes and semaphores between a process and one that loads for it."""
GPU_OPTIONS = "a smaller --batch-size, or --precision bf16"


@dataclass(frozen=True)
class BatchSize:
    """What one loaded batch takes on its way between processes."""

    nbytes: int
    """Of its clips and maps; the rest is small."""
    tensors: int
    """Each is an open file at both ends."""


def require_loader_resources(workers: int, batch: BatchSize) -> None:
    """Raise FameError where processes that load clips would end, or wait for ever, for want of something.

    A limit of open files that may be raised is raised.
    """
    if workers:
        require_shared_memory(workers, batch)
        require_open_files(workers, batch)


def require_shared_memory(workers: int, batch: BatchSize) -> None:
    trainings = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    each, free = trainings * BATCHES_AHEAD * batch.nbytes, free_shared_memory()
    if free is None or free >= workers * each:
        return
    raise MachineError(
        f"{SHARED_MEMORY_FOLDER} has {mebibytes(free)} free, but {workers} processes that load clips may "
        f"fill {mebibytes(workers * each)}: {BATCHES_AHEAD} batches of {mebibytes(batch.nbytes)} each.",
        f"Give --workers {free // each}, a smaller --batch-size, or more of it "
        f"(docker run --shm-size {-(-2 * workers * each >> 30)}g).",
    )


def require_open_files(workers: int, batch: BatchSize) -> None:
    each = FILES_OF_A_WORKER + BATCHES_AHEAD * batch.tensors
    wanted = files_open() + OWN_FILES + workers * each
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or wanted <= soft:
        return
    if hard != resource.RLIM_INFINITY and wanted > hard:
        fitting = max(0, (hard - files_open() - OWN_FILES) // each)
        raise MachineError(
            f"{workers} processes that load clips may take {wanted} open files; this shell allows {hard}.",
            f"Give --workers {fitting}, or allow more (ulimit -n {max(1024, wanted)}).",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def files_open() -> int:
    for folder in ("/proc/self/fd", "/dev/fd"):
        with contextlib.suppress(OSError):
            return len(os.listdir(folder))
    return OWN_FILES


@contextlib.contextmanager
def name_exhaustion(gpu_options: str = GPU_OPTIONS) -> Iterator[None]:
    """Let a GPU, shared memory or open files that run out be told as such: FameError with what mends it.

    Args:
        gpu_options: what makes the same work fit on a smaller GPU.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise gpu_is_full(error, gpu_options) from error
    except RuntimeError as error:
        text = str(error)
        if "Bus error" in text or "shared memory" in text:
            free = free_shared_memory()
            there = "" if free is None else f": {mebibytes(free)} are free now"
            raise MachineError(
                f"{SHARED_MEMORY_FOLDER} is too small for the processes that load clips{there}.",
                "Give fewer --workers (0 needs none of it), or more of it (docker run --shm-size 8g).",
            ) from error
        # What torch makes of a descriptor that could not be received.
        if "ancdata" in text:
            raise too_many_files() from error
        raise
    except OSError as error:
        if error.errno == errno.EMFILE:
            raise too_many_files() from error
        raise


def gpu_is_full(error: torch.OutOfMemoryError, options: str) -> MachineError:
    """What torch says of it: "Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 15.90 GiB of …"."""
    text = str(error)
    gpu, wanted, capacity, free = (
        found.group(1) if (found := re.search(pattern, text)) else ""
        for pattern in (
            r"GPU (\d+)",
            r"[Tt]ried to allocate ([\d.]+ \w+)",
            r"total capacity of ([\d.]+ \w+)",
            r"of which ([\d.]+ \w+) is free",
        )
    )
    parts = [f"{wanted} more were wanted"] if wanted else []
    parts += [f"{free or 'nothing'} is free of {capacity}"] if capacity else []
    told = f": {', '.join(parts)}" if parts else ""
    return MachineError(
        f"{f'GPU {gpu}' if gpu else 'the GPU'} has no memory left{told}.",
        f"Give {options}, or end what else uses it (nvidia-smi). What was saved before is kept.",
    )


def too_many_files() -> MachineError:
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MachineError(
        f"too many open files; this shell allows {allowed} for each process.",
        f"Give fewer --workers (0 opens fewest), or allow more (ulimit -n {max(1024, 2 * allowed)}).",
    )


def mebibytes(count: int) -> str:
    return f"{count / 2**20:.0f} MiB"
