"""What a page tells of how a run was made is what its files tell."""

import shlex
from pathlib import Path
from typing import Any

import pytest
from test_run_report import ROW

from fame_cli.config import PretrainConfig
from fame_cli.learning.pretraining_set import NOTHING
from fame_cli.learning.run import RunFolder
from fame_cli.visualization.provenance import duration, method_of, pretrain_command, provenance

LOG = """\
2026-11-30 23:16:45  begun: step 0 of 180 on cuda
2026-11-30 23:17:00  warning: finished is not what this line says
2026-11-30 23:53:25  resumed at step 82 of 180 on cpu
2026-12-01 00:02:18  finished after step 180
no time here
"""


def begin(run: Path, **options: Any) -> RunFolder:
    folder = RunFolder(run)
    config = PretrainConfig.from_options(**options)
    folder.begin(config.to_dict(), {"work": "my work", "frames": "f"}, NOTHING, resume=False)
    return folder


def test_times_devices_and_duration_are_those_of_log_and_metrics(tmp_path: Path) -> None:
    folder = begin(tmp_path / "run", batch_size=32)
    (folder.folder / "log.txt").write_text(LOG)
    folder.add_metrics([ROW | {"step": step, "samples_per_second": 0.5} for step in range(3)])
    found = provenance(folder)
    assert found["begun"] == "2026-11-30 23:16"
    assert found["finished"] == "2026-12-01 00:02"
    assert found["device"].startswith("cuda, cpu")
    assert found["steps took"] == "3 min"  # 3 · 32 / 0.5 seconds
    assert found["versions"].startswith("fame ")


def test_what_is_not_known_is_left_out(tmp_path: Path) -> None:
    found = provenance(begin(tmp_path / "run"))
    assert set(found) == {"method", "command", "versions"}


OPTIONS: list[dict[str, Any]] = [
    {},
    {"beta": 0.3, "background": "intra"},
    {"objective": "byol", "distraction": "none", "epochs": 7},
    {"objective": "moco", "distraction": "frame-intra", "symmetric": False, "learning_rate": 1e-5},
    {"distraction": "noise", "sigma": 0.5, "color_jitter": 0.0},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_the_command_makes_the_same_training_again(tmp_path: Path, options: dict[str, Any]) -> None:
    folder = begin(tmp_path / "a run", **options)
    words = shlex.split(pretrain_command(folder.folder, folder.read()))
    assert words[:5] == ["fame", "pretrain", "my work", "-o", str(folder.folder)]
    given: dict[str, Any] = {}
    rest = words[5:]
    while rest:
        flag = rest.pop(0).removeprefix("--")
        if flag.startswith("no-"):
            given[flag.removeprefix("no-").replace("-", "_")] = False
        else:
            given[flag.replace("-", "_")] = rest.pop(0)
    typed = {name: type(getattr_flat(folder, name))(value) for name, value in given.items()}
    assert PretrainConfig.from_options(**typed).to_dict() == folder.read()["pretrain"]


def getattr_flat(folder: RunFolder, name: str) -> Any:
    options = folder.read()["pretrain"]
    for section in ("distraction", "objective"):
        if name in options[section]:
            return options[section][name]
    return options[name]["name"] if isinstance(options[name], dict) else options[name]


@pytest.mark.parametrize(
    ("options", "method"),
    [
        ({}, "MoCo+FAME"),
        ({"beta": 1.0}, "MoCo"),
        ({"distraction": "none"}, "MoCo"),
        ({"distraction": "frame-intra"}, "MoCo+BE"),
        ({"objective": "byol", "distraction": "mixup"}, "BYOL+mixup"),
        ({"objective": "wide-micro"}, "wide-micro"),
    ],
)
def test_a_run_is_of_the_method_that_its_options_make(options: dict[str, Any], method: str) -> None:
    assert method_of(PretrainConfig.from_options(**options).to_dict()) == method


@pytest.mark.parametrize(
    ("seconds", "told"), [(0, ""), (12.3, "12 s"), (61, "1 min"), (3540, "59 min"), (7500, "2 h 05 min")]
)
def test_durations_are_told_in_two_units_at_most(seconds: float, told: str) -> None:
    assert duration(seconds) == told
