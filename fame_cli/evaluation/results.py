"""The result of an evaluation: one JSON file that tells every figure and what made it (``RUN/results/``)."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fame_cli import record
from fame_cli.errors import ArtefactError
from fame_cli.sealed import read_sealed, write_sealed

SCHEMA_VERSION = 3
RESULTS = "results"
"""Folder in RUN."""


@dataclass(frozen=True)
class Figure:
    """A share of right answers."""

    percent: float
    videos: int
    """Test videos behind it."""
    chance: float
    """What guessing would give, in percent."""
    k: int = 1
    """How many answers count: the k of top-k and R@k, as it was after capping."""
    interval: tuple[float, float] = (0.0, 100.0)
    """Where the percentage of endlessly many such videos lies, with 95 % confidence (``interval.py``)."""


@dataclass(frozen=True)
class Prediction:
    """What a classifier made of a test video."""

    id: str
    label: str
    predicted: str
    probability: float
    """Of the predicted class: mean over the clips."""
    right: bool
    group: str = ""
    """The group that the test video is of; it may be one of its own."""

    @property
    def source(self) -> str:
        """What videos of one group share: the group, or else the video itself."""
        return self.group or self.id


@dataclass(frozen=True)
class Neighbour:
    """A training video near a query."""

    id: str
    label: str
    similarity: float


@dataclass(frozen=True)
class Query:
    """A test video and the training videos nearest to it, nearest first."""

    id: str
    label: str
    neighbours: tuple[Neighbour, ...]
    right: bool
    """Whether the nearest one has its label."""
    group: str = ""
    """The group that the test video is of; it may be one of its own."""

    @property
    def source(self) -> str:
        """What videos of one group share: the group, or else the video itself."""
        return self.group or self.id


@dataclass(frozen=True)
class Result:
    """All of an evaluation; a protocol fills ``predictions`` or ``queries``."""

    protocol: str
    figures: dict[str, Figure]
    configuration: dict[str, Any]
    splits: dict[str, Any]
    """Name and number of videos of "train" and "test", and of the groups of the latter; "source" tells where
    the splits came from, "content" is a fingerprint of the videos."""
    classes: tuple[str, ...]
    weights: dict[str, Any]
    frames: dict[str, Any]
    device: str
    versions: dict[str, str]
    seconds: float
    """Of work, all runs together where it was stopped and resumed between epochs."""
    notes: tuple[str, ...] = ()
    predictions: tuple[Prediction, ...] = ()
    queries: tuple[Query, ...] = ()
    class_figures: dict[str, Figure] = field(default_factory=dict)
    """Top-1 of each class, where classes were predicted."""
    training: dict[str, float] = field(default_factory=dict)
    """What was chosen for the training from among what the configuration allows."""
    seen_test_videos: int | None = None
    """Test videos that the weights were pretrained on; None where that is not known."""
    related_test_videos: int | None = None
    """Other test videos of whose group (film, person) they were; None where that is not known."""
    training_loss: tuple[float, ...] = ()
    """Mean over each epoch, where something was trained."""
    keep_only: dict[str, Any] | None = None
    """The masks outside which all was blanked (``keep_only.py``); None where whole frames were shown."""
    bias: dict[str, Any] = field(default_factory=dict)
    """Of the bias report: how each test video did in each test, and what the clips were made with."""
    schema_version: int = SCHEMA_VERSION

    @property
    def tested(self) -> tuple[Prediction | Query, ...]:
        """The test videos, each with whether it was right."""
        return self.predictions or self.queries

    def __post_init__(self) -> None:
        if not self.figures or not all(0 <= figure.percent <= 100 for figure in self.figures.values()):
            raise ValueError("its figures are not percentages")
        if not all(isinstance(item, Prediction | Query) for item in (*self.predictions, *self.queries)):
            raise ValueError("its videos are not what they should be")


def leak_mark(seen: int | None, related: int | None) -> str:
    """What the pretraining saw, in a few words for a title; "" where that is nothing, or not known."""
    parts = [f"{seen} test videos"] if seen else []
    parts += [f"videos of the same groups as {related} test videos"] if related else []
    return f"pretraining saw {' and '.join(parts)}" if parts else ""


def write_result(path: Path, result: Result) -> Result:
    """Write a result sealed, and sign it where it lies in a RUN folder; returns it as it is read again."""
    write_sealed(path, dataclasses.asdict(result))
    if path.parent.name == RESULTS:
        record.sign(path.parent.parent, path)
    return read_result(path)


def read_result(path: Path) -> Result:
    """The result that ``write_result`` wrote.

    Raises ArtefactError where it is missing, damaged or of another version, or was changed since.
    """
    again = f"Copy it back, or delete {path} and evaluate again."
    try:
        record.require_as_written(path, again)
        values = read_sealed(path, seal_required=False)
        found = values["schema_version"]
        if found == SCHEMA_VERSION:
            return parse_result(values)
    except FileNotFoundError as error:
        raise ArtefactError(f"{path}: there is no such result.", "Evaluate first.") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtefactError(f"{path} is not what was written: {error}.", again) from error
    raise ArtefactError(
        f"{path}: has schema version {found}, this version reads {SCHEMA_VERSION}.",
        "Evaluate again with this version.",
    )


def parse_result(values: dict[str, Any]) -> Result:
    figures, class_figures = (
        {
            name: Figure(**{**figure, "interval": tuple(figure.get("interval", ()))})
            for name, figure in values[group].items()
        }
        for group in ("figures", "class_figures")
    )
    queries = tuple(
        Query(**{**query, "neighbours": tuple(Neighbour(**one) for one in query["neighbours"])})
        for query in values["queries"]
    )
    rest = {
        "figures": figures,
        "class_figures": class_figures,
        "queries": queries,
        "predictions": tuple(Prediction(**prediction) for prediction in values["predictions"]),
        **{name: tuple(values[name]) for name in ("classes", "notes", "training_loss")},
    }
    return Result(**{**values, **rest})
