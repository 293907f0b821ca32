"""The direction of imports, and who alone may touch what."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "fame_cli"
FLOORS = [
    "errors libraries",
    "option",
    "configuration",
    "method",
    "config disk child extension streams",
    "sealed limits",
    "lock shard",
    "advice",
    "workers record",
    "foreground recipe stage",
    "distraction forecast",
    "data",
    "learning inventory",
    "evaluation segmentation doctor",
    "visualization",
    "demo export",
    "cli",
]
FLOOR = {room: height for height, rooms in enumerate(FLOORS) for room in rooms.split()}
FILES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


def imported(path: str) -> set[str]:
    """Names of all modules that a file imports anywhere, types only included."""
    found = set()
    for node in ast.walk(ast.parse((PACKAGE / path).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room_of(path: str) -> str:
    return path.removesuffix(".py").split("/")[0]


@pytest.mark.parametrize("path", FILES)
def test_imports_go_downwards_only(path: str) -> None:
    room = room_of(path)
    if room in ("__init__", "__main__"):
        return
    for module in imported(path):
        parts = module.split(".")
        if parts[0] == "fame_cli" and parts[1] in FLOOR and parts[1] != room:
            assert FLOOR[parts[1]] < FLOOR[room], f"{path} imports {module}"


@pytest.mark.parametrize(
    ("package", "allowed"),
    [
        ("typer", {"cli"}),
        ("rich", {"cli"}),
        ("h5py", {"data/packed.py"}),
        ("matplotlib", {"visualization"}),
        ("wandb", {"learning/trackers.py"}),
        ("mlflow", {"learning/trackers.py"}),
    ],
)
def test_package_is_imported_only_where_it_belongs(package: str, allowed: set[str]) -> None:
    users = {path for path in FILES if any(name.split(".")[0] == package for name in imported(path))}
    assert users
    assert all(path in allowed or room_of(path) in allowed for path in users)


def test_only_the_readers_open_a_video() -> None:
    users = {path for path in FILES if re.search(r"VideoCapture|\bav\.open", (PACKAGE / path).read_text())}
    assert users == {"data/opencv_reader.py", "data/pyav_reader.py"}


@pytest.mark.parametrize(
    "path",
    [
        *(path for path in FILES if path.startswith(("foreground/", "distraction/"))),
        *("learning/objectives/losses.py", "learning/schedule.py", "data/clips.py", "data/views.py"),
    ],
)
def test_formulas_never_touch_a_disk(path: str) -> None:
    disk = {"pathlib", "os", "io", "h5py", "shutil"}
    assert not disk & {name.split(".")[0] for name in imported(path)}
    assert not re.search(r"\bim(read|write)\b|VideoCapture", (PACKAGE / path).read_text())


def test_no_file_is_named_for_everything() -> None:
    assert not {"utils", "util", "misc", "common", "helpers"} & {Path(path).stem for path in FILES}
