"""One training on several processes, as torchrun starts them; with one process, all here is the identity.

A rank computes its share of each global batch. What depends on the whole batch (backgrounds, negatives,
statistics of batch normalisation) is gathered, so that the result is that of one process with that batch.
"""

import contextlib
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import Sampler

from fame_cli.errors import INTERRUPTED, ConfigurationError, FameError

FAREWELL_SECONDS = 2.0
"""torchrun ends all processes with the first that fails: the others leave the one that speaks this long."""


def rank() -> int:
    """Number of this process, from 0; the first alone writes and speaks."""
    return dist.get_rank() if is_distributed() else 0


def rank_count() -> int:
    return dist.get_world_size() if is_distributed() else 1


def is_distributed() -> bool:
    return dist.is_available() and dist.is_initialized()


@contextlib.contextmanager
def together() -> Iterator[None]:
    """Join the processes that torchrun started (RANK, WORLD_SIZE …) for as long as the block runs.

    GPU tensors go by NCCL, CPU tensors by gloo. Of errors and interrupts only one process raises its own;
    the others end without a word. Within another such block, and with one process, it does nothing.

    Raises ConfigurationError where the processes cannot find each other.
    """
    if is_distributed() or int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    first_to_fail = join()
    terminated_before = tell_errors_before_termination()
    try:
        yield
    except KeyboardInterrupt as interrupt:
        first_to_fail()
        if rank() > 0:
            raise leave_quietly(INTERRUPTED) from interrupt
        raise
    except Exception as error:
        if not first_to_fail():
            raise leave_quietly(getattr(error, "exit_code", 1)) from error
        if isinstance(error, RuntimeError) and any(name in str(error) for name in ("gloo", "NCCL")):
            raise FameError(
                "another process of this training ended without a word; it may have been killed for memory.",
                "Start it again: torchrun … -m fame_cli pretrain --resume RUN",
            ) from error
        raise
    signal.signal(signal.SIGTERM, terminated_before)
    dist.destroy_process_group()


def tell_errors_before_termination() -> Any:
    """Where a process dies, torchrun terminates the others at once: one with an error in hand tells it first.

    Returns the handler of SIGTERM that there was; after an error it is not needed any more.
    """
    before = signal.getsignal(signal.SIGTERM) or signal.SIG_DFL

    def end(number: int, frame: FrameType | None) -> None:
        if sys.exc_info()[0] is not None:
            return
        if callable(before):
            before(number, frame)
        else:
            signal.signal(number, before)
            os.kill(os.getpid(), number)

    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGTERM, end)
    return before


def join() -> Callable[[], bool]:
    """Form the group; returns what each process asks when it fails: whether it is the first to do so."""
    on_gpus = torch.cuda.is_available() and dist.is_nccl_available()
    backends = "cpu:gloo,cuda:nccl" if on_gpus else "gloo"
    try:
        store, number, count = next(rendezvous("env://"))
        dist.init_process_group(backends, store=store, rank=number, world_size=count)
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigurationError(
            f"WORLD_SIZE is {os.environ['WORLD_SIZE']}, but the processes do not find each other: {reason}",
            "Start with torchrun --nproc-per-node N -m fame_cli …, or unset WORLD_SIZE for one process.",
        ) from error
    return lambda: bool(store.add("errors", 1) == 1)


def leave_quietly(exit_code: int) -> SystemExit:
    time.sleep(FAREWELL_SECONDS)
    return SystemExit(exit_code)


def local_gpu() -> str:
    """The GPU of this process: "cuda" with one, "cuda:N" for the process N of this machine."""
    if rank_count() == 1:
        return "cuda"
    number, there = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if number >= there:
        raise ConfigurationError(
            f"process {number} of this machine has no GPU of its own; there are {there}.",
            f"Give torchrun --nproc-per-node {there}, or --device cpu.",
        )
    torch.cuda.set_device(number)  # NCCL's own buffers would all go to the first
    return f"cuda:{number}"


def require_shares(batch_size: int) -> None:
    """Raise ConfigurationError unless all ranks get equally many videos of a batch."""
    count = rank_count()
    if batch_size % count:
        below = batch_size // count * count
        fitting = " or ".join(str(size) for size in (below, below + count) if size)
        raise ConfigurationError(
            f"--batch-size is {batch_size}, which {count} processes cannot share equally.",
            f"It counts the videos of all processes together: give {fitting}, or start fewer processes.",
        )


def require_whole_groups(batch_size: int, group_clips: int) -> None:
    """Raise ConfigurationError unless the share of each of several ranks is made of whole groups.

    ``group_clips`` are normalised together; 0 is the whole batch. A group that lay on two ranks would be two
    groups, and the result another than that of one process.
    """
    count, share = rank_count(), batch_size // rank_count()
    if count == 1 or group_clips == 0 or share % group_clips == 0:
        return
    whole = count * group_clips
    raise ConfigurationError(
        f"--batch-norm-clips is {group_clips}, but each of {count} processes has {share} videos of a batch.",
        f"Give --batch-norm-clips {math.gcd(share, group_clips)}, 0 to normalise the whole batch together, "
        f"or --batch-size {max(1, round(batch_size / whole)) * whole}.",
    )


def own_rows(share: int) -> slice:
    """Which rows of the global batch are this rank's, of equal shares in the order of ranks."""
    return slice(rank() * share, (rank() + 1) * share)


class OwnShare(Sampler[list[tuple[int, int]]]):
    """This rank's share of each global batch."""

    def __init__(self, batches: Sampler[list[tuple[int, int]]], batch_size: int) -> None:
        self.batches = batches
        self.rows = own_rows(batch_size // rank_count())

    def __len__(self) -> int:
        return len(self.batches)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        return (batch[self.rows] for batch in self.batches)


def gather(rows: Tensor) -> Tensor:
    """The rows (B / ranks, …) of all ranks in their order: (B, …), with gradient to the rows of each."""
    if rank_count() == 1:
        return rows
    gathered: Tensor = Gather.apply(rows)  # type: ignore[no-untyped-call]
    return gathered


class Gather(torch.autograd.Function):
    """Backward, each rank receives the sum of the gradients that all ranks have for its rows."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, rows: Tensor) -> Tensor:  # noqa: ARG004
        everyone = rows.new_empty((rank_count() * len(rows), *rows.shape[1:]))
        dist.all_gather(list(everyone.chunk(rank_count())), rows.contiguous())
        return everyone

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> Tensor:  # noqa: ARG004
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total[own_rows(len(total) // rank_count())]


def mean_over_ranks(figures: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The mean of each figure (a scalar) over the ranks, by one exchange; all ranks have the same names."""
    if rank_count() == 1:
        return figures
    total = torch.stack([*figures.values()])
    dist.all_reduce(total)
    return dict(zip(figures, total / rank_count(), strict=True))


def wait_for_all() -> None:
    """Return when every rank has come here."""
    any_rank(False)


def any_rank(flag: bool) -> bool:
    """Whether ``flag`` is set on any rank: the same answer on all, without waiting for a GPU."""
    if rank_count() == 1:
        return flag
    flags = torch.tensor(int(flag))
    dist.all_reduce(flags, dist.ReduceOp.MAX)
    return bool(flags)


def synchronise_batch_norms(model: nn.Module, device: torch.device) -> nn.Module:
    """Let every batch normalisation count the clips of all ranks; parameters and their names stay."""
    if rank_count() == 1:
        return model
    if device.type == "cuda":
        synchronised: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        return synchronised
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.__class__ = BatchNormOverRanks  # the same attributes; forward alone differs
    return model


@torch.no_grad()
def average_running_statistics(model: nn.Module) -> None:
    """Give all ranks the mean of their running means and variances, where each has groups of its own."""
    if rank_count() == 1:
        return
    endings = "running_mean", "running_var"
    buffers = [buffer for name, buffer in model.named_buffers() if name.endswith(endings)]
    if not buffers:
        return
    total = torch.cat([buffer.flatten() for buffer in buffers])
    dist.all_reduce(total)
    parts = torch.split(total / rank_count(), [buffer.numel() for buffer in buffers])  # type: ignore[no-untyped-call]
    for buffer, part in zip(buffers, parts, strict=True):
        buffer.copy_(part.view_as(buffer))


class BatchNormOverRanks(_BatchNorm):
    """Batch normalisation over the clips of all ranks, for CPUs, which torch's SyncBatchNorm refuses.

    All ranks have equally many clips, so mean and variance of the whole are
    μ = mean of μ_r and σ² = mean of σ_r² + mean of (μ_r − μ)².
    """

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of dimensions from 2."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        values = input.float()
        axes = [axis for axis in range(values.dim()) if axis != 1]
        own = torch.stack(torch.var_mean(values, axes, correction=0))
        variances, means = gather(own[None]).unbind(dim=1)
        mean = means.mean(dim=0)
        variance = variances.mean(dim=0) + (means - mean).square().mean(dim=0)
        self.remember(mean.detach(), variance.detach(), rank_count() * values.numel() // len(mean))
        shape = [1, -1] + [1] * (values.dim() - 2)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        normalised = (values - mean.view(shape)) * scale.view(shape) + self.bias.view(shape)
        return normalised.to(input.dtype)

    def remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        assert self.momentum is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
