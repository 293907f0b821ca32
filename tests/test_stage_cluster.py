"""A stage on a cluster ends as on one machine, also where a worker's computation crashes."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fame_cli import stage
from fame_cli.cli.app import app
from fame_cli.errors import ConfigurationError, FameError, InputError
from fame_cli.shard import Shard
from fame_cli.stage import Workers

pytestmark = pytest.mark.libraries

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A dask cluster of two worker processes, as another program would have begun it."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        yield cluster.scheduler_address


def compute(path: Path, task: dict[str, Any]) -> dict[str, Any]:
    if task.get("aborts") and not task.get("careful"):
        os.abort()
    if "text" not in task:
        raise InputError("no text", "Write one.")
    path.write_text(task["text"])
    return {"parent": os.getppid()}


def make_shards(*texts: str) -> list[Shard]:
    return [Shard(f"{number:05d}", text, 1, {"text": text}) for number, text in enumerate(texts)]


def run(folder: Path, shards: list[Shard], workers: Workers, **options: Any) -> stage.Report:
    return stage.run(folder, "text", {}, shards, compute, workers=workers, **options)


def test_every_worker_writes_shards_of_its_own(tmp_path: Path, address: str) -> None:
    shards, told = make_shards(*"abcdefghij"), []
    report = run(
        tmp_path, shards, Workers(backend="dask", address=address), progress=lambda *at: told.append(at)
    )
    assert [(tmp_path / f"{number:05d}.h5").read_text() for number in range(10)] == list("abcdefghij")
    assert told == [(done, 10) for done in range(11)]
    parents = {summary["parent"] for summary in report.summaries}
    assert len(parents) == 2
    assert os.getpid() not in parents
    assert run(tmp_path, shards, stage.ONE_PROCESS).made == 0


def test_crash_on_a_cluster_is_survived_by_every_other_shard(tmp_path: Path, address: str) -> None:
    shards = make_shards(*"abcdef")
    shards[1].task["aborts"] = True
    workers = Workers(backend="dask", address=address)
    run(tmp_path, shards, workers, after_crash=lambda task: {**task, "careful": True})
    assert stage.is_complete(tmp_path)
    with pytest.raises(FameError, match=r"died twice \(SIGABRT\)"):
        run(tmp_path / "again", shards, workers)


def test_error_on_a_cluster_arrives_as_it_was_raised(tmp_path: Path, address: str) -> None:
    shards = make_shards("a", "b")
    del shards[1].task["text"]
    with pytest.raises(InputError, match="no text") as caught:
        run(tmp_path, shards, Workers(backend="dask", address=address))
    assert caught.value.hint == "Write one."


def test_commands_on_a_cluster_make_what_they_make_on_one_machine(
    tmp_path: Path, videos: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The workers of the cluster are in another folder, so a relative WORK must not lead them astray.
    monkeypatch.chdir(tmp_path)
    cluster = ["--backend", "dask", "--address", address]
    for work, where in (("here", ["-j", "1"]), ("there", cluster)):
        for command in (["extract", str(videos), "-o", work], ["masks", work, "--clip-frames", "4"]):
            result = CliRunner().invoke(app, [*command, *where])
            assert result.exit_code == 0, result.output
    for kind in ("frames", "statistics"):
        [here], [there] = (list((tmp_path / work / kind).iterdir()) for work in ("here", "there"))
        assert stage.read_description(here) == stage.read_description(there)
    assert (tmp_path / "here" / "manifest.csv").read_text() == (
        tmp_path / "there" / "manifest.csv"
    ).read_text()


def test_folder_that_the_machines_do_not_share_is_told(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "shard_path", lambda folder, name: folder / "elsewhere" / name)
    with pytest.raises(FameError, match="was written on another machine and is not here"):
        run(tmp_path, make_shards("a"), Workers(backend="dask", address=address))


@pytest.mark.parametrize(("backend", "package"), [("dask", "distributed"), ("ray", "ray")])
def test_missing_package_is_told_with_the_extra_that_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: Any, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigurationError, match=f"needs the package {package}") as caught:
        run(tmp_path, make_shards("a"), Workers(backend=backend, address="tcp://127.0.0.1:1"))
    assert f"pip install 'fame-cli[{backend}]'" in caught.value.hint


def test_cluster_that_does_not_answer_is_told(tmp_path: Path) -> None:
    workers = Workers(backend="dask", address="tcp://127.0.0.1:9")
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(ConfigurationError, match=r"no dask cluster answers at tcp://127\.0\.0\.1:9"),
    ):
        run(tmp_path, make_shards("a"), workers)
