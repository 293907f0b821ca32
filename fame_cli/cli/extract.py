"""``fame extract``: videos to a manifest and a frame store."""

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fame_cli.cli import console
from fame_cli.config import ExtractConfig
from fame_cli.errors import DONE, SOME_INPUTS_FAILED, ConfigurationError

if TYPE_CHECKING:
    from fame_cli.data.manifest import Manifest
    from fame_cli.stage import Report

FAILURES_SHOWN = 10


def available_cores() -> int:
    return len(os.sched_getaffinity(0))


Jobs = Annotated[
    int | None,
    typer.Option("--jobs", "-j", min=1, help="Worker processes.", show_default="all cores", metavar="N"),
]


def extract(
    data: Annotated[Path, typer.Argument(help="Folder of videos.", metavar="DATA")],
    work: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.", metavar="WORK")],
    source: Annotated[
        Literal["folder", "ucf101"],
        typer.Option(help="How DATA is laid out: class folders or flat; or UCF101 with its split files."),
    ] = "folder",
    annotations: Annotated[
        Path | None,
        typer.Option(
            help="Folder of UCF101's official split files.", show_default="ucfTrainTestlist in or beside DATA"
        ),
    ] = None,
    split: Annotated[int, typer.Option(help="Official split: 1, 2 or 3 (UCF101).")] = 1,
    short_side_px: Annotated[
        int, typer.Option(help="Shorter side of the stored frames, in pixels.")
    ] = ExtractConfig.short_side_px,
    jpeg_quality: Annotated[
        int, typer.Option(help="JPEG quality of the stored frames, 1 to 100.")
    ] = ExtractConfig.jpeg_quality,
    jobs: Jobs = None,
) -> int:
    """Decode videos once into packed JPEG frames, and list them in WORK/manifest.csv.

    DATA holds class folders (DATA/class/video.mp4), split folders of class folders
    (DATA/train/class/video.mp4), or just videos without labels. Videos extracted before with the same
    options are not decoded again; a video that cannot be read is listed with its reason.
    """
    config = ExtractConfig(short_side_px=short_side_px, jpeg_quality=jpeg_quality)
    from fame_cli.data.frames import extract as extract_frames
    from fame_cli.data.manifest import write_manifest

    found = index(data, work, source, annotations, split)
    work.mkdir(parents=True, exist_ok=True)
    write_manifest(work, found)
    with console.progress("extracting", "videos") as tell:
        report, finished = extract_frames(work, found, config, jobs or available_cores(), tell)
    write_manifest(work, finished)
    return summarise(report, finished)


def index(data: Path, work: Path, source: str, annotations: Path | None, split: int) -> "Manifest":
    from fame_cli.data.manifest import combine
    from fame_cli.data.sources.folder import index_folder
    from fame_cli.data.sources.ucf101 import index_ucf101

    data = data.absolute()
    if source == "ucf101":
        found = index_ucf101(data, annotations, split)
        unnamed = sum(not video.split for video in found.videos)
        console.say(
            f"UCF101 split {split} names {found.source['named_by_split']} videos, "
            f"{found.source['missing_on_disk']} of them not on disk; "
            f"{len(found.videos)} videos on disk, {unnamed} of them not in the split."
        )
    elif annotations is not None:
        raise ConfigurationError("--annotations goes with --source ucf101.")
    else:
        found = index_folder(data)
    return combine(work, found)


def summarise(report: "Report", manifest: "Manifest") -> int:
    """Say what was done, name what failed; returns the exit code."""
    count = Counter(video.status for video in manifest.videos)
    frames = sum(video.frames for video in manifest.videos)
    say_stage(report, f"{len(manifest.videos)} videos, {frames} frames")
    troubled = [video for video in manifest.videos if video.status != "ok"]
    for video in troubled[:FAILURES_SHOWN]:
        console.warn(f"{video.path}: {video.status}: {video.reason}")
    if len(troubled) > FAILURES_SHOWN:
        console.warn(f"and {len(troubled) - FAILURES_SHOWN} more: see status and reason in manifest.csv")
    if not troubled:
        return DONE
    console.say(f"{count['ok']} ok, {count['partial']} partial, {count['failed']} failed.")
    return SOME_INPUTS_FAILED


def say_stage(report: "Report", content: str) -> None:
    """One line on what a stage did; the other stages' commands use it too."""
    if report.remade:
        console.warn(f"damaged or out of date, made again: {', '.join(report.remade)} in {report.folder}")
    if report.made == 0:
        console.say(f"Nothing to do: {content} already in {report.folder}")
    else:
        kept = f" ({report.kept} shards kept from before)" if report.kept else ""
        console.say(f"Done in {console.duration(report.seconds)}: {content} in {report.folder}{kept}")
