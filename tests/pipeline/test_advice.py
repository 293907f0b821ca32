"""Every command that a message names can be pasted, and mends what the message is about."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import moving_square, write_video
from typer.testing import CliRunner

from fame_cli.advice import command
from fame_cli.cli.app import app

CLIPS = ["--clip-frames", "4", "--hop-frames", "16"]
SMALL = [
    *("--backbone", "small", "--clip-frames", 4, "--frame-stride", 2, "--crop-px", 32),
    *("--batch-size", 4, "--queue-length", 16, "--steps", 1, "--device", "cpu"),
]


def fame(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.output


def done(*arguments: object) -> str:
    code, said = fame(*arguments)
    assert code == 0, said
    return said


def split(text: str) -> list[str]:
    """The arguments of a command as bash takes it."""
    told = subprocess.run(["bash", "-c", f"printf '%s\\0' {text}"], capture_output=True, check=True)
    name, *arguments = told.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1]
    assert name == "fame"
    return arguments


def paste(text: str) -> str:
    return done(*split(text))


def commands_in(said: str) -> list[str]:
    return re.findall(r"(?:^|: )(fame .+)$", said, re.MULTILINE)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A WORK folder with an awkward name, of videos in another, extracted and masked with options."""
    data = tmp_path / "it's my data"
    for number in range(10):
        path = data / ("train", "test")[number % 5 == 4] / "a b" / f"clip {number}.avi"
        write_video(path, moving_square(20, (220, 30, 30), seed=number))
    done("extract", data, "-o", tmp_path / "my work", "--jpeg-quality", 80, "-j", 1)
    # Added later, so that its place is not that of its name.
    write_video(data / "train" / "a b" / "a.avi", moving_square(20, (30, 220, 30), seed=11))
    done("extract", data, "-o", tmp_path / "my work", "--jpeg-quality", 80, "-j", 1)
    done("masks", tmp_path / "my work", *CLIPS, "-j", 1)
    return tmp_path / "my work"


def lose(*names: str) -> Callable[[Path], None]:
    def lose_them(work: Path) -> None:
        for name in names:
            [path] = work.glob(name)
            path.unlink()

    return lose_them


def change(name: str, before: str, after: str) -> Callable[[Path], None]:
    def change_it(work: Path) -> None:
        [path] = work.glob(name)
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after, 1))

    return change_it


FRAMES, STATISTICS = "frames/*/stage.json", "statistics/*/stage.json"


@pytest.mark.parametrize(
    "damage",
    [
        lose("manifest.csv"),
        lose("source.json"),
        lose(FRAMES),
        lose(STATISTICS),
        lose("manifest.csv", "source.json", FRAMES, STATISTICS),
        change("manifest.csv", "a b", "a c"),
        change("source.json", '"folder"', '"ucf101"'),
        change(FRAMES, '"jpeg_quality": 80', '"jpeg_quality": 81'),
        change(STATISTICS, '"clip_frames": 4', '"clip_frames": 5'),
    ],
)
def test_what_is_lost_is_rebuilt_by_the_commands_that_are_named_and_no_shard_is(
    work: Path, damage: Callable[[Path], None]
) -> None:
    shards = {path: path.stat().st_mtime_ns for path in work.rglob("*.h5")}
    manifest = (work / "manifest.csv").read_bytes()
    damage(work)
    pasted = []
    while fame("visualize", "masks", work, "--count", 1, "--statistics-store", *stores(work))[0]:
        _, said = fame("visualize", "masks", work, "--count", 1, "--statistics-store", *stores(work))
        assert commands_in(said), said
        for text in commands_in(said):
            assert text not in pasted, said
            pasted.append(text)
            paste(text)
    assert pasted
    assert {path: path.stat().st_mtime_ns for path in work.rglob("*.h5")} == shards
    assert (work / "manifest.csv").read_bytes() == manifest
    done("verify", work)


def stores(work: Path) -> list[str]:
    return [path.name for path in (work / "statistics").iterdir()]


@pytest.mark.parametrize("kind", ["frames", "statistics"])
def test_damaged_shard_is_made_again_by_what_verify_names(work: Path, kind: str) -> None:
    [shard] = work.glob(f"{kind}/*/00001.h5")
    good = shard.read_bytes()
    shard.write_bytes(good[:-1])
    code, said = fame("verify", work)
    assert code == 4
    for text in commands_in(said):
        paste(text)
    assert shard.read_bytes() == good
    done("verify", work)


def test_missing_statistics_are_made_by_the_command_that_is_named(tmp_path: Path, work: Path) -> None:
    code, said = fame("pretrain", work, "-o", tmp_path / "run", *SMALL, "--frame-stride", 1)
    assert code == 4
    [text] = commands_in(said)
    paste(text)
    [name] = (path.name for path in work.glob("statistics/t4-s2-*"))
    code, said = fame(
        *("pretrain", work, "-o", tmp_path / "run", *SMALL, "--hue", "published"),
        *("--statistics-store", name),
    )
    assert code == 2
    [text] = commands_in(said)
    paste(text)
    assert len(list(work.glob("statistics/*/stage.json"))) == 3


def test_unfinished_run_is_finished_by_the_command_that_is_named(tmp_path: Path, work: Path) -> None:
    run = tmp_path / "my run"
    done("pretrain", work, "-o", run, *SMALL)
    (run / "backbone.safetensors").unlink()
    code, said = fame("eval", "knn", work, run, "--clips", 1)
    assert code == 4
    [text] = commands_in(said)
    assert text == f"fame pretrain --resume '{run}'"
    paste(text)
    assert (run / "backbone.safetensors").exists()


def test_names_of_any_bytes_are_one_printable_line_that_bash_takes() -> None:
    for name in ("a b", "it's", "-x", "ué\x1b[31m", "\u202egnp", "line\nbreak", "\udcff", "a\\b\t'"):
        text = command("status", Path(name))
        assert text.isprintable()
        assert split(text)[1].removeprefix("./") == name
