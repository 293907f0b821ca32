"""Two processes that train together compute what one does: samples, loss, gradients, queue, weights."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import recorded_training
import torch
from conftest import moving_square, write_video
from recorded_training import CONFIGS, MOCO, Record, record_training

from fame_cli.config import ExtractConfig, StatisticsConfig
from fame_cli.data.frames import FrameStore, extract
from fame_cli.data.manifest import write_manifest
from fame_cli.data.sources.folder import index_folder
from fame_cli.data.statistics import compute
from fame_cli.errors import ConfigurationError
from fame_cli.learning.distributed import (
    OwnShare,
    gather,
    mean_over_ranks,
    own_rows,
    require_whole_groups,
    together,
)

REPOSITORY = Path(__file__).parents[2]
FRAMEWORKS = sorted(CONFIGS)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two_ranks")
    for number in range(9):
        path = folder / "videos" / "train" / "all" / f"clip {number}.avi"
        write_video(path, moving_square(24, (220, 20 * number, 30), seed=number))
    report, manifest = extract(folder / "work", index_folder(folder / "videos"), ExtractConfig())
    write_manifest(folder / "work", manifest)
    compute(folder / "work", FrameStore(report.folder, manifest), StatisticsConfig(4, 2, 4, 24))
    return folder / "work"


def torchrun(*command: str) -> subprocess.CompletedProcess[str]:
    """Run two processes of a program on this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch = [
        "torch.distributed.run",
        "--nproc-per-node=2",
        "--master-addr=127.0.0.1",
        f"--master-port={port}",
    ]
    paths = [str(REPOSITORY), os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        [sys.executable, "-m", *launch, *command],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def run_script(work: Path, folder: Path, fate: str = "") -> subprocess.CompletedProcess[str]:
    return torchrun(recorded_training.__file__, str(work), str(folder), *filter(None, [fate]))


@pytest.fixture(scope="module")
def two(work: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the runs of two ranks and what each recorded."""
    folder = tmp_path_factory.mktemp("two")
    done = run_script(work, folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def one(work: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of one process."""
    folder = tmp_path_factory.mktemp("one")
    for name, config in CONFIGS.items():
        torch.save(record_training(work, folder / name, config), folder / f"{name}-0.pt")
    return folder


def records(folder: Path, name: str) -> list[Record]:
    return [torch.load(path, weights_only=True) for path in sorted(folder.glob(f"{name}-?.pt"))]


def losses(run: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_ranks_see_the_merged_views_that_one_process_sees(one: Path, two: Path, name: str) -> None:
    shares = [record["views"] for record in records(two, name)]
    whole = records(one, name)[0]["views"]
    assert [share.shape[1] for share in shares] == [2, 2]
    assert torch.equal(torch.cat(shares, dim=1), whole)


def test_ranks_know_their_partners_by_the_rows_of_the_global_batch(one: Path, two: Path) -> None:
    whole = records(one, "moco")[0]["partners"]
    shares = [record["partners"] for record in records(two, "moco")]
    assert [len(views) for views in (whole, *shares)] == [2, 2, 2]  # branch "both"
    for number, rows in enumerate(whole):
        assert torch.equal(torch.cat([share[number] for share in shares]), rows)
        assert sorted(rows.tolist()) == [0, 1, 2, 3]
    assert records(one, "byol")[0]["partners"] == []  # intra-video backgrounds have none


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_first_step_has_the_loss_and_accuracy_of_one_process(one: Path, two: Path, name: str) -> None:
    figures = torch.stack([record["figures"] for record in records(two, name)]).mean(dim=0)
    torch.testing.assert_close(figures, records(one, name)[0]["figures"], rtol=1e-5, atol=1e-5)
    assert losses(two / name)[0] == pytest.approx(figures[0].item(), abs=1e-6)


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_first_step_has_the_gradients_of_one_process(one: Path, two: Path, name: str) -> None:
    first, second = (record["gradients"] for record in records(two, name))
    expected = records(one, name)[0]["gradients"]
    # A bias before a batch normalisation has no gradient but rounding.
    greatest = max(gradient.abs().max().item() for gradient in expected)
    for mine, theirs, alone in zip(first, second, expected, strict=True):
        assert torch.equal(mine, theirs)
        torch.testing.assert_close(mine, alone, rtol=1e-3, atol=1e-5 * greatest)


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_first_step_leaves_the_queue_and_running_statistics_of_one_process(
    one: Path, two: Path, name: str
) -> None:
    mine, alone = records(two, name)[0]["state"], records(one, name)[0]["state"]
    assert mine.keys() == alone.keys()
    # In groups, ranks average what each has counted of its own; one process counts group after group.
    kinds = ("queue",) if CONFIGS[name].batch_norm_clips else ("queue", "running", "tracked")
    buffers = [key for key in alone if any(kind in key for kind in kinds)]
    assert buffers
    for key in buffers:
        torch.testing.assert_close(mine[key], alone[key], rtol=1e-4, atol=1e-5, msg=key)


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_both_ranks_end_with_equal_weights_queue_and_statistics(two: Path, name: str) -> None:
    first, second = (record["last_state"] for record in records(two, name))
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_the_first_rank_alone_writes(one: Path, two: Path, name: str) -> None:
    assert len(losses(two / name)) == MOCO.steps
    kept = [{path.name for path in (folder / name).iterdir()} for folder in (one, two)]
    # Two processes do not measure how far keys are told by batch statistics.
    assert kept[0] - {"key_leak.json"} == kept[1]
    assert len(list((two / name / "tensorboard").iterdir())) == 1


def test_run_begun_on_two_ranks_is_finished_on_one(work: Path, one: Path, tmp_path: Path) -> None:
    # The signal reaches the second rank alone, in its second step; both stop after that step.
    done = run_script(work, tmp_path, "SIGTERM")
    assert done.returncode != 0
    assert done.stderr.count("interrupted by the test") == 1
    run = tmp_path / "moco"
    assert len(losses(run)) == 2
    assert "interrupted after step 2" in (run / "log.txt").read_text()
    record = record_training(work, run, MOCO)
    assert record["first_step"] == 2
    assert losses(run) == pytest.approx(losses(one / "moco"), rel=1e-2)


def test_death_of_one_rank_ends_the_other_with_one_message(work: Path, tmp_path: Path) -> None:
    done = run_script(work, tmp_path, "SIGKILL")
    assert done.returncode != 0
    assert done.stderr.count("another process of this training ended without a word") == 1, done.stderr
    assert not (tmp_path / "moco" / "backbone.safetensors").exists()


def test_error_of_all_ranks_is_told_once(work: Path, tmp_path: Path) -> None:
    options = ["--batch-size", "5", "--backbone", "small", "--clip-frames", "4", "--queue-length", "10"]
    done = torchrun("-m", "fame_cli", "pretrain", str(work), "-o", str(tmp_path / "run"), *options)
    assert done.returncode != 0
    assert done.stderr.count("error:") == 1
    assert "--batch-size is 5, which 2 processes cannot share equally" in done.stderr
    assert "give 4 or 6" in done.stderr


def test_group_that_would_lie_on_two_ranks_is_refused_with_what_to_give(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    require_whole_groups(4, 8)  # one process
    monkeypatch.setattr("fame_cli.learning.distributed.rank_count", lambda: 2)
    require_whole_groups(64, 8)
    require_whole_groups(64, 0)
    with pytest.raises(ConfigurationError, match="is 8, but each of 2 processes has 6 videos") as told:
        require_whole_groups(12, 8)
    assert "--batch-norm-clips 2, 0 to normalise" in told.value.hint
    assert "--batch-size 16" in told.value.hint


def test_with_one_process_all_is_the_identity() -> None:
    rows = torch.arange(6.0).reshape(3, 2)
    assert gather(rows) is rows
    assert mean_over_ranks({"loss": rows}) == {"loss": rows}
    assert own_rows(3) == slice(0, 3)
    batches = [[(0, 1), (0, 2)], [(0, 3), (0, 4)]]
    assert list(OwnShare(batches, 2)) == batches  # type: ignore[arg-type]


def test_processes_that_do_not_find_each_other_are_told_how_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigurationError, match=r"do not find each other: .*\n?.*torchrun"), together():
        pass
