"""torch, and the GPUs that it can compute on."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fame_cli.doctor.finding import Finding, judge
from fame_cli.doctor.installation import pip

SLOW_CONVOLUTIONS = ("2.9.0", "2.9.1")
"""Versions of torch that keep 3-D convolutions of bfloat16 from cuDNN."""
MENDED_CUDNN = 91500
"""From which on torch 2.9.1 gives them back to it (9.15; pytorch/pytorch issue 166643)."""
TORCHVISION_BEHIND = 15
"""torchvision 0.(N + 15) belongs to torch 2.N."""
NVIDIA_DEVICE = Path("/dev/nvidia0")
NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")
BF16_FLAGS = ("amx_bf16", "avx512_bf16", "bf16")
"""Of /proc/cpuinfo, on x86 and ARM."""


def look_at_torch() -> Iterator[Finding]:
    import torch

    cudnn: int | None = torch.backends.cudnn.version() if torch.version.cuda else None  # type: ignore[no-untyped-call]
    version = torch.__version__.split("+")[0]
    mended = version != "2.9.0" and (cudnn or 0) >= MENDED_CUDNN
    built = f"CUDA {torch.version.cuda}, cuDNN {cudnn_text(cudnn)}" if torch.version.cuda else "for CPUs"
    yield judge(
        "torch",
        f"{torch.__version__}, {built}",
        f"3-D convolutions of bfloat16 take three times the memory: {pip('torch!=2.9.0,!=2.9.1')}",
        wrong=version in SLOW_CONVOLUTIONS and not mended,
        state="problem" if torch.version.cuda else "warning",
    )
    yield from look_at_torchvision(torch.__version__)


def look_at_torchvision(torch_version: str) -> Iterator[Finding]:
    try:
        import torchvision
    except Exception as error:  # noqa: BLE001, one built for another torch raises RuntimeError
        told = (str(error).splitlines() or [""])[0]
        yield Finding("torchvision", "problem", told, pip("--force-reinstall", "torch", "torchvision"))
        return
    fits = minor(torchvision.__version__) - TORCHVISION_BEHIND == minor(torch_version)
    yield judge(
        "torchvision",
        torchvision.__version__,
        f"It belongs to another torch than {torch_version}: {pip('--upgrade', 'torch', 'torchvision')}",
        wrong=not fits,
    )


def minor(version: str) -> int:
    return int(version.split(".")[1])


def cudnn_text(version: int | None) -> str:
    """9.15.1 for 91501."""
    if version is None:
        return "none"
    return f"{version // 10000}.{version // 100 % 100}.{version % 100}"


def look_at_gpus() -> Iterator[Finding]:
    import torch

    if not torch.cuda.is_available():
        yield without_gpu(torch.version.cuda)
        yield Finding("bf16", "ok", cpu_bf16())
        return
    driver = driver_version()
    for index in range(torch.cuda.device_count()):
        yield look_at_gpu(torch, index, driver)


def without_gpu(built_for: str | None) -> Finding:
    """Why torch sees no GPU, as far as there seems to be one."""
    if not NVIDIA_DEVICE.exists() and not NVIDIA_DRIVER.exists():
        return Finding("gpu", "ok", "none: everything runs on the CPU (--backbone small is made for that)")
    if built_for is None:
        return Finding(
            "gpu",
            "warning",
            "there is one, but this torch is built for CPUs",
            f"Install torch for CUDA (pytorch.org): {pip('--force-reinstall', 'torch', 'torchvision')}",
        )
    return Finding(
        "gpu",
        "warning",
        f"there is one (driver {driver_version()}), but torch for CUDA {built_for} cannot use it",
        f"Update the driver to one for CUDA {built_for}; unset CUDA_VISIBLE_DEVICES; in a container, give it "
        "the GPU (docker run --gpus all).",
    )


def driver_version() -> str:
    try:
        found = re.search(r"\b(\d+\.\d+(\.\d+)?)\b", NVIDIA_DRIVER.read_text())
    except OSError:
        return "unknown"
    return found[1] if found else "unknown"


def look_at_gpu(torch: Any, index: int, driver: str) -> Finding:
    """Whether a GPU computes a 3-D convolution, in fp32 and, where it has that, in bf16."""
    about = torch.cuda.get_device_properties(index)
    bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    free = torch.cuda.mem_get_info(index)[0]
    found = (
        f"{about.name}, {about.total_memory / 2**30:.0f} GiB ({free / 2**30:.0f} free), driver {driver}, "
        f"{'with' if bf16 else 'without'} bf16"
    )
    try:
        for kind in (torch.float32, *([torch.bfloat16] if bf16 else [])):
            clip = torch.randn(1, 3, 4, 16, 16, device=f"cuda:{index}", dtype=kind)
            kernel = torch.randn(4, 3, 3, 3, 3, device=clip.device, dtype=kind)
            if not torch.nn.functional.conv3d(clip, kernel).float().isfinite().all():
                raise RuntimeError(f"a 3-D convolution in {kind} is not finite")
    except RuntimeError as error:
        told = str(error).splitlines()[0]
        advice = f"Install a torch that is built for this GPU (pytorch.org): {pip('--upgrade', 'torch')}"
        return Finding(f"gpu {index}", "problem", f"{found}: {told}", advice)
    scarce = free < about.total_memory / 2
    return judge(f"gpu {index}", found, "Something else uses it: see nvidia-smi.", wrong=scarce)


def cpu_bf16() -> str:
    """Whether this CPU has instructions for it: without, bf16 works and is no faster than fp32."""
    try:
        flags = Path("/proc/cpuinfo").read_text().split()
    except OSError:
        return "not known of this CPU"
    found = next((flag for flag in BF16_FLAGS if flag in flags), None)
    return f"this CPU has {found}" if found else "this CPU has no instructions for it: fp32 is as fast"
