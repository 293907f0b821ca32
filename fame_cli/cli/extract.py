"""``fame extract``: videos to a manifest and a frame store."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fame_cli.cli import console
from fame_cli.cli.dry_run import tell_forecast
from fame_cli.cli.options import DryRun, choice, output_folder, own_number, takes
from fame_cli.cli.recipes import RecipeOption
from fame_cli.cli.workers import Address, BackendOption, Jobs, SliceOption, choose_workers, place
from fame_cli.config import ExtractConfig
from fame_cli.data.sources import SourceName
from fame_cli.errors import DONE, SOME_INPUTS_FAILED
from fame_cli.option import Option

if TYPE_CHECKING:
    from fame_cli.data.manifest import Manifest
    from fame_cli.data.sources.check import Check, Indexed
    from fame_cli.stage import Report

FAILURES_SHOWN = 10

Source = Annotated[
    SourceName,
    choice(
        "source",
        SourceName,
        help="What tells the class and split of a video: its folders (folder), or the annotations of "
        "ucf101, hmdb51, diving48, kinetics or csv.",
        metavar="NAME",
    ),
]
AnnotationsOption = Annotated[
    Path | None,
    typer.Option(
        "--annotations",
        help="ucf101, hmdb51, diving48: folder of the official lists. kinetics: CSV file or folder of "
        "them, or none to go by folders. csv: CSV file with the columns path, label, split.",
        show_default="in or beside DATA",
        metavar="PATH",
    ),
]
OfficialSplit = Annotated[
    int | None,
    typer.Option(
        "--split", help="Official split, 1, 2 or 3 (ucf101, hmdb51).", show_default="1", metavar="N"
    ),
]
HOLD_OUT = Option(
    "Where videos have no splits: share of them to test on, drawn by their names; whole groups where videos "
    "come in groups.",
    above=0,
    at_most=0.9,
)
HoldOut = Annotated[float | None, own_number("hold_out", float, HOLD_OUT, metavar="SHARE")]
Data = Annotated[Path, typer.Argument(help="Folder of videos.", metavar="DATA")]


@takes(ExtractConfig)
def extract(
    config: ExtractConfig,
    data: Data,
    work: Annotated[Path, output_folder("Folder for the results.", "WORK")],
    recipe: RecipeOption = None,  # noqa: ARG001
    source: Source = "folder",
    annotations: AnnotationsOption = None,
    split: OfficialSplit = None,
    hold_out: HoldOut = None,
    check: Annotated[
        bool, typer.Option("--check", help="Compare annotations with the files on disk, then exit.")
    ] = False,
    dry_run: DryRun = False,
    jobs: Jobs = None,
    backend: BackendOption = "processes",
    address: Address = "",
    part: SliceOption = "",
) -> int:
    """Decode videos once into packed JPEG frames and list them in WORK/manifest.csv.

    DATA contains class folders (DATA/class/video.mp4), split folders of class folders
    (DATA/train/class/video.mp4), videos without labels, or the dataset selected by --source. Before any work,
    differences between annotations and files on disk are reported and listed in WORK/check.csv. Videos
    already extracted with the same options are not decoded again; a video that cannot be read is listed with
    the reason.
    """
    workers = choose_workers(jobs, backend, address, part)
    work = place(work, workers)
    from fame_cli.data.manifest import place_note, write_manifest
    from fame_cli.data.sources.index import index_videos

    if note := place_note(data, work):
        console.warn(note)
    found = index_videos(data.absolute(), source, annotations, split, hold_out)
    if check:
        return tell_findings(found.check, work)
    if dry_run:
        return forecast_extraction(work, found, config)
    from fame_cli.data.frames import extract as extract_frames
    from fame_cli.disk import translate_os_errors
    from fame_cli.lock import locked
    from fame_cli.stage import SliceDoneError

    with translate_os_errors(work):
        work.mkdir(parents=True, exist_ok=True)
    with locked(work, workers.slice):
        manifest = carry_over_known(work, found)
        tell_findings(found.check, work)
        write_manifest(work, manifest)
        try:
            with console.progress("extracting", "videos") as tell:
                report, finished = extract_frames(work, manifest, config, workers, tell)
        except SliceDoneError as slice_done:
            console.say(str(slice_done))
            return DONE
        write_manifest(work, finished)
    if config.max_fps == 0:
        tell_lengths(found.check, finished)
    return summarise(report, finished)


def forecast_extraction(work: Path, found: "Indexed", config: ExtractConfig) -> int:
    from fame_cli.data.frames import extraction
    from fame_cli.forecast import forecast_stage

    console.output(console.visible(found.check.summary))
    forecast = forecast_stage("frames", *extraction(work, carry_over_known(work, found), config))
    return tell_forecast(forecast, "it is from the third shard on: start, and ask again.")


def carry_over_known(work: Path, found: "Manifest") -> "Manifest":
    """The videos in the order that WORK has them, those that are gone at their places too."""
    from fame_cli.data.manifest import DamagedManifestError, carry_over, is_work, read_manifest
    from fame_cli.data.rebuild import carry_over_receipts
    from fame_cli.data.sources.check import Finding

    if not is_work(work):
        return found
    try:
        old = read_manifest(work)
    except DamagedManifestError as error:
        console.warn(f"{error.message} Rebuilding the list of videos.")
        return carry_over_receipts(work, found)
    manifest = carry_over(work, old, found)
    before = {video.id: video for video in old.videos}
    gone = Finding(
        "removed",
        "not among the videos any more",
        tuple(video.path for video in manifest.videos if video.status == "removed"),
        "They take no part in anything; their frames are kept in case they come back.",
    )
    other = Finding(
        "relabelled",
        "of another label or split than before",
        tuple(
            video.path
            for video in manifest.videos
            if video.status != "removed"
            and (known := before.get(video.id))
            and known.status != "removed"
            and (known.label, known.split) != (video.label, video.split)
        ),
        "If that is not meant, give the --source, --annotations, --split and --hold-out of before.",
    )
    for finding in (gone, other):
        if finding.names:
            console.warn(str(finding))
    return manifest


def tell_findings(check: "Check", work: Path) -> int:
    """Say what the check found and list all names in ``check.csv``; returns the exit code of ``--check``."""
    from fame_cli.data.sources.check import check_path, escape_name, write_findings

    console.say(escape_name(check.summary))
    for finding in check.findings:
        console.warn(str(finding))
    write_findings(work, check.findings)
    if not check.findings:
        return DONE
    console.say(f"All names: {escape_name(str(check_path(work)))}")
    return SOME_INPUTS_FAILED


def tell_lengths(check: "Check", manifest: "Manifest") -> None:
    from fame_cli.data.sources.check import other_lengths

    if (finding := other_lengths(check, manifest.videos)).names:
        console.warn(str(finding))


def summarise(report: "Report", manifest: "Manifest") -> int:
    """Say what was done, name what failed; returns the exit code."""
    from fame_cli.data.sources.check import escape_name

    count = Counter(video.status for video in manifest.videos)
    frames = sum(video.frame_count for video in manifest.videos if video.usable)
    say_stage(report, f"{len(manifest.videos) - count['removed']} videos, {frames} frames")
    troubled = [video for video in manifest.videos if video.status in ("partial", "failed")]
    for video in troubled[:FAILURES_SHOWN]:
        console.warn(escape_name(f"{video.path}: {video.status}: {video.reason}"))
    if len(troubled) > FAILURES_SHOWN:
        console.warn(f"and {len(troubled) - FAILURES_SHOWN} more: see status and reason in manifest.csv")
    if not troubled:
        return DONE
    console.say(f"{count['ok']} ok, {count['partial']} partial, {count['failed']} failed.")
    return SOME_INPUTS_FAILED


def say_stage(report: "Report", content: str) -> None:
    """One line on what a stage did; the other stages' commands use it too."""
    from fame_cli.data.sources.check import escape_name

    folder = escape_name(str(report.folder))
    if report.remade:
        named, more = report.remade[:FAILURES_SHOWN], len(report.remade) - FAILURES_SHOWN
        rest = f" and {more} more" if more > 0 else ""
        console.warn(f"damaged or out of date, made again: {', '.join(named)}{rest} in {folder}")
    if report.made == 0:
        console.say(f"Nothing to do: {content} already in {folder}")
    else:
        kept = f" ({report.kept} shards kept from before)" if report.kept else ""
        console.say(f"Done in {console.duration(report.seconds)}: {content} in {folder}{kept}")
