"""What a stage would do, how much disk that takes and how long, told without doing it."""

import shutil
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from fame_cli.shard import Receipt, Shard
from fame_cli.stage import find_finished


@dataclass(frozen=True)
class Forecast:
    """What is left of some work."""

    what: str
    """That would be done, as a sentence without its end."""
    folder: Path
    """Where."""
    left: int
    """Items that are not done: videos of a stage, steps of a training."""
    bytes: int | None = None
    """That it would take; None where nothing tells."""
    seconds: float | None = None
    """At the rate of what was done before; None where nothing was."""

    @property
    def free(self) -> int:
        """Bytes that are free where it would go."""
        places = (self.folder.absolute(), *self.folder.absolute().parents)
        return shutil.disk_usage(next(place for place in places if place.is_dir())).free


def forecast_stage(kind: str, folder: Path, shards: Sequence[Shard]) -> Forecast:
    """What ``stage.run`` would do with these shards.

    Disk and time are told from the shards of the stage that are finished: the mean of their sizes, and the
    median time from one to the next, which pauses between two runs do not change.
    """
    receipts, _ = find_finished(folder, shards)
    pending = [shard for shard in shards if shard.name not in receipts]
    items, left = (sum(shard.items for shard in part) for part in (shards, pending))
    done = items - left
    size = sum(receipt.bytes for receipt in receipts.values())
    pace = seconds_between([*receipts.values()])
    return Forecast(
        what=f"{kind} of {left} of {items} videos" + (f" ({done} are done)" if done else ""),
        folder=folder,
        left=left,
        bytes=round(size / done * left) if done else None,
        seconds=None if pace is None else pace * len(pending),
    )


def seconds_between(receipts: Sequence[Receipt]) -> float | None:
    """Median time from one finished shard to the next; None of fewer than three."""
    times = sorted(receipt.modified_ns for receipt in receipts)
    if len(times) < 3:
        return None
    return statistics.median(later - earlier for earlier, later in pairwise(times)) / 1e9
