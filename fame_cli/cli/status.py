"""``fame status``: how far the stages of a WORK folder are."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fame_cli.cli import console
from fame_cli.cli.completion import complete_work_or_run
from fame_cli.cli.options import AsJson
from fame_cli.errors import DONE

TAIL_BYTES = 4096
"""Of a run's metrics, read for the last step."""

if TYPE_CHECKING:
    from fame_cli.inventory import Inventory, StageState


def status(
    folder: Annotated[
        Path,
        typer.Argument(
            help="Folder that fame extract or fame pretrain made.",
            metavar="WORK|RUN",
            autocompletion=complete_work_or_run,
        ),
    ],
    as_json: AsJson = False,
) -> int:
    """Show the videos and stages of WORK: what is done, missing, damaged or failed, its size and age.

    Only names, sizes and receipts are read; fame verify reads everything back. For a run, shows the last step
    and its loss, and the age of the checkpoint.
    """
    from fame_cli.data.manifest import is_work
    from fame_cli.learning.run import is_run

    if is_run(folder) and not is_work(folder):
        show_run(folder, as_json)
        return DONE
    from fame_cli.inventory import take_inventory

    inventory = take_inventory(folder)
    show_videos(inventory)
    show_stages(inventory)
    for state in inventory.stages:
        if advice := advise(inventory, state):
            console.say(advice)
    complete = all(state_of(inventory, state) == "complete" for state in inventory.stages)
    following = next_command(inventory) if complete else ""
    if following:
        console.say(f"Next: {following}")
    if as_json:
        console.say_json(as_plain(inventory, following))
    return DONE


def as_plain(inventory: "Inventory", following: str) -> dict[str, Any]:
    """What status shows, as plain values; ages as times in seconds since 1970."""
    stages = [
        {
            "kind": state.kind,
            "name": state.folder.name,
            "options": state.options,
            "state": state_of(inventory, state),
            "shards": state.shards,
            "done": state.done,
            "missing": list(state.missing),
            "damaged": list(state.damaged),
            "videos": dict(state.videos),
            "bytes": state.bytes,
            "changed": state.changed,
            "holders": list(state.holders),
            "command": "" if state_of(inventory, state) == "complete" else inventory.command(state),
        }
        for state in inventory.stages
    ]
    videos = {split: dict(counts) for split, counts in inventory.video_counts().items()}
    return {"work": str(inventory.work), "videos": videos, "stages": stages, "next": following}


def show_run(run: Path, as_json: bool) -> None:
    from fame_cli.lock import holders

    last = last_row(run / "metrics.jsonl")
    checkpoint = run / "checkpoints" / "last.pt"
    state = "done" if (run / "backbone.safetensors").exists() else "stopped"
    state = "running" if holders(run) else state
    rows = [
        ["state", state],
        ["step", f"{last['step'] + 1:.0f}" if last else ""],
        ["epoch", f"{last['epoch'] + 1:.0f}" if "epoch" in last else ""],
        ["loss (chance)", f"{last['loss']:.3f} ({last['chance']:.3f})" if last else ""],
        ["checkpoint", f"{age(checkpoint.stat().st_mtime)} ago" if checkpoint.exists() else "none"],
    ]
    console.table(str(run), ["run", ""], rows)
    if advice := advise_run(run, state):
        console.say(advice)
    if as_json:
        saved = checkpoint.stat().st_mtime if checkpoint.exists() else None
        told = {"run": str(run), "state": state, "last": last, "checkpoint_saved": saved}
        console.say_json({**told, "next": advice.partition(": ")[2]})


def advise_run(run: Path, state: str) -> str:
    """What goes on with a run that was stopped, or evaluates a finished one."""
    from fame_cli.advice import command
    from fame_cli.errors import ArtefactError
    from fame_cli.learning.run import CONFIG_FILE, RunFolder, resume_command
    from fame_cli.names import to_disk

    if state == "running" or not (run / CONFIG_FILE).exists():
        return ""
    try:
        work = RunFolder(run).read()["data"].get("work")
    except ArtefactError as error:
        return f"{error.message} {error.hint}"
    if state == "stopped":
        return f"To resume: {resume_command(run)}"
    return f"To evaluate it: {command('eval', 'linear', Path(to_disk(work)), run)}" if work else ""


def last_row(metrics: Path) -> dict[str, float]:
    """The last readable line of a run's metrics, or nothing; there is one from the first step on."""
    from fame_cli.learning.metrics import read_row

    if not metrics.exists():
        return {}
    with metrics.open("rb") as file:
        file.seek(max(0, metrics.stat().st_size - TAIL_BYTES))
        lines = file.read().split(b"\n")[:-1]
    for broken, line in enumerate(reversed(lines)):
        if row := read_row(line):
            if broken:
                console.warn(f"{metrics}: its last {broken} lines cannot be read.")
            return row
    if lines:
        console.warn(f"{metrics}: its last lines cannot be read.")
    return {}


def show_videos(inventory: "Inventory") -> None:
    statuses = ("ok", "partial", "failed", "pending", "removed")
    rows = [
        [split or "(no split)", str(counts.total()), *(str(counts[name]) for name in statuses)]
        for split, counts in inventory.video_counts().items()
    ]
    console.table(f"{inventory.work}/manifest.csv", ["split", "videos", *statuses], rows)


def show_stages(inventory: "Inventory") -> None:
    for kind in ("frames", "statistics"):
        rows = [
            [
                "\n".join([state.folder.name, *([" ".join(state.options)] if state.options else [])]),
                f"{state.done}/{state.shards}",
                "\n".join([state_of(inventory, state), *troubles(state)]),
                console.size(state.bytes),
                age(state.changed),
            ]
            for state in inventory.stages
            if state.kind == kind
        ]
        if rows:
            console.table(f"{inventory.work}/{kind}", [kind, "shards", "state", "size", "age"], rows)


def troubles(state: "StageState") -> list[str]:
    counts = {
        "missing": len(state.missing),
        "damaged": len(state.damaged),
        "videos failed": state.videos.get("failed", 0),
        "videos partial": state.videos.get("partial", 0),
    }
    return [f"{count} {what}" for what, count in counts.items() if count]


def age(changed: float | None) -> str:
    """Time since then in its largest unit."""
    if changed is None:
        return ""
    seconds = max(0, time.time() - changed)
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{seconds:.0f} s"


def state_of(inventory: "Inventory", state: "StageState") -> str:
    """The state of a stage in one word."""
    if state.holders:
        return "running"
    if state.description and not inventory.is_current(state):
        return "out of date"
    return "complete" if state.complete and state.done == state.shards else "unfinished"


def next_command(inventory: "Inventory") -> str:
    """What comes after the stages that are there, all of which are complete."""
    from fame_cli.advice import as_words, command, extract_command, options_of
    from fame_cli.config import PretrainConfig

    kinds = ("frames", "statistics")
    frames, statistics = ([state for state in inventory.stages if state.kind == kind] for kind in kinds)
    if not frames:
        return extract_command(inventory.work)
    named = ["--frames", frames[-1].folder.name] if len(frames) > 1 else []
    if not statistics:
        return command("masks", inventory.work, *named)
    clips = {
        name: value
        for name, value in options_of(statistics[-1].folder).items()
        if name in ("clip_frames", "frame_stride")
    }
    words = as_words("statistics", clips)
    words += ["--statistics-store", statistics[-1].folder.name] if len(statistics) > 1 else []
    counts = inventory.video_counts()
    videos = sum(counts["train" if "train" in counts else ""][status] for status in ("ok", "partial"))
    if 2 <= videos < PretrainConfig().batch_size:
        words += ["--batch-size", fitting_batch(videos)]
    return command("pretrain", inventory.work, "-o", "run", *named, *words)


def fitting_batch(videos: int) -> int:
    """The largest power of two that is not more than there are videos."""
    return 1 << (videos.bit_length() - 1)


def advise(inventory: "Inventory", state: "StageState") -> str:
    """Who is at work, or what to do where a stage is not complete."""
    name = f"{state.kind}/{state.folder.name}"
    if state.holders:
        return f"{name} is being worked on by {', '.join(state.holders)}."
    if state_of(inventory, state) == "complete":
        return ""
    return f"To complete {name}: {inventory.command(state)}"
