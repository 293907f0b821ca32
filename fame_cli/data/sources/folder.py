"""Videos in class folders, in split folders of class folders, or flat with no labels."""

from pathlib import Path

from fame_cli.data.manifest import Manifest, find_video_files, index_file

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


def index_folder(root: Path) -> Manifest:
    """Index ``root/class/video``, ``root/split/class/video`` or ``root/video``.

    The first level counts as splits where every folder on it is called train, val or test (or a
    longer form of these). Raises InputError where there is no video.
    """
    files = find_video_files(root)
    parts = [path.relative_to(root).parts[:-1] for path in files]
    split_folders = all(part and part[0].lower() in SPLIT_NAMES for part in parts)
    videos = []
    for path, part in zip(files, parts, strict=True):
        split = SPLIT_NAMES[part[0].lower()] if split_folders else ""
        folders = part[1:] if split_folders else part
        videos.append(index_file(root, path, label=folders[0] if folders else "", split=split))
    return Manifest(root, {"source": "folder"}, tuple(videos))
