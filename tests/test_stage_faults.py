"""A stage that was killed, crashed, met a full disk or damaged files ends as if nothing had been."""

import fcntl
import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import killed_stage
import pytest

from fame_cli import disk, inventory, stage
from fame_cli.errors import ArtefactError, FameError
from fame_cli.lock import hold, holders, locked
from fame_cli.shard import Shard, read_receipt

TWO = stage.Workers(2)


def contents(folder: Path) -> dict[str, bytes]:
    """What readers see: all shards, what was signed of them but the time, and ``stage.json``."""
    found = {path.name: path.read_bytes() for path in folder.glob("*.h5")}
    for path in folder.glob("[0-9]*.json"):
        receipt = read_receipt(folder, path.stem)
        assert receipt
        found[path.name] = f"{receipt.inputs} {receipt.sha256} {receipt.bytes} {receipt.summary}".encode()
    return found | {"stage.json": (folder / "stage.json").read_bytes()}


def test_stage_killed_at_twenty_moments_ends_like_a_straight_one(tmp_path: Path) -> None:
    killed_stage.run(tmp_path / "straight", TWO)
    folder = tmp_path / "killed"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    program = [sys.executable, killed_stage.__file__, str(folder), "3"]
    subprocess.run(program, env=environment, check=True, timeout=120)
    killed_stage.run(folder, TWO)
    assert contents(folder) == contents(tmp_path / "straight")
    assert [path.name for path in folder.glob(".*")] == [".lock"]


def compute(path: Path, task: dict[str, Any]) -> dict[str, Any]:
    if "kill" in task and not (task.get("once") and Path(task["once"]).exists()):
        if "once" in task:
            Path(task["once"]).touch()
        path.write_text("half")
        os.kill(os.getpid(), task["kill"])
    if "limit" in task:
        resource.setrlimit(resource.RLIMIT_FSIZE, (task["limit"], resource.RLIM_INFINITY))
    path.write_text(task["text"])
    return {"process": os.getpid()}


def make_shards(*texts: str) -> list[Shard]:
    return [Shard(f"{number:05d}", text, 1, {"text": text}) for number, text in enumerate(texts)]


def run(folder: Path, shards: list[Shard], **options: Any) -> stage.Report:
    return stage.run(folder, "text", {}, shards, compute, **{"workers": TWO, **options})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_killed_worker_costs_nothing_but_its_shard_once_more(tmp_path: Path, how: signal.Signals) -> None:
    shards = make_shards("a", "b", "c", "d")
    shards[1].task.update(kill=int(how), once=str(tmp_path / "was killed"))
    report = run(tmp_path / "out", shards)
    assert (report.made, (tmp_path / "out" / "00001.h5").read_text()) == (4, "b")
    assert names(tmp_path / "out")[0] == ".lock"
    assert "tmp" not in "".join(names(tmp_path / "out"))


@pytest.mark.parametrize("jobs", [1, 2])
def test_worker_that_always_dies_is_named_and_finished_shards_stay(tmp_path: Path, jobs: int) -> None:
    shards = make_shards("a", "b", "c")
    shards[2].task["kill"] = int(signal.SIGKILL)
    with pytest.raises(FameError, match=r"died twice \(SIGKILL\) while computing .*00002\.h5"):
        run(tmp_path, shards, workers=stage.Workers(jobs))
    assert run(tmp_path, make_shards("a", "b", "c")).kept >= 1
    assert stage.is_complete(tmp_path)


def test_workers_are_used_again_and_end_with_the_stage(tmp_path: Path) -> None:
    report = run(tmp_path, make_shards(*"abcdefgh"))
    processes = {summary["process"] for summary in report.summaries}
    assert len(processes) <= 2
    assert os.getpid() not in processes
    for process in processes:
        with pytest.raises(ProcessLookupError, match="No such process"):
            os.kill(process, 0)


def test_disk_that_fills_up_is_told_once_and_finished_shards_stay(tmp_path: Path) -> None:
    shards = make_shards("a", "b" * 5000, "c")
    shards[1].task["limit"] = 2000
    with pytest.raises(FameError, match="the file-size limit is reached") as caught:
        run(tmp_path, shards, workers=stage.ONE_PROCESS)
    assert "Everything finished so far is kept" in caught.value.hint
    assert names(tmp_path) == [".lock", "00000.h5", "00000.json", "stage.json"]
    assert not stage.is_complete(tmp_path)
    report = run(tmp_path, make_shards("a", "b" * 5000, "c"))
    assert (report.made, report.kept) == (2, 1)


def test_worker_that_dies_on_a_full_disk_is_told_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards = make_shards("a")
    shards[0].task["kill"] = int(signal.SIGABRT)
    monkeypatch.setattr("fame_cli.disk.SPARE_BYTES", 1 << 60)
    with pytest.raises(FameError, match="the disk is full"):
        run(tmp_path, shards)


def test_error_in_a_worker_arrives_as_it_was_raised(tmp_path: Path) -> None:
    shards = make_shards("a", "b")
    shards[1].task.pop("text")
    with pytest.raises(KeyError, match="text") as caught:
        run(tmp_path, shards)
    assert "in compute" in caught.value.__notes__[0]


def flip_a_byte(path: Path) -> None:
    """Damage that size and time do not tell."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def state(folder: Path, shards: list[Shard]) -> inventory.StageState:
    return inventory.look_at(folder, "text", [shard.name for shard in shards])


def test_flipped_byte_is_found_by_reading_everything_and_then_made_again(tmp_path: Path) -> None:
    shards = make_shards("hello", "world")
    run(tmp_path, shards)
    flip_a_byte(tmp_path / "00001.h5")
    assert run(tmp_path, shards).made == 0
    before = state(tmp_path, shards)
    assert before.done == 2
    damage = inventory.find_damage(before.folder, ["00000", "00001"], jobs=2)
    assert damage == {"00001": "does not hold the bytes that were written"}
    inventory.withdraw(before, list(damage))
    assert not stage.is_complete(tmp_path)
    assert run(tmp_path, shards).made == 1
    assert (tmp_path / "00001.h5").read_text() == "world"
    assert stage.is_complete(tmp_path)


def test_shard_that_is_whole_again_is_not_withdrawn(tmp_path: Path) -> None:
    shards = make_shards("hello", "world")
    run(tmp_path, shards)
    inventory.withdraw(state(tmp_path, shards), ["00001"])
    assert run(tmp_path, shards).made == 0


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (lambda path: path.write_text("wor"), "has 3 bytes where 5 were written"),
        (lambda path: path.write_text("wOrld"), "does not hold the bytes"),
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.with_suffix(".json").write_text("{"), "has a receipt that cannot be read"),
        (lambda path: path.with_suffix(".json").unlink(), "has no receipt"),
    ],
)
def test_each_damage_is_said_in_words(tmp_path: Path, damage: Any, what: str) -> None:
    shards = make_shards("hello", "world")
    run(tmp_path, shards)
    damage(tmp_path / "00001.h5")
    [(name, found)] = inventory.find_damage(tmp_path, ["00000", "00001"], 1).items()
    assert (name, what in found) == ("00001", True)


@pytest.mark.parametrize("content", ["", "{", '{"kind": 1}', "null", '{"schema_version": 1, "kind": "text"}'])
def test_damaged_description_is_written_anew_and_no_shard_is(tmp_path: Path, content: str) -> None:
    shards = make_shards("a", "b")
    run(tmp_path, shards)
    before = (tmp_path / "stage.json").read_text()
    (tmp_path / "stage.json").write_text(content)
    with pytest.raises(ArtefactError, match=r"has no readable stage\.json"):
        stage.read_description(tmp_path)
    assert inventory.contradicts_its_shards(state(tmp_path, shards), ["00000", "00001"])
    assert run(tmp_path, shards).made == 0
    assert (tmp_path / "stage.json").read_text() == before


def test_description_of_other_shards_is_noticed(tmp_path: Path) -> None:
    shards = make_shards("a", "b")
    run(tmp_path, shards)
    assert not inventory.contradicts_its_shards(state(tmp_path, shards), ["00000", "00001"])
    assert inventory.contradicts_its_shards(state(tmp_path, shards), ["00000"])


def test_copied_stage_is_read_once_and_signed_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shards = make_shards("a", "b")
    run(tmp_path, shards)
    for path in tmp_path.glob("*.h5"):
        os.utime(path, (1, 1))
    assert run(tmp_path, shards).made == 0
    monkeypatch.setattr("fame_cli.shard.sha256_of", lambda _: pytest.fail("read again"))
    assert run(tmp_path, shards).made == 0


def test_shard_is_on_disk_before_its_name_and_has_its_name_before_it_is_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = []
    flush, replace = disk.flush, os.replace

    def flushed(path: Path) -> str:
        steps.append("flush shard")
        return flush(path)

    def renamed(source: Path, target: Path) -> None:
        steps.append(f"name {target.name}")
        replace(source, target)

    monkeypatch.setattr("fame_cli.shard.flush", flushed)
    monkeypatch.setattr(os, "replace", renamed)
    run(tmp_path, make_shards("a"), in_process=True)
    stages = "name stage.json"
    assert steps == [stages, "flush shard", "name 00000.h5", "name 00000.json", stages]


def test_child_without_work_ends_in_peace() -> None:
    program = "from fame_cli import child; child.IDLE_SECONDS = 0.2; child.serve()"
    idle = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert idle.wait(30) == 0
    assert idle.stderr
    assert idle.stderr.read() == b""


def test_locks_of_a_killed_process_are_not_held_by_those_that_it_forked(tmp_path: Path) -> None:
    program = "import os, sys, time; from pathlib import Path; from fame_cli.lock import locked\n"
    program += "with locked(Path(sys.argv[1])): os.write(1, b'%d\\n' % os.fork()); time.sleep(99)"
    other = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE)
    assert other.stdout
    numbers = [int(other.stdout.readline()) for _ in range(2)]
    try:
        assert len(holders(tmp_path)) == 1
        other.kill()
        other.wait()
        assert not holders(tmp_path)
        os.kill(max(numbers), 0)  # is still there
    finally:
        os.kill(max(numbers), signal.SIGKILL)


def test_lock_that_somebody_only_looks_at_is_waited_for(tmp_path: Path) -> None:
    with (tmp_path / ".lock").open("a+") as file:
        assert hold(file, exclusive=False, attempts=1)
        threading.Timer(0.15, lambda: fcntl.flock(file, fcntl.LOCK_UN)).start()
        with locked(tmp_path):
            pass


def test_receipt_that_cannot_be_read_signs_nothing(tmp_path: Path) -> None:
    run(tmp_path, make_shards("a"))
    (tmp_path / "00000.json").unlink()
    (tmp_path / "00000.json").mkdir()
    receipt = read_receipt(tmp_path, "00000")
    assert receipt is not None
    assert receipt.bytes < 0


@pytest.mark.parametrize(("what", "instead"), [('"process": ', '"process": 1'), ('"inputs"', '"inputz"')])
def test_receipt_that_was_changed_signs_nothing(tmp_path: Path, what: str, instead: str) -> None:
    run(tmp_path, make_shards("a"))
    path = tmp_path / "00000.json"
    text = path.read_text()
    assert what in text, text
    path.write_text(text.replace(what, instead))
    assert run(tmp_path, make_shards("a")).remade == ("00000",)
    assert run(tmp_path, make_shards("a")).made == 0


def test_state_of_a_stage_that_is_being_written_can_be_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, make_shards("a"))
    scandir = os.scandir

    def renamed_meanwhile(folder: Path) -> Any:
        (tmp_path / ".beside.tmp").touch()
        listing = list(scandir(folder))
        (tmp_path / ".beside.tmp").unlink()
        return listing

    with monkeypatch.context() as patch:
        patch.setattr("fame_cli.inventory.holders", lambda _: ())
        patch.setattr(inventory.os, "scandir", renamed_meanwhile)
        assert inventory.look_at(tmp_path, "statistics", ["00000"]).done == 1


def test_second_process_is_told_who_is_at_work_and_may_go_on_once_that_is_killed(tmp_path: Path) -> None:
    program = "import sys, time; from pathlib import Path; from fame_cli.lock import locked\n"
    program += "with locked(Path(sys.argv[1])): print(flush=True); time.sleep(99)"
    other = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE)
    assert other.stdout
    other.stdout.readline()
    with pytest.raises(FameError, match=f"is being worked on by process {other.pid} on "):
        run(tmp_path, make_shards("a"))
    assert not list(tmp_path.glob("0*"))
    other.kill()
    other.communicate()
    assert run(tmp_path, make_shards("a")).made == 1


def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FameError, match=r"cannot write .*file/out"):
        run(tmp_path / "file" / "out", make_shards("a"))
