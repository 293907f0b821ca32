"""What the benchmark counts; how fast anything is, no test asserts."""

from pathlib import Path

import pytest
import torch
from conftest import moving_square, write_video
from typer.testing import CliRunner

from fame_cli.cli.app import app
from fame_cli.config import ExtractConfig, PretrainConfig
from fame_cli.data.frames import extract
from fame_cli.data.manifest import write_manifest
from fame_cli.data.sources.folder import index_folder
from fame_cli.distraction.build import build_distraction
from fame_cli.learning.batch import make_views
from fame_cli.learning.benchmark import Speed, count_flops, make_batch
from fame_cli.learning.memory_format import FORMATS, MemoryFormat
from fame_cli.learning.training import Training

CPU = torch.device("cpu")
SMALL = {"backbone": "small", "clip_frames": 4, "crop_px": 16, "embedding_dim": 8}
OPTIONS = [
    "--backbone=small",
    "--clip-frames=4",
    "--crop-px=16",
    "--batch-size=2",
    "--steps=2",
    "--device=cpu",
]


def small_encoder_flops() -> int:
    """Multiplications and additions of the small network and its head for one clip of 4 x 16 x 16 pixels."""
    outputs = [(16, 4, 4, 4), (32, 4, 2, 2), (64, 2, 2, 2), (128, 1, 2, 2)]
    inputs = [3, 16, 32, 64]
    macs = sum(C * T * H * W * before * 27 for before, (C, T, H, W) in zip(inputs, outputs, strict=True))
    return 2 * (macs + 128 * 128 + 128 * 8)


@pytest.mark.parametrize("batch_size", [2, 6])
def test_operations_of_a_step_are_those_of_its_forward_and_backward_passes(batch_size: int) -> None:
    config = PretrainConfig.from_options(objective="simclr", batch_size=batch_size, **SMALL)  # type: ignore[arg-type]
    counted = count_flops(Training(config, torch.device("cpu")), build_distraction(config))
    forward = 2 * batch_size * small_encoder_flops()
    first_layer = 2 * batch_size * 2 * 16 * 4 * 4 * 4 * 3 * 27
    # Backward costs twice the forward pass, but no gradient is made for the clips themselves.
    assert counted == pytest.approx(3 * forward - first_layer, rel=0.01)


def test_share_is_that_of_the_convolution_rate() -> None:
    speed = Speed(1, 1.0, None, 0, flops_per_second=3e9, convolution_flops_per_second=12e9)
    assert speed.share_of_convolution_rate == 0.25


def test_command_measures_on_made_clips_and_says_that_nothing_was_loaded() -> None:
    done = CliRunner().invoke(app, ["benchmark", "train", *OPTIONS])
    assert done.exit_code == 0, done.output
    for words in (
        "samples a second",
        "nothing was loaded",
        "peak memory",
        "channels-last",
        "The faster memory format here is",
        "of a 3-D convolution's rate",
    ):
        assert words in done.output


def test_command_measures_on_the_videos_of_a_work_folder(tmp_path: Path) -> None:
    for number in range(4):
        write_video(tmp_path / "videos" / f"{number}.avi", moving_square(24, (220, 30, 30), seed=number))
    _, manifest = extract(tmp_path / "work", index_folder(tmp_path / "videos"), ExtractConfig())
    write_manifest(tmp_path / "work", manifest)
    done = CliRunner().invoke(
        app, ["benchmark", "train", str(tmp_path / "work"), "--statistics=online", *OPTIONS]
    )
    assert done.exit_code == 0, done.output
    assert "%" in next(line for line in done.output.splitlines() if "waiting for data" in line)


def test_cached_statistics_that_are_not_there_are_an_error(tmp_path: Path) -> None:
    for number in range(2):
        write_video(tmp_path / "videos" / f"{number}.avi", moving_square(24, (220, 30, 30), seed=number))
    _, manifest = extract(tmp_path / "work", index_folder(tmp_path / "videos"), ExtractConfig())
    write_manifest(tmp_path / "work", manifest)
    done = CliRunner().invoke(app, ["benchmark", "train", str(tmp_path / "work"), *OPTIONS])
    assert done.exit_code == 4, done.output
    assert "fame masks" in done.output


@pytest.mark.parametrize(("statistics", "reads"), [("cached", True), ("online", False)])
def test_made_clips_have_the_source_of_masks_that_was_named(statistics: str, reads: bool) -> None:
    config = PretrainConfig.from_options(statistics=statistics, batch_size=2, **SMALL)
    training = Training(config, torch.device("cpu"))
    batch = make_batch(training, build_distraction(config), 2)
    assert {"seed" in view for view in batch.values()} >= {reads}
    assert any("seed" in view for view in batch.values()) == reads


@pytest.mark.parametrize("name", FORMATS)
def test_memory_format_is_that_of_weights_and_clips_and_changes_no_loss(name: MemoryFormat) -> None:
    config = PretrainConfig.from_options(objective="simclr", batch_size=4, **SMALL)
    losses = []
    for one in ("channels-last", name):
        training, distraction = Training(config, CPU, memory_format=one), build_distraction(config)
        batch = make_batch(training, distraction, 4)
        views = make_views(batch, training.model.roles, distraction, 0, 0, CPU, training.memory_format)
        tensors = [view.clips for view in views.values()]
        tensors += [values for values in training.model.parameters() if values.dim() == 5]
        assert all(values.is_contiguous(memory_format=FORMATS[one]) for values in tensors)
        losses.append(training.step(views, 0, 1, 0.1)["loss"])
    torch.testing.assert_close(*losses, rtol=1e-4, atol=1e-5)
