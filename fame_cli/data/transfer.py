"""Copies many small CPU tensors to an accelerator at once."""

from collections.abc import Sequence

import torch
from torch import Tensor

ALIGNED_BYTES = 8
"""Alignment of each tensor, required to view its bytes as numbers."""


def move_together(tensors: Sequence[Tensor], device: torch.device) -> list[Tensor]:
    """Copy tensors to the device in one asynchronous transfer; returns them in order.

    A copy of a few bytes costs the host as much as one of a few kilobytes, and only pinned memory is copied
    asynchronously. On a CPU, the tensors themselves are returned.

    Args:
        tensors: CPU tensors of any shapes and types.
        device: destination.
    """
    if device.type == "cpu" or not tensors:
        return list(tensors)
    sizes = [round_up(tensor.numel() * tensor.element_size()) for tensor in tensors]
    packed = torch.empty(sum(sizes), dtype=torch.uint8, pin_memory=device.type == "cuda")
    for place, tensor in zip(torch.split(packed, sizes), tensors, strict=True):
        view_as(place, tensor).copy_(tensor)
    moved = packed.to(device, non_blocking=True)
    return [view_as(place, tensor) for place, tensor in zip(torch.split(moved, sizes), tensors, strict=True)]


def round_up(count: int) -> int:
    return -(-count // ALIGNED_BYTES) * ALIGNED_BYTES


def view_as(place: Tensor, tensor: Tensor) -> Tensor:
    """The first of the bytes (n,) uint8 viewed with the type and shape of ``tensor``."""
    used = place[: tensor.numel() * tensor.element_size()]
    return used.view(tensor.dtype).view(tensor.shape)
