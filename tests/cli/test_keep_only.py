"""``fame eval … --keep-only MASKS``: what is shown, what is told, and what is kept apart."""

import json
from pathlib import Path

import numpy as np
import pytest
from cli.test_evaluate_command import error_of, invoke, said
from conftest import write_video
from segmentation.true_sequences import save

from fame_cli.config import ExtractConfig
from fame_cli.data.frames import extract
from fame_cli.data.manifest import write_manifest
from fame_cli.data.sources.folder import index_folder

CLIPS = ("--clip-frames", "4", "--frame-stride", "1", "--crop-px", "32", "--clips", "1")
UNTRAINED = ("--weights", "random", "--backbone", "small")
LEFT, RIGHT = (slice(0, 32), slice(32, 64))
COLOURS = {"blue": (20, 20, 230), "red": (230, 20, 20)}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos whose left half tells the class, and whose right half says another one in the test."""
    folder = tmp_path_factory.mktemp("halves")
    for label, colour in COLOURS.items():
        other = next(one for name, one in COLOURS.items() if name != label)
        for clip in range(4):
            split = "train" if clip < 3 else "test"
            noise = np.random.default_rng(clip).integers(-15, 15, (8, 64, 64, 3))
            frames = np.zeros((8, 64, 64, 3), int)
            frames[:, :, LEFT] = colour
            frames[:, :, RIGHT] = colour if split == "train" else other
            frames[:, :32, RIGHT] = frames[0, 0, 40]
            path = folder / "videos" / split / label / f"{clip}.avi"
            write_video(path, np.clip(frames + noise, 0, 255).astype(np.uint8))
    work = folder / "work"
    work.mkdir()
    _, manifest = extract(work, index_folder(folder / "videos"), ExtractConfig(short_side_px=64))
    write_manifest(work, manifest)
    return work


def write_masks(folder: Path, part: slice, split: str = "*") -> Path:
    mask = np.zeros((64, 64))
    mask[:, part] = 255
    for label in COLOURS:
        for clip in range(4):
            if split in ("*", "train" if clip < 3 else "test"):
                save(folder / ("train" if clip < 3 else "test") / label / f"{clip}.png", mask)
    return folder


def results(run: Path) -> dict[str, dict[str, object]]:
    return {path.name: json.loads(path.read_text()) for path in (run / "results").glob("*.json")}


def test_only_the_kept_part_decides(work: Path, tmp_path: Path) -> None:
    for name, part, right in (("left", LEFT, 100.0), ("right", RIGHT, 0.0)):
        masks = write_masks(tmp_path / name, part)
        done = invoke("retrieval", work, tmp_path / f"run-{name}", *UNTRAINED, *CLIPS, "--keep-only", masks)
        assert done.exit_code == 0, done.output
        [(file, result)] = results(tmp_path / f"run-{name}").items()
        assert file.startswith("retrieval-keep-only-")
        assert result["figures"]["R@1"]["percent"] == right  # type: ignore[index]
        assert result["keep_only"]["masks"] == str(masks)  # type: ignore[index]


def test_the_table_says_what_was_shown_and_that_it_is_not_the_authors_set(work: Path, tmp_path: Path) -> None:
    masks = write_masks(tmp_path / "actors", LEFT)
    done = invoke("retrieval", work, tmp_path / "run", *UNTRAINED, *CLIPS, "--keep-only", masks)
    assert f"1 clips a video, only what {masks} keeps" in said(done)
    assert "not the authors' actor-HMDB51" in said(done)
    assert "RGB (110, 101, 96)" in said(done)


@pytest.mark.parametrize("protocol", ["linear", "finetune"])
def test_trainings_take_blanked_clips_too(work: Path, tmp_path: Path, protocol: str) -> None:
    masks = write_masks(tmp_path / "nothing", slice(0, 0))
    training = ("--epochs", "1", "--batch-size", "6", "--lr", "0.01")
    done = invoke(protocol, work, tmp_path / "run", *UNTRAINED, *CLIPS, *training, "--keep-only", masks)
    assert done.exit_code == 0, done.output
    [(file, result)] = results(tmp_path / "run").items()
    assert file.startswith(f"{protocol}-keep-only-")
    # Nothing is left to tell the test videos apart.
    assert len({one["probability"] for one in result["predictions"]}) == 1  # type: ignore[attr-defined]


def test_results_and_features_lie_apart_and_other_masks_make_new_ones(work: Path, tmp_path: Path) -> None:
    masks, run = write_masks(tmp_path / "masks", LEFT), tmp_path / "run"
    command = ("retrieval", work, run, *UNTRAINED, *CLIPS)
    assert invoke(*command).exit_code == 0
    assert invoke(*command, "--keep-only", masks).exit_code == 0
    assert len(results(run)) == len(list((run / "features").iterdir())) == 2
    assert "Nothing to do" in said(invoke(*command, "--keep-only", masks))
    write_masks(masks, slice(0, 16))
    assert "Nothing to do" not in said(invoke(*command, "--keep-only", masks))
    assert len(results(run)) == 3


def test_videos_without_masks_are_told_before_anything_is_computed(work: Path, tmp_path: Path) -> None:
    masks = write_masks(tmp_path / "masks", LEFT, split="train")
    wrong = invoke("retrieval", work, tmp_path / "run", *UNTRAINED, *CLIPS, "--keep-only", masks)
    assert "has no masks for 2 of 8 videos: test/blue/3.avi, test/red/3.avi" in error_of(wrong, 3)
    assert not (tmp_path / "run").exists()
    wrong = invoke("retrieval", work, tmp_path / "run", *UNTRAINED, *CLIPS, "--keep-only", tmp_path / "none")
    assert "is not a folder of masks" in error_of(wrong, 3)
