"""Progress within a shard: a kill loses seconds of work, and what comes out is as if there had been none."""

import dataclasses
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from conftest import moving_square, write_video
from made_videos import cut, encode_video

from fame_cli.config import ExtractConfig
from fame_cli.data import decode, progress
from fame_cli.data.frames import ExtractTask, extract, extract_shard
from fame_cli.data.picture import Picture, ScaledPicture, Shape, Size, Source
from fame_cli.data.pyav_reader import PyavPicture
from fame_cli.data.sources.folder import index_folder
from fame_cli.shard import Shard, progress_paths, publish

RED = (220, 20, 20)
COUNT = 200


class Killed(BaseException):
    """What nobody catches, as little as a kill."""


@pytest.fixture
def long_video(tmp_path: Path) -> Path:
    frames = moving_square(COUNT, RED, seed=1, size=(96, 64))
    return encode_video(tmp_path / "videos" / "b.mp4", frames, gop_size=24)


@pytest.fixture(autouse=True)
def saved_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(progress, "MOST_OF_THE_TIME", 1e9)


def converted(monkeypatch: pytest.MonkeyPatch, run: Callable[[], object], kill_at: int = 10**9) -> int:
    """How many pictures a run converts; it is killed in the middle of one of them, where that is given."""
    count = 0
    scaled = PyavPicture.scale

    def counting(picture: PyavPicture, size: tuple[int, int]) -> object:
        nonlocal count
        count += 1
        if count == kill_at:
            raise Killed
        return scaled(picture, size)

    with monkeypatch.context() as patch:
        patch.setattr(PyavPicture, "scale", counting)
        if kill_at < 10**9:
            with pytest.raises(Killed):
                run()
        else:
            run()
    return count


@dataclass(frozen=True)
class ShownAt:
    """A picture at the time of another."""

    picture: Picture
    seconds: float

    @property
    def shape(self) -> Shape:
        return self.picture.shape

    def scale(self, size: Size) -> ScaledPicture:
        return self.picture.scale(size)


def task_of(folder: Path, max_fps: float = 0.0, name: str = "00000") -> ExtractTask:
    paths = tuple(sorted(path.name for path in folder.iterdir()))
    return ExtractTask(folder, paths, ExtractConfig(max_fps=max_fps), name, "inputs")


def whole(tmp_path: Path, task: ExtractTask) -> tuple[bytes, dict[str, object]]:
    """The shard without a kill, and its summary."""
    (tmp_path / "other").mkdir(exist_ok=True)
    summary = extract_shard(tmp_path / "other" / "whole.h5", ExtractTask(task.root, task.paths, task.config))
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["whole.h5"]
    return (tmp_path / "other" / "whole.h5").read_bytes(), summary


def made_long(folder: Path, kind: str) -> None:
    """Replace the long video by the same of another kind."""
    frames = moving_square(COUNT, RED, seed=1, size=(96, 64))
    path = folder / "b.mp4"
    path.unlink()
    if kind == "cut":
        long = encode_video(folder.parent / "long.mp4", np.concatenate([frames[:50], frames]), gop_size=24)
        cut(long, 50, path)
    elif kind == "avi":
        write_video(folder / "b.avi", frames)
    elif kind == "still":
        encode_video(path, np.repeat(frames[:1], COUNT, axis=0), gop_size=24)
    else:
        encode_video(folder / f"b.{kind}", frames, gop_size=24)


@pytest.mark.parametrize("kind", ["mp4", "mkv", "ts", "avi", "cut", "still"])
@pytest.mark.parametrize("max_fps", [0.0, 10.0])
def test_killed_film_goes_on_where_it_was(
    tmp_path: Path, long_video: Path, monkeypatch: pytest.MonkeyPatch, kind: str, max_fps: float
) -> None:
    folder = long_video.parent
    made_long(folder, kind)
    write_video(folder / "a.avi", moving_square(20, RED, seed=2))
    write_video(folder / "c.avi", moving_square(20, RED, seed=3))
    task = task_of(folder, max_fps)
    content, summary = whole(tmp_path, task)
    kept = sum(video["frames"] for video in summary["videos"])  # type: ignore[attr-defined]
    path = tmp_path / "shard.h5"
    kill_at = 20 + kept // 2
    converted(monkeypatch, lambda: extract_shard(path, task), kill_at)
    left = converted(monkeypatch, lambda: extract_shard(path, task))
    # What was on its way when the kill came, and what the place is known by.
    assert kept - kill_at < left < kept - kill_at + 16 + 16 + 2
    assert path.read_bytes() == content


def test_kills_again_and_again_come_to_the_same_end(
    tmp_path: Path, long_video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_video(long_video.parent / "a.avi", moving_square(20, RED, seed=2))
    (long_video.parent / "aa.avi").write_bytes(b"no video")
    task = task_of(long_video.parent)
    content, summary = whole(tmp_path, task)
    path = tmp_path / "shard.h5"
    for _ in range(4):
        converted(monkeypatch, lambda: extract_shard(path, task), 60)
    assert extract_shard(path, task) == summary
    assert path.read_bytes() == content


def test_seek_that_leads_elsewhere_is_not_believed(
    tmp_path: Path, long_video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = task_of(long_video.parent)
    content, summary = whole(tmp_path, task)
    path = tmp_path / "shard.h5"
    converted(monkeypatch, lambda: extract_shard(path, task), 150)
    pyav = decode.READERS["pyav"]

    def one_further(pictures: Iterator[Picture]) -> Iterator[Picture]:
        for picture, following in itertools.pairwise(pictures):
            yield ShownAt(following, picture.seconds)

    def opened(path: Path) -> Source | None:
        source = pyav(path)
        assert source
        seek = source.seek
        assert seek
        return dataclasses.replace(source, seek=lambda seconds: one_further(seek(seconds)))

    seeks = []
    go_to = decode.DecodedVideo.go_to

    def watched(*arguments: object) -> bool:
        seeks.append(go_to(*arguments))  # type: ignore[arg-type]
        return seeks[-1]

    with monkeypatch.context() as patch:
        patch.setattr(decode.DecodedVideo, "go_to", watched)
        patch.setitem(decode.READERS, "pyav", opened)
        assert extract_shard(path, task) == summary
    assert seeks == [False]
    assert path.read_bytes() == content


@pytest.mark.parametrize("what", ["frames", "signature", "cut off", "other inputs", "gone"])
def test_what_is_damaged_or_of_something_else_is_thrown_away(
    tmp_path: Path, long_video: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    task = task_of(long_video.parent)
    content, _ = whole(tmp_path, task)
    path = tmp_path / "shard.h5"
    converted(monkeypatch, lambda: extract_shard(path, task), 150)
    data, signature = progress_paths(tmp_path, "00000")
    if what == "frames":
        damaged = bytearray(data.read_bytes())
        damaged[1000] ^= 1
        data.write_bytes(damaged)
    elif what == "signature":
        values = json.loads(signature.read_text())
        values["film"]["place"]["decoded"] -= 1
        signature.write_text(json.dumps(values))
    elif what == "cut off":
        data.write_bytes(data.read_bytes()[:-1])
    elif what == "gone":
        data.unlink()
    else:
        task = ExtractTask(task.root, task.paths, task.config, task.name, "others")
    assert converted(monkeypatch, lambda: extract_shard(path, task)) == COUNT
    assert path.read_bytes() == content


def test_video_that_fails_late_leaves_nothing_of_itself(
    tmp_path: Path, long_video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_video(long_video.parent / "c.avi", moving_square(90, RED, seed=3))
    task = task_of(long_video.parent)

    def failing(picture: PyavPicture, size: tuple[int, int]) -> object:
        if picture.frame.width == 96 and picture.seconds > 4:
            raise ValueError("late")
        return scaled(picture, size)

    scaled = PyavPicture.scale
    monkeypatch.setattr(PyavPicture, "scale", failing)
    content, summary = whole(tmp_path, task)
    assert [video["status"] for video in summary["videos"]] == ["failed", "ok"]  # type: ignore[attr-defined]
    converted(monkeypatch, lambda: extract_shard(tmp_path / "shard.h5", task), 101 + 16 + 50)
    assert extract_shard(tmp_path / "shard.h5", task) == summary
    assert (tmp_path / "shard.h5").read_bytes() == content


def test_film_of_another_reader_begins_anew(
    tmp_path: Path, long_video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = task_of(long_video.parent)
    path = tmp_path / "shard.h5"
    converted(monkeypatch, lambda: extract_shard(path, task), 150)
    monkeypatch.setattr(decode, "reader_that_survives", lambda _: "opencv")
    careful = ExtractTask(task.root, task.paths, task.config, task.name, task.inputs, in_own_process=True)
    (video,) = extract_shard(path, careful)["videos"]
    assert (video["frames"], video["decoder"].split()[0]) == (COUNT, "opencv")


def test_nothing_is_kept_of_a_shard_that_is_done(tmp_path: Path, long_video: Path) -> None:
    config, found = ExtractConfig(), index_folder(long_video.parent)
    report, _ = extract(tmp_path / "work", found, config)
    for path in progress_paths(report.folder, "00000"):
        path.write_bytes(b"left where a kill came right after the signature")
    (report.folder / "stage.json").unlink()
    assert extract(tmp_path / "work", found, config)[0].made == 0
    assert sorted(path.name for path in report.folder.iterdir() if path.name[0] != ".") == [
        "00000.h5",
        "00000.json",
        "index.npz",
        "stage.json",
    ]


def test_what_was_kept_goes_as_soon_as_its_shard_is_signed(tmp_path: Path, long_video: Path) -> None:
    task = task_of(long_video.parent)
    publish(tmp_path, Shard(task.name, task.inputs, 1, task), extract_shard)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00000.h5", "00000.json", "videos"]


def test_disk_without_room_for_progress_does_not_stop_the_shard(
    tmp_path: Path, long_video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, _: int) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(progress, "require_space", full)
    task = task_of(long_video.parent)
    assert extract_shard(tmp_path / "shard.h5", task) == whole(tmp_path, task)[1]
    assert not any(path.exists() for path in progress_paths(tmp_path, "00000"))


@pytest.mark.parametrize("times", [1, 3])
def test_sigkill_loses_no_progress(tmp_path: Path, long_video: Path, times: int) -> None:
    task = task_of(long_video.parent)
    content, _ = whole(tmp_path, task)
    program = f"""
import time
from pathlib import Path
from fame_cli.config import ExtractConfig
from fame_cli.data import progress
from fame_cli.data.frames import ExtractTask, extract_shard
from fame_cli.data.pyav_reader import PyavPicture
progress.SAVE_SECONDS = 0.0
scaled = PyavPicture.scale
PyavPicture.scale = lambda *arguments: time.sleep(0.005) or scaled(*arguments)
task = ExtractTask(Path({str(task.root)!r}), {task.paths!r}, ExtractConfig(), "00000", "inputs")
extract_shard(Path({str(tmp_path / "shard.h5")!r}), task)
"""
    signature = progress_paths(tmp_path, "00000")[1]
    before = 0
    for _ in range(times):
        process = subprocess.Popen([sys.executable, "-c", program], cwd=Path(__file__).parents[2])
        while process.poll() is None and frames_in(signature) <= before:
            time.sleep(0.01)
        assert process.poll() is None, "it was done before the kill"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert frames_in(signature) > before
        before = frames_in(signature)
    extract_shard(tmp_path / "shard.h5", task)
    assert (tmp_path / "shard.h5").read_bytes() == content


def frames_in(signature: Path) -> int:
    try:
        return len(json.loads(signature.read_text())["offsets"]) - 1
    except FileNotFoundError:
        return 0
