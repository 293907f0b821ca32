"""``fame verify``: whether a WORK folder holds what was written to it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fame_cli.cli import console
from fame_cli.cli.workers import Jobs, available_cores
from fame_cli.errors import DONE, ArtefactError, FameError

if TYPE_CHECKING:
    from fame_cli.inventory import Inventory, StageState

SHARDS_NAMED = 20


def verify(
    work: Annotated[Path, typer.Argument(help="Folder that fame extract made.", metavar="WORK")],
    jobs: Jobs = None,
) -> int:
    """Read every shard back and compare it with what was written.

    A damaged shard loses its receipt, and its stage is no longer taken for finished, so the next fame extract
    or fame masks makes that shard again, and that one alone. Ends with exit code 4 where any shard is damaged
    or missing.
    """
    from fame_cli.inventory import take_inventory

    inventory = take_inventory(work)
    mends = [hint for state in inventory.stages if (hint := verify_stage(inventory, state, jobs))]
    if mends:
        raise ArtefactError(
            f"{work} does not hold all that was written.", "Make what is missing again:\n" + "\n".join(mends)
        )
    return DONE


def verify_stage(inventory: "Inventory", state: "StageState", jobs: int | None) -> str:
    """Verify a stage, say what was found, and return the command that mends it, or nothing."""
    from fame_cli.inventory import contradicts_its_shards, find_damage, withdraw

    name, names = f"{state.kind}/{state.folder.name}", inventory.shard_names
    if state.holders:
        console.warn(f"{name} is being worked on by {', '.join(state.holders)}: it was left out.")
        return ""
    with console.progress(f"verifying {name}", "shards") as tell:
        damage = find_damage(state, names, jobs or available_cores(), tell)
    for shard, what in list(damage.items())[:SHARDS_NAMED]:
        console.warn(f"{state.folder / shard}.h5 {what}")
    if len(damage) > SHARDS_NAMED:
        console.warn(f"and {len(damage) - SHARDS_NAMED} more shards of {name}")
    if not damage and contradicts_its_shards(state, names):
        console.warn(f"{state.folder}/stage.json is damaged, or of other shards")
    elif not damage and state.complete:
        old = "" if inventory.is_current(state) else "; it is out of date: videos have changed since"
        console.say(f"{name}: {len(names)} shards, {console.size(state.bytes)}, all as written{old}")
        return ""
    try:
        withdraw(state, list(damage))
    except FameError as error:
        console.warn(f"{name} cannot be marked as unfinished: {error.message}")
    return inventory.command(state)
