"""Indexes a folder of videos, with the options of its source."""

from pathlib import Path

from fame_cli.data.sources import SourceName
from fame_cli.data.sources.check import Indexed
from fame_cli.data.sources.diving48 import index_diving48
from fame_cli.data.sources.folder import index_folder
from fame_cli.data.sources.hmdb51 import index_hmdb51
from fame_cli.data.sources.hold_out import hold_out
from fame_cli.data.sources.kinetics import index_kinetics
from fame_cli.data.sources.table import index_table
from fame_cli.data.sources.ucf101 import index_ucf101
from fame_cli.errors import ConfigurationError


def index_videos(
    root: Path,
    source: SourceName,
    annotations: Path | None,
    split: int | None,
    share: float | None = None,
) -> Indexed:
    """Index a folder as the named source, with a ``share`` of its videos held out where it has no splits.

    Raises ConfigurationError for options that do not go with the source.
    """
    found = index_source(root, source, annotations, split)
    return found if share is None else hold_out(found, share)


def index_source(root: Path, source: SourceName, annotations: Path | None, split: int | None) -> Indexed:
    if split is not None and source not in ("ucf101", "hmdb51"):
        raise ConfigurationError(
            f"--split {split} cannot be used with --source {source}.",
            "Only ucf101 and hmdb51 have numbered splits: add --source ucf101, or leave out --split.",
        )
    if source == "folder":
        if annotations is not None:
            raise ConfigurationError(
                "--annotations cannot be used with --source folder: the folders give classes and splits.",
                "Add the source of the annotations, such as --source ucf101 or --source csv.",
            )
        return index_folder(root)
    if source == "csv":
        if annotations is None:
            raise ConfigurationError(
                "--source csv needs a CSV file with the columns path, label and split.",
                "Give it: --annotations FILE",
            )
        return index_table(root, annotations)
    if source == "ucf101":
        return index_ucf101(root, annotations, 1 if split is None else split)
    if source == "hmdb51":
        return index_hmdb51(root, annotations, 1 if split is None else split)
    if source == "diving48":
        return index_diving48(root, annotations)
    return index_kinetics(root, annotations)
