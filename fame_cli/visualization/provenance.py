"""How a run was made: by which method and command, when, in how long, on what and with which versions."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fame_cli.advice import command
from fame_cli.config import PretrainConfig
from fame_cli.configuration import flatten
from fame_cli.learning.run import RunFolder
from fame_cli.names import to_disk
from fame_cli.option import as_text, option_name

SECTIONS = ("distraction", "objective")
LOG_LINE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d):\d\d  (.*)")
ON_DEVICE = re.compile(r"(?:begun:|resumed at) step \d+ of \d+ on (\S+)")


def provenance(folder: RunFolder) -> dict[str, str]:
    """What is known of how a pretraining was made, by name, as text.

    Raises ArtefactError where a file of the run cannot be read.
    """
    asked, machine = folder.read(), folder.read_environment()
    batch_size = PretrainConfig.from_dict(asked["pretrain"]).batch_size
    lines = log_lines(folder.folder / "log.txt")
    devices = [match[1] for _, told in lines if (match := ON_DEVICE.match(told))]
    device = ", ".join(dict.fromkeys(devices))
    found = {
        "method": method_of(asked["pretrain"]),
        "command": pretrain_command(folder.folder, asked),
        "begun": lines[0][0] if lines else "",
        "finished": next((time for time, told in reversed(lines) if told.startswith("finished")), ""),
        "steps took": duration(seconds_of(folder.read_metrics(), batch_size)),
        "device": f"{device} ({machine['gpu']})" if machine.get("gpu") and device != "cpu" else device,
        "versions": ", ".join(
            f"{name} {machine[name]}" for name in ("fame", "torch", "python") if name in machine
        ),
    }
    return {name: value for name, value in found.items() if value}


def log_lines(path: Path) -> list[tuple[str, str]]:
    """The lines of a log.txt, each with its time to the minute; none where there is no such file."""
    if not path.exists():
        return []
    found = (LOG_LINE.match(line) for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
    return [(line[1], line[2]) for line in found if line]


def method_of(options: Mapping[str, Any]) -> str:
    """The method of a pretraining as charts name it: its objective and, where it has one, its distraction."""
    config = PretrainConfig.from_dict(options)
    objective = {"moco": "MoCo", "simclr": "SimCLR", "byol": "BYOL"}.get(
        config.objective.name, config.objective.name
    )
    if not config.merges or objective == "wide-micro":
        return objective
    distraction = {"fame": "FAME", "frame-intra": "BE"}.get(config.distraction.name, config.distraction.name)
    return f"{objective}+{distraction}"


def pretrain_command(run: Path, asked: Mapping[str, Any]) -> str:
    """The command that makes such a run: every option that is not the default."""
    options = asked["pretrain"]
    # Against the defaults of the methods chosen, and these against the methods of a plain command.
    plain, defaults = flatten(PretrainConfig().to_dict()), default_options(options)
    known = {**defaults, **{section: plain[section] for section in SECTIONS}}
    changed = {name: value for name, value in flatten(options).items() if known.get(name) != value}
    words = [word for name, value in changed.items() for word in as_words(name, value)]
    work = asked["data"].get("work")
    return command("pretrain", Path(to_disk(work)) if work else "WORK", "-o", run, *words)


def default_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults, flat: each method has its own, so they are those of the methods that were chosen."""
    chosen = {key: {"name": value["name"]} for key, value in options.items() if isinstance(value, Mapping)}
    return flatten(PretrainConfig.from_dict(chosen).to_dict())


def as_words(name: str, value: object) -> list[str]:
    """An option as on the command line."""
    flag = option_name(name)
    match value:
        case bool():
            return [flag if value else f"--no-{flag.removeprefix('--')}"]
        case _:
            return [flag, repr(value) if isinstance(value, float) else as_text(value)]


def seconds_of(rows: Sequence[Mapping[str, float]], batch_size: int) -> float:
    """Time that the steps of a metrics.jsonl took, without pauses between."""
    return sum(batch_size / row["samples_per_second"] for row in rows if row.get("samples_per_second"))


def duration(seconds: float) -> str:
    """Such as "2 h 05 min", "7 min" or "12 s"; "" where nothing was measured."""
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds > 0 else ""
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"
