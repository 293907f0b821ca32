"""A training killed at any step and resumed is the straight one to the last bit."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import moving_square, write_video

from fame_cli.config import ExtractConfig, PretrainConfig
from fame_cli.data.frames import extract, open_frame_store
from fame_cli.data.manifest import read_manifest, write_manifest
from fame_cli.data.sources.folder import index_folder
from fame_cli.disk import temporary_path
from fame_cli.learning import checkpoint
from fame_cli.learning.log import StepInfo
from fame_cli.learning.objectives.objective import Figures, Views
from fame_cli.learning.pretrain import pretrain
from fame_cli.learning.training import Training

STEPS = 24
MOCO = PretrainConfig.from_options(
    backbone="small",
    clip_frames=4,
    frame_stride=2,
    crop_px=24,
    batch_size=3,
    steps=STEPS,
    queue_length=20,  # neither 3 nor 6 keys divide it
    embedding_dim=8,
    statistics="online",
)
CONFIGS = {
    "moco": MOCO,
    "byol": MOCO.with_options(objective="byol", embedding_dim=8, optimizer="adamw", background="intra"),
    "wide-micro": MOCO.with_options(
        objective="wide-micro", queue_length=20, embedding_dim=8, background="still", static_weight=0.5
    ),
    "simclr": MOCO.with_options(objective="simclr", embedding_dim=8, precision="bf16", branch="both"),
    "order": MOCO.with_options(objective="order", order_gap_frames=1, distraction="frame-intra"),
}
MOMENTS = ("forward", "told", "saving", "renamed")
"""Where in a step the process dies: before its update, before or in the middle of its save, or after it."""


def learn(work: Path, run: Path, config: PretrainConfig, dies_at: int = STEPS, moment: str = "never") -> None:
    """Pretrain with a checkpoint after each step; killed like a lost machine in a step, counted from 1."""
    frames = open_frame_store(work, read_manifest(work), None)
    current = [0]
    step, write_whole = Training.step, checkpoint.write_whole

    def die(at: str) -> None:
        if current[0] == dies_at and moment == at:
            os.kill(os.getpid(), signal.SIGKILL)

    def mortal_step(self: Training, views: Views, number: int, *rest: Any) -> Figures:
        current[0] = number + 1
        die("forward")
        return step(self, views, number, *rest)

    def mortal_write(path: Path, content: memoryview) -> None:
        if current[0] == dies_at and moment == "saving":
            temporary_path(path).write_bytes(content[: len(content) // 2])
            die("saving")
        write_whole(path, content)
        die("renamed")

    def tell(_standing: StepInfo) -> None:
        die("told")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, "step", mortal_step)
        patch.setattr(checkpoint, "write_whole", mortal_write)
        resume = (run / "config.toml").exists()
        pretrain(run, frames, None, config, device="cpu", resume=resume, checkpoint_seconds=0, tell=tell)


def die_again_and_again(work: Path, run: Path, name: str, deaths: list[tuple[int, str]]) -> None:
    """Each life is a process of its own; forked, since each would spend seconds on imports."""
    for dies_at, moment in deaths:
        if (child := os.fork()) == 0:
            learn(work, run, CONFIGS[name], dies_at, moment)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    learn(work, run, CONFIGS[name])


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exact_resume")
    for number in range(7):
        path = folder / "videos" / "train" / "all" / f"clip {number}.avi"
        write_video(path, moving_square(24, (220, 20 * number, 30), seed=number))
    _, manifest = extract(folder / "work", index_folder(folder / "videos"), ExtractConfig())
    write_manifest(folder / "work", manifest)
    return folder / "work"


def losses(run: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    ("name", "count"), [("moco", 10), ("simclr", 3), ("byol", 3), ("order", 3), ("wide-micro", 3)]
)
def test_run_killed_at_random_steps_is_the_straight_one_to_the_last_bit(
    work: Path, tmp_path: Path, name: str, count: int
) -> None:
    steps = sorted(random.Random(name).sample(range(2, STEPS), count))
    deaths = [(step, MOMENTS[number % len(MOMENTS)]) for number, step in enumerate(steps)]
    child = subprocess.run(
        [sys.executable, __file__, str(work), str(tmp_path), name, json.dumps(deaths)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    assert (tmp_path / "killed" / "log.txt").read_text().count("resumed at step") == count
    straight, killed = (losses(tmp_path / run) for run in ("straight", "killed"))
    assert len(straight) == STEPS
    assert killed == straight
    states = [torch.load(tmp_path / run / "checkpoints" / "last.pt") for run in ("straight", "killed")]
    for key, value in states[0]["model"].items():
        assert torch.equal(states[1]["model"][key], value), key
    left = [path.name for folder in ("", "checkpoints") for path in (tmp_path / "killed" / folder).glob(".*")]
    assert left == [".lock"]
    exported = [(tmp_path / run / "backbone.safetensors").read_bytes() for run in ("straight", "killed")]
    assert exported[0] == exported[1]


if __name__ == "__main__":
    torch.set_num_threads(1)
    # The straight run goes first: what it imports and compiles, the forked processes need not.
    learn(Path(sys.argv[1]), Path(sys.argv[2]) / "straight", CONFIGS[sys.argv[3]])
    die_again_and_again(Path(sys.argv[1]), Path(sys.argv[2]) / "killed", sys.argv[3], json.loads(sys.argv[4]))
