"""Which device a name means, and how many processes load clips beside it."""

import os

import pytest
import torch

from fame_cli.errors import ConfigurationError
from fame_cli.learning.device import choose_device, loader_processes


def test_auto_is_the_first_gpu_or_else_the_cpu() -> None:
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert choose_device("auto").type == expected


@pytest.mark.parametrize("name", ["cuda:99", "tpu", "meta data"])
def test_device_that_cannot_be_used_is_named_with_a_way_out(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"--device {name} cannot be used") as told:
        choose_device(name)
    assert told.value.hint.startswith("Use --device cpu, or auto.")


def test_on_a_cpu_no_process_loads_beside_the_step() -> None:
    assert loader_processes(torch.device("cpu")) == 0


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system tells no allowed cores")
@pytest.mark.parametrize(("cores", "trainings", "expected"), [(4, 1, 4), (64, 1, 8), (64, 16, 4), (2, 4, 1)])
def test_a_gpu_gets_a_loader_process_a_core_that_is_its_own(
    monkeypatch: pytest.MonkeyPatch, cores: int, trainings: int, expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(trainings))
    assert loader_processes(torch.device("cuda")) == expected
