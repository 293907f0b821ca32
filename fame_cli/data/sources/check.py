"""The check before any work: annotations compared with the files on disk."""

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fame_cli.data.group import ucf101_group
from fame_cli.data.manifest import Manifest, Video
from fame_cli.data.sources.annotations import Annotations
from fame_cli.data.sources.files import Listing, VideoFile
from fame_cli.disk import write_text
from fame_cli.errors import InputError
from fame_cli.names import compose_accents

EXAMPLES = 3


class NoMatchError(InputError):
    """None of the files on disk is listed."""


@dataclass(frozen=True)
class Finding:
    """One kind of problem, and the names of all videos that have it."""

    kind: str
    message: str
    names: tuple[str, ...]
    hint: str

    def __str__(self) -> str:
        examples = ", ".join(escape_name(name) for name in self.names[:EXAMPLES])
        more = len(self.names) - EXAMPLES
        listed = f"{examples}, and {more} more" if more > 0 else examples
        return f"{self.message} ({len(self.names)}): {listed}. {self.hint}"


@dataclass(frozen=True)
class Check:
    """The result of comparing annotations with the files on disk."""

    summary: str
    findings: tuple[Finding, ...] = ()
    expected_frames: Mapping[str, int] = field(default_factory=dict)
    """Published length of videos by id, if given in the annotations."""


@dataclass(frozen=True)
class Indexed(Manifest):
    """A freshly indexed manifest and the result of the check."""

    check: Check


def match(
    root: Path,
    source: Mapping[str, Any],
    title: str,
    listing: Listing,
    annotations: Annotations,
    key: Callable[[VideoFile], str],
    label: Callable[[VideoFile], str] | None = None,
) -> Indexed:
    """Index the files, each with its class and split from the annotations.

    ``key`` returns the key of a file in the annotations. ``label`` returns the class of a file for which they
    give none; without it, files that are not listed are left out. Raises NoMatchError if none of the files
    is listed.
    """
    named, files = annotations.videos, listing.videos
    keyed = list(zip(in_writing_of(named, [key(file) for file in files]), files, strict=True))
    holders: dict[str, str] = {}
    for name, file in keyed:
        if name in named:
            holders.setdefault(name, file.path)
    if not holders:
        raise no_match_error(root, title, files, annotations)
    videos = []
    for name, file in keyed:
        if name in named:
            split = named[name].split if holders[name] == file.path else ""
            video = file.video(named[name].label or (label(file) if label else ""), split)
            videos.append(replace(video, group=named[name].group))
        elif label:
            videos.append(file.video(label(file)))
    unknown = [file.path for name, file in keyed if name not in named]
    findings = [
        missing(annotations, holders),
        report_not_named(unknown, title, kept=label is not None),
        report_repeated([file.path for name, file in keyed if holders.get(name, file.path) != file.path]),
        report_contradicted(annotations),
        both_sides((video.name, video.split) for video in named.values()),
        no_videos(listing),
    ]
    counts = {"named": len(named), "named_on_disk": len(holders), "not_named": len(unknown)}
    check = Check(
        summary=f"{title} names {count_splits(video.split for video in named.values())}; "
        f"{count_splits(named[name].split for name in holders)} of these are on disk.",
        findings=tuple(finding for finding in findings if finding.names),
        expected_frames={path: named[name].frames for name, path in holders.items() if named[name].frames},
    )
    return Indexed(root, {**source, **counts}, tuple(videos), check)


def in_writing_of(named: Collection[str], keys: Sequence[str]) -> list[str]:
    """The keys of files, in the Unicode form of the annotations if only that differs.

    An accent may be part of its letter or follow it, which looks the same. If both forms are on disk, they
    are different files.
    """
    known = {key for key in keys if key in named}
    alike = {compose_accents(name): name for name in named if name not in known}
    return [key if key in known else alike.get(compose_accents(key), key) for key in keys]


def no_videos(listing: Listing) -> Finding:
    return Finding(
        "no video",
        "not videos by name or content",
        tuple(listing.others),
        "They are left out.",
    )


def missing(annotations: Annotations, holders: Mapping[str, str]) -> Finding:
    names = [video.name for key, video in annotations.videos.items() if video.split and key not in holders]
    return Finding("missing", "named but not on disk", tuple(names), "Get them, or continue without them.")


def report_not_named(paths: Sequence[str], title: str, *, kept: bool) -> Finding:
    what_becomes = "They are extracted and belong to no split." if kept else "They are left out."
    return Finding("not named", f"on disk but not named by {title}", tuple(paths), what_becomes)


def report_repeated(paths: Sequence[str]) -> Finding:
    return Finding(
        "repeated",
        "with the same name as another video",
        tuple(paths),
        "They are extracted and belong to no split: remove one of each.",
    )


def report_contradicted(annotations: Annotations) -> Finding:
    return Finding(
        "contradicted",
        "listed twice, with different splits or classes",
        annotations.contradicted,
        "The first is used: correct the annotations.",
    )


def no_match_error(
    root: Path, title: str, files: Sequence[VideoFile], annotations: Annotations
) -> NoMatchError:
    named = next((named.name for named in annotations.videos.values()), "nothing")
    on_disk = escape_name(files[0].path) if files else "no video"
    return NoMatchError(
        f"{title} names none of the {len(files)} videos in {root}.",
        f"It names {escape_name(named)}, for example; on disk is {on_disk}, for example. "
        "Check DATA, --source and --annotations.",
    )


def both_sides(videos: Iterable[tuple[str, str]]) -> Finding:
    """Groups of UCF101 (gNN within a class) whose videos, given by name and split, are in several splits.

    The videos of a group are cut from the same film, so a network could recognise a test video by its room.
    """
    sides: dict[str, set[str]] = defaultdict(set)
    for name, split in videos:
        if split and (group := ucf101_group(name)):
            sides[group].add(split)
    leaks = tuple(f"{group} ({', '.join(sorted(on))})" for group, on in sides.items() if len(on) > 1)
    return Finding(
        "both sides",
        "groups of UCF101 on both sides of the split",
        leaks,
        "Test videos would come from films seen in training.",
    )


def other_lengths(check: Check, videos: Iterable[Video]) -> Finding:
    """Decoded videos whose length differs from the published one by more than decoders differ."""
    other = []
    for video in videos:
        expected = check.expected_frames.get(video.id, 0)
        if video.usable and expected and abs(video.frame_count - expected) > max(5, expected // 20):
            other.append(f"{video.path} ({video.frame_count} frames, published {expected})")
    return Finding(
        "length",
        "of a length other than published",
        tuple(other),
        "Are the files cut as released?",
    )


def count_splits(splits: Iterable[str]) -> str:
    """A text such as "9537 train and 3783 test videos"."""
    count = Counter(splits)
    known = [split for split in ("train", "val", "test") if count[split]]
    others = sorted(count.keys() - {*known, ""})
    parts = [f"{count[split]} {escape_name(split)}" for split in [*known, *others]]
    parts += [f"{count['']} unused"] if count[""] else []
    listed = f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else "".join(parts)
    return f"{listed or 'no'} videos"


def escape_name(name: str) -> str:
    """A name printable on one line of any terminal, whatever its bytes are."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def check_path(work: Path) -> Path:
    return work / "check.csv"


def write_findings(work: Path, findings: Sequence[Finding]) -> None:
    """Write all names of all findings to ``check.csv``, or remove an old one if there are none."""
    if not findings:
        check_path(work).unlink(missing_ok=True)
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["finding", "name"])
    writer.writerows((finding.kind, name) for finding in findings for name in finding.names)
    write_text(check_path(work), text.getvalue())
