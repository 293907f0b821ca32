"""``fame status``: how far the stages of a WORK folder are."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fame_cli.cli import console
from fame_cli.errors import DONE

TAIL_BYTES = 4096
"""Of a run's metrics, read for the last step."""

if TYPE_CHECKING:
    from fame_cli.inventory import Inventory, StageState


def status(
    folder: Annotated[
        Path, typer.Argument(help="Folder that fame extract or fame pretrain made.", metavar="WORK|RUN")
    ],
) -> int:
    """Show the videos and stages of WORK: what is done, missing, damaged or failed, its size and age.

    Only names, sizes and receipts are read; fame verify reads everything back. For a run, shows the last step
    and its loss, and the age of the checkpoint.
    """
    from fame_cli.data.manifest import is_work
    from fame_cli.learning.run import is_run

    if is_run(folder) and not is_work(folder):
        show_run(folder)
        return DONE
    from fame_cli.inventory import take_inventory

    inventory = take_inventory(folder)
    show_videos(inventory)
    show_stages(inventory)
    for state in inventory.stages:
        if advice := advise(inventory, state):
            console.say(advice)
    return DONE


def show_run(run: Path) -> None:
    from fame_cli.lock import holders

    last = last_row(run / "metrics.jsonl")
    checkpoint = run / "checkpoints" / "last.pt"
    rows = [
        [
            "state",
            "running" if holders(run) else "done" if (run / "backbone.safetensors").exists() else "stopped",
        ],
        ["step", f"{last['step'] + 1:.0f}" if last else ""],
        ["epoch", f"{last['epoch'] + 1:.0f}" if "epoch" in last else ""],
        ["loss (chance)", f"{last['loss']:.3f} ({last['chance']:.3f})" if last else ""],
        ["checkpoint", f"{age(checkpoint.stat().st_mtime)} ago" if checkpoint.exists() else "none"],
    ]
    console.table(str(run), ["run", ""], rows)


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


def advise(inventory: "Inventory", state: "StageState") -> str:
    """Who is at work, or what to do where a stage is not complete."""
    name = f"{state.kind}/{state.folder.name}"
    if state.holders:
        return f"{name} is being worked on by {', '.join(state.holders)}."
    if state_of(inventory, state) == "complete":
        return ""
    return f"To complete {name}: {inventory.command(state)}"
