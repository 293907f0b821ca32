"""torch and GPUs as ``fame doctor`` sees them, each thing made wrong."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torchvision  # noqa: F401, looks at the real torch when it is imported

from fame_cli.doctor import accelerator
from fame_cli.doctor.finding import Finding


def by_name(findings: Iterator[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


def installed(monkeypatch: pytest.MonkeyPatch, version: str, cudnn: int | None, vision: str) -> None:
    monkeypatch.setattr("torch.__version__", version)
    monkeypatch.setattr("torch.version.cuda", "12.8" if cudnn else None)
    monkeypatch.setattr("torch.backends.cudnn.version", lambda: cudnn)
    monkeypatch.setattr("torchvision.__version__", vision)


@pytest.mark.parametrize(
    ("version", "cudnn", "state"),
    [
        ("2.9.0+cu128", 91002, "problem"),
        ("2.9.0+cu128", 91501, "problem"),  # does not ask which cuDNN there is
        ("2.9.1+cu128", 91002, "problem"),
        ("2.9.1+cu128", 91501, "ok"),
        ("2.9.1+cpu", None, "warning"),
        ("2.9.10+cu128", 91002, "ok"),
        ("2.8.0+cu128", 91002, "ok"),
    ],
)
def test_torch_that_keeps_convolutions_from_cudnn_is_told(
    monkeypatch: pytest.MonkeyPatch, version: str, cudnn: int | None, state: str
) -> None:
    installed(monkeypatch, version, cudnn, f"0.{int(version.split('.')[1]) + 15}.0")
    found = by_name(accelerator.look_at_torch())
    assert found["torch"].state == state
    assert ("three times the memory" in found["torch"].advice) == (state != "ok")
    assert found["torchvision"].state == "ok"


def test_torchvision_of_another_torch_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "2.8.0", None, "0.21.0")
    found = by_name(accelerator.look_at_torch())["torchvision"]
    assert (found.state, "another torch than 2.8.0" in found.advice) == ("warning", True)


def test_torchvision_that_cannot_be_imported_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    found = by_name(accelerator.look_at_torch())["torchvision"]
    assert found.state == "problem"
    assert "--force-reinstall torch torchvision" in found.advice


def test_version_of_cudnn_is_told_as_people_write_it() -> None:
    assert accelerator.cudnn_text(91501) == "9.15.1"
    assert accelerator.cudnn_text(None) == "none"


@pytest.mark.parametrize(
    ("built_for", "there", "state", "told"),
    [
        ("12.8", False, "ok", "none: everything runs on the CPU"),
        (None, True, "warning", "this torch is built for CPUs"),
        ("12.8", True, "warning", "(driver 535.54.03), but torch for CUDA 12.8 cannot use it"),
    ],
)
def test_gpu_that_torch_does_not_see_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, built_for: str | None, there: bool, state: str, told: str
) -> None:
    driver = tmp_path / "version"
    if there:
        driver.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.54.03  Tue Jun  6\n")
    monkeypatch.setattr(accelerator, "NVIDIA_DRIVER", driver)
    monkeypatch.setattr(accelerator, "NVIDIA_DEVICE", tmp_path / "nvidia0")
    found = accelerator.without_gpu(built_for)
    assert found.state == state
    assert told in found.found


class FakeCuda:
    """A torch with one GPU, whose convolutions are the CPU's, or fail."""

    float32, bfloat16, nn = torch.float32, torch.bfloat16, torch.nn

    def __init__(self, free: int, error: str = "") -> None:
        self.error = error
        self.cuda = SimpleNamespace(
            get_device_properties=lambda _: SimpleNamespace(name="NVIDIA T4", total_memory=16 << 30),
            is_bf16_supported=lambda including_emulation: including_emulation,
            mem_get_info=lambda _: (free, 16 << 30),
        )

    def randn(self, *shape: int, device: str, dtype: torch.dtype) -> torch.Tensor:
        del device
        if self.error:
            raise RuntimeError(self.error)
        return torch.zeros(*shape, dtype=dtype)


def test_gpu_is_told_with_memory_driver_and_bf16() -> None:
    found = accelerator.look_at_gpu(FakeCuda(15 << 30), 0, "535.54")
    assert found == Finding("gpu 0", "ok", "NVIDIA T4, 16 GiB (15 free), driver 535.54, without bf16")


def test_gpu_that_others_use_is_a_warning() -> None:
    found = accelerator.look_at_gpu(FakeCuda(2 << 30), 0, "535.54")
    assert (found.state, found.advice) == ("warning", "Something else uses it: see nvidia-smi.")


def test_gpu_that_torch_was_not_built_for_is_a_problem() -> None:
    error = "CUDA error: no kernel image is available for execution on the device\nmore"
    found = accelerator.look_at_gpu(FakeCuda(15 << 30, error), 0, "535.54")
    assert found.state == "problem"
    assert found.found.endswith("no kernel image is available for execution on the device")
