"""What a shell offers for a word that is being typed: recipes, datasets, folders, choices."""

import glob
import os
from collections.abc import Callable, Iterable
from pathlib import Path

Complete = Callable[[str], list[str]]


def complete_names(names: Iterable[str]) -> Complete:
    """Offers names that begin as what was typed."""
    known = list(names)

    def complete(incomplete: str) -> list[str]:
        return [name for name in known if name.startswith(incomplete)]

    return complete


def complete_recipe(incomplete: str) -> list[str]:
    """Recipes that come with the toolkit, and files on disk."""
    from fame_cli.recipe import shipped_recipes

    return complete_names(shipped_recipes())(incomplete) + list_paths(incomplete)


def complete_dataset(incomplete: str) -> list[str]:
    from fame_cli.data.sources.catalogue import DATASETS

    return complete_names(DATASETS)(incomplete)


def complete_run(incomplete: str) -> list[str]:
    """RUN folders, and folders on the way to them."""
    from fame_cli.learning.run import is_run

    return list_folders(incomplete, is_run)


def complete_work(incomplete: str) -> list[str]:
    """WORK folders, and folders on the way to them."""
    from fame_cli.data.manifest import is_work

    return list_folders(incomplete, is_work)


def complete_work_or_run(incomplete: str) -> list[str]:
    return sorted({*complete_work(incomplete), *complete_run(incomplete)})


def list_folders(incomplete: str, wanted: Callable[[Path], bool]) -> list[str]:
    """Folders that are wanted; where none of those is, the others, which may lead to one."""
    folders = [path for path in list_paths(incomplete) if os.path.isdir(path)]
    fitting = [path for path in folders if wanted(Path(path))]
    return fitting or [f"{path}/" for path in folders]


def list_paths(incomplete: str) -> list[str]:
    return sorted(glob.glob(f"{glob.escape(incomplete)}*"))
