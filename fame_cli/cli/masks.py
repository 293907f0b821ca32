"""``fame masks``: seed and colour statistics of every clip."""

from pathlib import Path
from typing import Annotated

import typer

from fame_cli.cli import console
from fame_cli.cli.extract import say_stage
from fame_cli.cli.recipes import RecipeOption, Settings
from fame_cli.cli.workers import Address, BackendOption, Jobs, SliceOption, choose_workers, place
from fame_cli.config import Hue, Motion, StatisticsConfig
from fame_cli.errors import DONE

Work = Annotated[Path, typer.Argument(help="Folder that fame extract made.", metavar="WORK")]
Frames = Annotated[
    str | None,
    typer.Option(
        "--frames", help="Frame store to read, a folder in WORK/frames.", show_default="the only one"
    ),
]


def masks(
    work: Work,
    recipe: RecipeOption = None,
    settings: Settings = None,
    clip_frames: Annotated[int, typer.Option(help="Frames in a clip, T.")] = StatisticsConfig.clip_frames,
    frame_stride: Annotated[
        int, typer.Option(help="Distance between a clip's frames, in frames of the video.")
    ] = StatisticsConfig.frame_stride,
    hop_frames: Annotated[
        int, typer.Option(help="Distance between the starts of clips, in frames of the video.")
    ] = StatisticsConfig.hop_frames,
    map_short_side_px: Annotated[
        int, typer.Option(help="Shorter side of the stored maps, in pixels.")
    ] = StatisticsConfig.map_short_side_px,
    hue: Annotated[
        Hue, typer.Option(help="Hue as it is, or as the published code has it (for parity only).")
    ] = StatisticsConfig.hue,
    motion: Annotated[
        Motion, typer.Option(help="Difference of frames as they are, or after undoing the camera's motion.")
    ] = StatisticsConfig.motion,
    frames: Frames = None,
    jobs: Jobs = None,
    backend: BackendOption = "processes",
    address: Address = "",
    part: SliceOption = "",
) -> int:
    """Compute the seed, the colour bins and the colour counts of every clip, once.

    How much is foreground (beta), the mask's variant, the new background and the branch are chosen when
    pretraining: one pass over the videos serves all of them.
    """
    del recipe, settings  # their callbacks have given the other options their defaults
    config = StatisticsConfig(clip_frames, frame_stride, hop_frames, map_short_side_px, hue, motion)
    workers = choose_workers(jobs, backend, address, part)
    work = place(work, workers)
    from fame_cli.data.frames import open_frame_store
    from fame_cli.data.manifest import read_manifest
    from fame_cli.data.statistics import compute
    from fame_cli.stage import SliceDoneError

    store = open_frame_store(work, read_manifest(work), frames)
    try:
        with console.progress("statistics", "videos") as tell:
            report = compute(work, store, config, workers, tell)
    except SliceDoneError as slice_done:
        console.say(str(slice_done))
        return DONE
    clips = sum(summary["clips"] for summary in report.summaries)
    say_stage(report, f"statistics of {clips} clips")
    return DONE
