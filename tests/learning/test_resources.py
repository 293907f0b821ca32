"""What runs out is named, with how much was wanted and the option that mends it; nothing waits for ever."""

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from conftest import moving_square, write_video
from torch.utils.data import default_collate

from fame_cli.config import ExtractConfig, PretrainConfig
from fame_cli.data.dataset import PretrainClips
from fame_cli.data.frames import extract
from fame_cli.data.manifest import write_manifest
from fame_cli.data.sources.folder import index_folder
from fame_cli.distraction.build import build_distraction
from fame_cli.errors import FameError
from fame_cli.learning import resources
from fame_cli.learning.benchmark import Noise
from fame_cli.learning.inputs import TENSORS
from fame_cli.learning.objectives.objective import TWO_VIEWS
from fame_cli.learning.resources import BatchSize, name_exhaustion, require_loader_resources

GPU_FULL = (
    "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 1 has a total capacity of 15.90 GiB of which "
    "1.20 GiB is free. Including non-PyTorch memory, this process has 14.70 GiB memory in use."
)
PLACES = os.pathsep.join(os.path.abspath(path) for path in sys.path)


@pytest.fixture
def limit_of_files() -> Iterator[tuple[int, int]]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_full_gpu_is_named_with_what_was_wanted_and_what_mends_it() -> None:
    with pytest.raises(FameError) as told, name_exhaustion():
        raise torch.OutOfMemoryError(GPU_FULL)
    assert told.value.message == (
        "GPU 1 has no memory left: 2.50 GiB more were wanted, 1.20 GiB is free of 15.90 GiB."
    )
    assert "--batch-size" in told.value.hint
    assert "--precision bf16" in told.value.hint
    without_numbers = r"^the GPU has no memory left\.\nGive --precision bf16, or"
    with pytest.raises(FameError, match=without_numbers), name_exhaustion("--precision bf16"):
        raise torch.OutOfMemoryError("out of memory")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            RuntimeError("DataLoader worker (pid 7) is killed by signal: Bus error. It is …"),
            "/dev/shm is too",
        ),
        (RuntimeError("unable to write to file </torch_7>: No space left: shared memory"), "/dev/shm is too"),
        (RuntimeError("received 0 items of ancdata"), "too many open files; this shell allows"),
        (OSError(errno.EMFILE, "Too many open files"), "too many open files; this shell allows"),
    ],
)
def test_what_loader_processes_die_of_is_named(error: Exception, message: str) -> None:
    with pytest.raises(FameError, match=message) as told, name_exhaustion():
        raise error
    assert "--workers" in told.value.hint


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), OSError(errno.EACCES, "denied")])
def test_other_errors_stay_what_they_are(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, name_exhaustion():
        raise error
    assert raised.value is error


def test_shared_memory_too_small_for_the_batches_ahead_is_told_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resources, "free_shared_memory", lambda: 64 << 20)
    require_loader_resources(4, BatchSize(8 << 20, 24))
    require_loader_resources(0, BatchSize(77 << 20, 24))
    with pytest.raises(FameError, match=r"/dev/shm has 64 MiB free, but 2 processes .* fill 308 MiB") as told:
        require_loader_resources(2, BatchSize(77 << 20, 24))
    assert "--workers 0" in told.value.hint
    assert "--shm-size" in told.value.hint
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with pytest.raises(FameError, match="fill 128 MiB"):
        require_loader_resources(4, BatchSize(8 << 20, 24))


def test_limit_of_open_files_is_raised_where_it_may_be_and_told_where_not(
    limit_of_files: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "files_open", lambda: 20)
    hard = limit_of_files[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
    require_loader_resources(2, BatchSize(1, 24))
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (20 + 32 + 2 * (8 + 48), hard)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (100, 110))
    with pytest.raises(FameError, match=r"2 processes .* may take 164 open files; .* allows 110") as told:
        require_loader_resources(2, BatchSize(1, 24))
    assert "--workers 1," in told.value.hint


@pytest.mark.parametrize("statistics", ["cached", "online"])
def test_bytes_and_tensors_of_a_batch_are_those_that_are_loaded(statistics: str) -> None:
    config = PretrainConfig.from_options(
        clip_frames=4, crop_px=128, background="intra", statistics=statistics
    )
    noise = Noise(config, 2)
    clips = PretrainClips(noise, noise, config, TWO_VIEWS, build_distraction(config))
    tensors = [
        values
        for view in default_collate([clips[0, 0], clips[0, 1]]).values()
        for part in view.values()
        for values in (part.values() if isinstance(part, dict) else [part])
    ]
    loaded = sum(values.numel() * values.element_size() for values in tensors)
    assert loaded == pytest.approx(2 * clips.sample_bytes(), rel=0.01)
    assert len(tensors) <= TENSORS * len(clips.roles)


def test_training_with_too_few_open_files_ends_with_an_error(tmp_path: Path) -> None:
    for number in range(4):
        write_video(tmp_path / "videos" / f"{number}.avi", moving_square(24, (220, 30, 30), seed=number))
    _, manifest = extract(tmp_path / "work", index_folder(tmp_path / "videos"), ExtractConfig())
    write_manifest(tmp_path / "work", manifest)
    options = "--backbone small --clip-frames 4 --crop-px 16 --batch-size 2 --steps 3 --statistics online"
    command = f"ulimit -n 40; exec {sys.executable} -m fame_cli pretrain {tmp_path}/work -o {tmp_path}/run"
    ended = subprocess.run(
        ["bash", "-c", f"{command} {options} --device cpu --workers 2"],
        env={**os.environ, "PYTHONPATH": PLACES, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 2
    assert "open files; this shell allows 40" in ended.stderr
    assert "--workers 0" in ended.stderr
