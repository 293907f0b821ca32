"""``fame embed``: the features of videos, for other programs."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fame_cli.cli import console
from fame_cli.cli.evaluate import (
    BackboneOption,
    Mean,
    Run,
    Std,
    WeightsOption,
    choose_workers,
    find_weights,
    refuse_wrong_folders,
)
from fame_cli.cli.masks import Frames, Work
from fame_cli.cli.options import AsJson, takes
from fame_cli.cli.pretrain import Device, Workers
from fame_cli.config import EvaluationConfig
from fame_cli.errors import ConfigurationError, InputError
from fame_cli.option import did_you_mean

if TYPE_CHECKING:
    from fame_cli.data.manifest import Manifest


@takes(EvaluationConfig, leave_out=("train_split", "test_split"))
def embed(
    config: EvaluationConfig,
    given: Mapping[str, int | None],
    work: Work,
    run: Run,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="File to write; its suffix, .parquet or .npz, says what.", metavar="FILE"
        ),
    ],
    split: Annotated[
        str | None,
        typer.Option("--split", help="Only videos of this split.", metavar="NAME", show_default="all"),
    ] = None,
    weights: WeightsOption = None,
    backbone: BackboneOption = None,
    mean: Mean = "",
    std: Std = "",
    frames: Frames = None,
    device: Device = "auto",
    workers: Workers = None,
    as_json: AsJson = False,
) -> int:
    """Embed: write a table with the feature vector of each video, its label, split and group.

    A video's feature is the mean over its clips. Features that fame eval has computed are not computed
    again; if it is interrupted, the same command resumes.
    """
    from fame_cli.evaluation.embedding import require_writable

    require_writable(output)
    if output.is_dir():
        raise ConfigurationError(f"-o {output} is a folder.", "Name a file, such as features.npz.")
    refuse_wrong_folders(work, run, weights)
    from fame_cli.data.frames import open_frame_store
    from fame_cli.data.manifest import read_manifest
    from fame_cli.evaluation.embedding import embed, write_embedding
    from fame_cli.evaluation.evaluation import Evaluation, clip_options
    from fame_cli.evaluation.splits import LabelledVideos
    from fame_cli.learning.device import choose_device

    store = open_frame_store(work, read_manifest(work), frames)
    chosen = choose_usable(store.manifest, split)
    evaluated = find_weights(run, weights, backbone, config.seed, mean, std)
    console.say(str(evaluated))
    complete = EvaluationConfig.from_dict(config.to_dict() | clip_options(evaluated, **given))
    target = choose_device(device)
    evaluation = Evaluation(
        run,
        LabelledVideos(store, (), chosen, ()),
        evaluated,
        target,
        choose_workers(workers, target),
        console.progress_with_note,
    )
    embedding = embed(evaluation, complete, chosen)
    write_embedding(output, embedding)
    count, length = embedding.features.shape
    if as_json:
        console.say_json({"file": str(output), "videos": count, "dimensions": length, **embedding.about})
    console.say(f"Written: {output}, {count} videos of {length} numbers each.")
    return 0


def choose_usable(manifest: "Manifest", split: str | None) -> tuple[int, ...]:
    """Places of the videos that have frames, of one split or of all; raises InputError where none has."""
    splits = sorted({video.split for video in manifest.videos})
    if split is not None and split not in splits:
        raise InputError(
            f"no video is of split {split!r}; there are {', '.join(map(repr, splits))}.",
            did_you_mean(split, splits) or "Leave --split out to embed all videos.",
        )
    chosen = tuple(n for n in manifest.video_indices() if split in (None, manifest.videos[n].split))
    if not chosen:
        raise InputError("no such video has frames.", "See the reasons in manifest.csv.")
    return chosen
