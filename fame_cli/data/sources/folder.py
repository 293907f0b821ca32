"""Videos in class folders, in split folders of class folders, or flat with no labels."""

from pathlib import Path

from fame_cli.data.manifest import Video
from fame_cli.data.sources.annotations import SPLIT_NAMES
from fame_cli.data.sources.check import Check, Finding, Indexed, both_sides, count_splits, no_videos
from fame_cli.data.sources.files import find_videos


def index_folder(root: Path) -> Indexed:
    """Index ``root/class/video``, ``root/split/class/video`` or ``root/video``.

    The first level is read as splits if every folder on it is called train, val or test (or a longer form of
    these). Raises InputError if there is no video.
    """
    listing = find_videos(root)
    files = listing.videos
    folders = [file.folders for file in files]
    split_folders = all(names and names[0].lower() in SPLIT_NAMES for names in folders)
    videos = []
    for file, names in zip(files, folders, strict=True):
        split = SPLIT_NAMES[names[0].lower()] if split_folders else ""
        classes = names[1:] if split_folders else names
        videos.append(file.video(classes[0] if classes else "", split))
    findings = [both_sides((video.path, video.split) for video in videos), no_videos(listing)]
    first_level = {names[0] for names in folders if names}
    # A single one may well be a class: trains can be filmed.
    if not split_folders and sum(name.lower() in SPLIT_NAMES for name in first_level) > 1:
        findings.append(
            Finding(
                "not splits",
                "folders next to those of splits, so all are read as classes",
                tuple(sorted(name for name in first_level if name.lower() not in SPLIT_NAMES)) or (".",),
                "Move them elsewhere to read train and test as splits.",
            )
        )
    reported = tuple(finding for finding in findings if finding.names)
    return Indexed(root, {"source": "folder"}, tuple(videos), Check(summary(videos), reported))


def summary(videos: list[Video]) -> str:
    classes = len({video.label for video in videos if video.label})
    splits = (
        f": {count_splits(video.split for video in videos)}" if any(video.split for video in videos) else ""
    )
    where = f"in {classes} {'class' if classes == 1 else 'classes'}" if classes else "without classes"
    return f"{len(videos)} videos {where} on disk{splits}."
