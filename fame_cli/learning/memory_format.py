"""The order of a network's numbers in memory: the channels of a pixel together, or a plane each."""

from typing import Literal

import torch

MemoryFormat = Literal["auto", "channels-last", "contiguous"]
FORMATS: dict[MemoryFormat, torch.memory_format] = {
    "channels-last": torch.channels_last_3d,
    "contiguous": torch.contiguous_format,
}


def choose_memory_format(name: MemoryFormat) -> MemoryFormat:
    """The format that a name stands for: "auto" is channels last.

    A step of R(2+1)D-18 on a CPU (8 videos, 3 × 16 × 112², two threads) takes 9.7 s with channels last and
    13.9 s contiguous in fp32, 4.3 and 6.6 s in bf16. On a GPU neither was measured here: tensor cores take
    bf16 with channels last, while in fp32 it depends on the GPU and on cuDNN. ``fame benchmark train`` tells
    for a machine, a network and a precision.
    """
    return "channels-last" if name == "auto" else name
