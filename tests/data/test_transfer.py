"""Many small tensors go to the device as one."""

from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import default_collate

from fame_cli.data import transfer
from fame_cli.data.transfer import move_together, view_as
from fame_cli.data.views import augment, draw_view

CPU, META = torch.device("cpu"), torch.device("meta")
MIXED = [
    torch.tensor([True, False, True]),
    torch.arange(5),
    torch.tensor(0.25),
    torch.rand(2, 3, generator=torch.Generator().manual_seed(0)),
    torch.empty(0, 4),
    torch.tensor([1.5, -2.5], dtype=torch.float64),
]


class CopiesToMeta(TorchDispatchMode):
    """Counts copies from the CPU to the meta device, which stands for an accelerator."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is torch.ops.aten._to_copy.default and result.is_meta and not args[0].is_meta:
            self.count += 1
        return result


def test_bytes_of_mixed_tensors_are_read_as_what_they_were() -> None:
    sizes = [transfer.round_up(tensor.numel() * tensor.element_size()) for tensor in MIXED]
    packed = torch.zeros(sum(sizes), dtype=torch.uint8)
    for place, tensor in zip(packed.split(sizes), MIXED, strict=True):
        view_as(place, tensor).copy_(tensor)
    for place, tensor in zip(packed.clone().split(sizes), MIXED, strict=True):
        there = view_as(place, tensor)
        assert there.dtype == tensor.dtype
        assert torch.equal(there, tensor)


def test_one_copy_moves_all_of_them_in_their_shapes_and_types() -> None:
    with CopiesToMeta() as copies:
        moved = move_together(MIXED, META)
    assert copies.count == 1
    assert [(one.shape, one.dtype, one.device) for one in moved] == [
        (one.shape, one.dtype, META) for one in MIXED
    ]
    assert all(one is other for one, other in zip(move_together(MIXED, CPU), MIXED, strict=True))
    assert move_together([], META) == []


def test_all_that_the_augmentation_of_a_view_draws_is_one_copy() -> None:
    view = default_collate([draw_view(np.random.default_rng(seed), 1.0) for seed in range(16)])
    with CopiesToMeta() as copies:
        augment(torch.empty(16, 3, 2, 12, 12, device=META), view)
    assert copies.count == 1
