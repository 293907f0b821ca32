"""Features of videos as a table for other programs: Parquet, or NumPy's .npz."""

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fame_cli import __version__
from fame_cli.config import EvaluationConfig
from fame_cli.data.group import group_of
from fame_cli.data.manifest import Video
from fame_cli.disk import write_whole
from fame_cli.errors import ConfigurationError
from fame_cli.evaluation.evaluation import CLIP_OPTIONS, Evaluation
from fame_cli.evaluation.features import compute_features

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Embedding:
    """A feature vector of each video, and what is known of the video.

    embedding = embed(evaluation, config, frames.manifest.video_indices())
    write_embedding(Path("features.npz"), embedding)
    """

    videos: tuple[Video, ...]
    features: Array
    """(N, D) float32, a row a video: the mean over its clips."""
    about: dict[str, Any]
    """What made them, as plain values."""

    @property
    def columns(self) -> dict[str, list[str]]:
        """What is known of each video, by name of the column."""
        videos = self.videos
        return {
            "id": [video.id for video in videos],
            "path": [video.path for video in videos],
            "label": [video.label for video in videos],
            "split": [video.split for video in videos],
            "group": [group_of(video) for video in videos],
        }


def embed(evaluation: Evaluation, config: EvaluationConfig, video_indices: Sequence[int]) -> Embedding:
    """The features of videos, those of the evaluations: what one of these has computed is not repeated."""
    frames, weights = evaluation.videos.frames, evaluation.weights
    store = compute_features(evaluation, config, video_indices)
    about = {
        "weights": weights.source,
        "weights_fingerprint": weights.fingerprint,
        "backbone": weights.name,
        "clips": config.clips,
        **{name: getattr(config, name) for name in CLIP_OPTIONS},
        "precision": config.precision,
        "frames": frames.folder.name,
        "versions": {"fame": __version__, "torch": torch.__version__},
    }
    features = store.read_means(video_indices).numpy()
    return Embedding(tuple(frames.videos[n] for n in video_indices), features, about)


def write_embedding(path: Path, embedding: Embedding) -> None:
    """Write a table; what it holds is told by the suffix of ``path`` (``WRITERS``)."""
    write_whole(path, WRITERS[path.suffix](embedding))


def as_npz(embedding: Embedding) -> bytes:
    """Arrays ``features`` (N, D), ``id``, ``path``, ``label``, ``split``, ``group``; ``about`` is JSON."""
    columns: dict[str, Any] = {name: np.array(values, str) for name, values in embedding.columns.items()}
    content = io.BytesIO()
    np.savez(content, features=embedding.features, about=np.array(json.dumps(embedding.about)), **columns)
    return content.getvalue()


def as_parquet(embedding: Embedding) -> bytes:
    """A row a video, ``feature`` a list of float32; ``about`` is JSON in the metadata of the schema."""
    arrow, parquet = import_pyarrow()
    length = embedding.features.shape[1]
    values = arrow.array(embedding.features.reshape(-1))
    columns = {**embedding.columns, "feature": arrow.FixedSizeListArray.from_arrays(values, length)}
    table = arrow.table(columns).replace_schema_metadata({"about": json.dumps(embedding.about)})
    content = io.BytesIO()
    parquet.write_table(table, content)
    return content.getvalue()


WRITERS: dict[str, Callable[[Embedding], bytes]] = {".parquet": as_parquet, ".npz": as_npz}
"""By suffix of the file, what gives its content."""


def require_writable(path: Path) -> None:
    """Raise ConfigurationError unless such a file can be written here."""
    if path.suffix not in WRITERS:
        raise ConfigurationError(
            f"-o {path} does not say what to write: it ends in {path.suffix or 'no suffix'}.",
            f"Name a file that ends in {' or '.join(WRITERS)}.",
        )
    if path.suffix == ".parquet":
        import_pyarrow()


def import_pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ConfigurationError(
            "Parquet files are written by pyarrow, which is not installed.",
            "Install it (pip install pyarrow), or name a file that ends in .npz.",
        ) from error
    return pyarrow, pyarrow.parquet
