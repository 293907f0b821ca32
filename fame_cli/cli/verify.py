"""``fame verify``: whether a WORK or RUN folder holds what was written to it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fame_cli.cli import console
from fame_cli.cli.completion import complete_work_or_run
from fame_cli.cli.options import AsJson
from fame_cli.cli.workers import Jobs, available_cores
from fame_cli.errors import DONE, ArtefactError, FameError

if TYPE_CHECKING:
    from fame_cli.inventory import Inventory, StageState

SHARDS_NAMED = 20


def verify(
    folder: Annotated[
        Path,
        typer.Argument(
            help="Folder that fame extract or fame pretrain made.",
            metavar="WORK|RUN",
            autocompletion=complete_work_or_run,
        ),
    ],
    jobs: Jobs = None,
    as_json: AsJson = False,
) -> int:
    """Read everything back and compare it with what was written.

    In WORK, a damaged shard loses its receipt and its stage no longer counts as finished, so the next
    fame extract or fame masks makes that shard again, and only that one. In RUN, the SHA-256 of each file is
    compared with the run's record: weights, classifiers, results, metrics, configuration. The exit code is 4
    if anything is damaged or missing.
    """
    from fame_cli.data.manifest import is_work
    from fame_cli.learning.run import is_run

    if is_run(folder) and not is_work(folder):
        return verify_run(folder, jobs or available_cores(), as_json)
    from fame_cli.inventory import take_inventory

    inventory = take_inventory(folder)
    damage: dict[str, str] = {}
    mends = [hint for state in inventory.stages if (hint := verify_stage(inventory, state, jobs, damage))]
    if as_json:
        console.say_json({"folder": str(folder), "whole": not mends, "damage": damage, "commands": mends})
    if mends:
        raise ArtefactError(
            f"{folder} does not hold all that was written.",
            "Make what is missing again:\n" + "\n".join(mends),
        )
    return DONE


def verify_stage(inventory: "Inventory", state: "StageState", jobs: int | None, found: dict[str, str]) -> str:
    """Verify a stage, say what was found, and return the command that repairs it, or nothing.

    What is wrong is added to ``found``, by file.
    """
    from fame_cli.inventory import contradicts_its_shards, find_damage, withdraw

    name, names = f"{state.kind}/{state.folder.name}", inventory.shard_names
    if state.holders:
        console.warn(f"{name} is being worked on by {', '.join(state.holders)}: it was left out.")
        return ""
    with console.progress(f"verifying {name}", "shards") as tell:
        damage = find_damage(state.folder, names, jobs or available_cores(), tell)
    found |= {f"{state.folder / shard}.h5": what for shard, what in damage.items()}
    for shard, what in list(damage.items())[:SHARDS_NAMED]:
        console.warn(f"{state.folder / shard}.h5 {what}")
    if len(damage) > SHARDS_NAMED:
        console.warn(f"and {len(damage) - SHARDS_NAMED} more shards of {name}")
    if not damage and contradicts_its_shards(state, names):
        found[f"{state.folder}/stage.json"] = "is damaged, or of other shards"
        console.warn(f"{state.folder}/stage.json is damaged, or of other shards")
    elif not damage and state.complete:
        old = "" if inventory.is_current(state) else "; it is out of date: videos have changed since"
        if not old:
            verify_index(inventory, state)
        console.say(f"{name}: {len(names)} shards, {console.size(state.bytes)}, all as written{old}")
        return ""
    try:
        withdraw(state, list(damage))
    except FameError as error:
        console.warn(f"{name} cannot be marked as unfinished: {error.message}")
    return inventory.command(state)


def verify_index(inventory: "Inventory", state: "StageState") -> None:
    """Report a wrong index of a complete stage: it is derived from the shards and rebuilt."""
    from fame_cli.inventory import mend_index

    try:
        if what := mend_index(state, len(inventory.manifest.videos)):
            console.warn(f"{state.folder}/index.npz {what}")
    except FameError as error:
        console.warn(error.message)


def verify_run(run: Path, jobs: int, as_json: bool) -> int:
    """Compare the files of a run with its record, and the features kept in it with their receipts."""
    from fame_cli import record
    from fame_cli.inventory import feature_shards, find_damage
    from fame_cli.learning.run import signed_files

    if not (signed := record.read_record(run)):
        raise ArtefactError(
            f"{run} has no {record.RECORD_FILE}: nothing tells whether its files are still what was written.",
            "Copy it back. Runs of older versions have none: their files are used as they are.",
        )
    wrong = {run / name: what for name, what in record.find_changes(run).items()}
    for stage in sorted((run / "features").glob("*-*")):
        with console.progress(f"verifying features/{stage.name}", "shards") as tell:
            damage = find_damage(stage, feature_shards(stage), jobs, tell)
        wrong |= {stage / f"{name}.h5": what for name, what in damage.items()}
    for path, what in wrong.items():
        console.warn(f"{path} {what}")
    if unsigned := [path for path in signed_files(run) if record.name_in(run, path) not in signed]:
        names = ", ".join(record.name_in(run, path) for path in unsigned)
        console.warn(f"never signed, so nothing is known of: {names}")
    if as_json:
        damage = {str(path): what for path, what in wrong.items()}
        told = {"folder": str(run), "whole": not wrong, "damage": damage, "files": len(signed)}
        console.say_json({**told, "unsigned": [str(path) for path in unsigned]})
    if wrong:
        raise ArtefactError(
            f"{run} does not hold all that was written.",
            "Copy it back from where it was made. Without a copy: delete a damaged result, picture or shard "
            "of features and run its command again; pretrain again where weights or configuration are "
            "damaged.",
        )
    console.say(f"{run}: {len(signed)} files, all as written")
    return DONE
