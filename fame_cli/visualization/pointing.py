"""How much of their activation models have inside masks, over many clips (``cam.json``)."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fame_cli import record
from fame_cli.disk import write_json
from fame_cli.visualization.cam import CamExample, share_inside

SCHEMA_VERSION = 1
AREA = "even activation"
"""What an even map would give: the share of the area that the masks cover."""


@dataclass(frozen=True)
class Share:
    """The share of one map of one model on one clip that lies inside one mask."""

    video: str
    model: str
    map: str
    """A name of ``Answer.maps``."""
    mask: str
    """"mask", what FAME keeps, or "truth"."""
    percent: float | None
    """None where the map is zero everywhere."""


@dataclass(frozen=True)
class Mean:
    """The same over all clips."""

    model: str
    map: str
    mask: str
    percent: float
    std: float | None
    """Standard deviation over the clips (n − 1)."""
    clips: int
    """With any activation."""


def measure(example: CamExample) -> list[Share]:
    """Every map of every model against every mask of a clip, and the masks' own shares of the area."""
    shares = []
    for name, mask in example.masks.items():
        area = 100 * float(np.mean(np.asarray(mask) > 0))
        shares.append(Share(example.caption, AREA, "", name, area))
        for answer in example.answers:
            for kind, one in answer.maps.items():
                share = share_inside(one, mask)
                percent = None if share is None else 100 * share
                shares.append(Share(example.caption, answer.model, kind, name, percent))
    return shares


def average(shares: Iterable[Share]) -> list[Mean]:
    """The mean of each model, map and mask, in the order in which they come."""
    found: dict[tuple[str, str, str], list[float]] = {}
    for share in shares:
        values = found.setdefault((share.model, share.map, share.mask), [])
        if share.percent is not None:
            values.append(share.percent)
    return [
        Mean(
            *key,
            statistics.fmean(values),
            statistics.stdev(values) if len(values) > 1 else None,
            len(values),
        )
        for key, values in found.items()
        if values
    ]


def write_focus(path: Path, about: dict[str, Any], shares: Sequence[Share]) -> None:
    """Write what was measured: ``about`` tells of which runs, on which clips, with which masks."""
    values = {
        "schema_version": SCHEMA_VERSION,
        **about,
        "means": [asdict(mean) for mean in average(shares)],
        "clips": [asdict(share) for share in shares],
    }
    write_json(path, values)
    record.sign_in_its_run(path)
