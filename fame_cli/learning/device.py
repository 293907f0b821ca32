"""Where a training or an evaluation computes, and how many processes load clips for it."""

import os

import torch

from fame_cli.errors import ConfigurationError
from fame_cli.learning.distributed import local_gpu, rank_count


def choose_device(name: str) -> torch.device:
    """A torch device; "auto" is the first GPU, or the CPU where there is none.

    Each of several processes gets a GPU of its own. In fp32, convolutions run in TF32 where the GPU has it,
    which is torch's default, and matrix products in full fp32.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and torch.cuda.is_available():
        name = local_gpu()
    elif name.startswith("cuda:") and rank_count() > 1:
        raise ConfigurationError(
            f"--device {name} is one GPU, but there are {rank_count()} processes.", "Use --device cuda."
        )
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigurationError(
            f"--device {name} cannot be used: {reason}",
            "Use --device cpu, or auto. What torch sees of this machine: fame doctor",
        ) from error
    torch.backends.cudnn.benchmark = True
    return device


def loader_processes(device: torch.device) -> int:
    """As many as there are cores for each training process of this machine, at most 8; none on a CPU.

    There the step itself uses every core: loading beside it would take from it what it gives.
    """
    if device.type == "cpu":
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(8, cores // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))
