"""UCF101: class folders and the official split files (Soomro et al. 2012)."""

from pathlib import Path

from fame_cli.data.manifest import Manifest, find_video_files, index_file
from fame_cli.errors import ConfigurationError, InputError

OFFICIAL_FOLDER = "ucfTrainTestlist"


def index_ucf101(root: Path, annotations: Path | None, split: int) -> Manifest:
    """Index UCF101's class folders with official split 1, 2 or 3.

    ``annotations`` holds trainlist0N.txt and testlist0N.txt; by default ``ucfTrainTestlist`` in or beside
    ``root``. A video that the split does not name has an empty split. ``source`` tells how many videos
    the split names that are not on disk.
    """
    if split not in (1, 2, 3):
        raise ConfigurationError(f"--split is {split}; UCF101 has the splits 1, 2 and 3.")
    lists = annotations or find_annotations(root)
    named = {
        name: part for part in ("train", "test") for name in read_list(lists / f"{part}list{split:02d}.txt")
    }
    videos, on_disk = [], set()
    for path in find_video_files(root):
        name = f"{path.parent.name}/{path.name}"
        on_disk.add(name)
        videos.append(index_file(root, path, label=path.parent.name, split=named.get(name, "")))
    source = {
        "source": "ucf101",
        "split": split,
        "named_by_split": len(named),
        "missing_on_disk": len(set(named) - on_disk),
    }
    return Manifest(root, source, tuple(videos))


def find_annotations(root: Path) -> Path:
    for folder in (root / OFFICIAL_FOLDER, root.parent / OFFICIAL_FOLDER):
        if folder.is_dir():
            return folder
    raise InputError(
        f"found no {OFFICIAL_FOLDER} in or beside {root}.",
        "Name the folder of UCF101's official split files: --annotations FOLDER",
    )


def read_list(path: Path) -> list[str]:
    """Names in an official list, ``Class/video.avi`` with or without a class number behind it."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"cannot read the split file {path}: {error}.",
            "Name the folder of UCF101's official split files: --annotations FOLDER",
        ) from error
    return [line.split()[0] for line in lines if line.strip()]
