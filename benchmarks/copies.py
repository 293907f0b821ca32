"""More videos than there are: the same ones under other names."""

from pathlib import Path


def linked_copies(videos: Path, folder: Path, count: int) -> None:
    """Link every file below ``videos`` ``count`` times into ``folder``, in the folders that it has."""
    for file in sorted(path for path in videos.rglob("*") if path.is_file()):
        for number in range(count):
            target = folder / file.relative_to(videos).parent / f"copy{number:03d}_{file.name}"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(file.resolve())
