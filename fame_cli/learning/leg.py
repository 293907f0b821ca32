"""A finished run that is made longer: another leg of it."""

from typing import Any

from fame_cli import record
from fame_cli.advice import command
from fame_cli.config import PretrainConfig
from fame_cli.errors import ArtefactError, ConfigurationError
from fame_cli.learning.run import RunFolder


def count_steps(config: PretrainConfig, steps_per_epoch: int) -> int:
    """Steps of a whole training."""
    return config.steps or config.epochs * steps_per_epoch


def begin_leg(folder: RunFolder, config: PretrainConfig, steps_per_epoch: int) -> str:
    """Take a finished run for an unfinished one of the length of ``config``; returns what to know of that.

    The learning rate goes on as that of a training of all these steps at this step, so it rises again from
    the 0 that the leg before ended with. The backbone of that leg is kept under a name of its own.

    Raises ConfigurationError where the run would not become longer, ArtefactError where its checkpoint is
    lost.
    """
    asked = folder.read()
    before = count_steps(PretrainConfig.from_dict(asked["pretrain"]), steps_per_epoch)
    total = count_steps(config, steps_per_epoch)
    if total <= before:
        raise ConfigurationError(
            f"{folder.folder} is finished after {before} steps; --epochs {config.epochs} and --steps "
            f"{config.steps} make {total}.",
            f"Give more to continue: {command('pretrain', '--resume', folder.folder, '--steps', 2 * before)}",
        )
    if not folder.checkpoint.exists():
        raise ArtefactError(
            f"{folder.checkpoint} is missing: the run cannot be resumed without it.",
            f"Copy it back, or start another from its weights with --init-from {folder.folder}",
        )
    kept = folder.backbone.with_name(f"backbone-step{before}.safetensors")
    record.withdraw(folder.folder, folder.config, *folder.results_of_training)
    # Renamed first: killed in between, the run counts as one whose last file is still to be written.
    folder.backbone.rename(kept)
    record.sign(folder.folder, kept)
    legs = [*asked.get("legs", []), {"ended_at_step": before, **length_of(asked["pretrain"])}]
    folder.write_config({**asked, "pretrain": config.to_dict(), "legs": legs})
    return (
        f"a new leg: the run had ended after {before} steps and continues to {total}. The learning rate "
        f"rises from 0 to what it is at step {before} of {total}, so the result is not that of one training "
        f"of {total} steps. The backbone of before is kept as {kept.name}."
    )


def length_of(pretrain: dict[str, Any]) -> dict[str, int]:
    return {name: pretrain[name] for name in ("epochs", "steps")}
