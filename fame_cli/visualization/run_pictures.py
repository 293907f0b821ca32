"""The pictures that ``fame visualize`` drew of a run, with what there is to see in them."""

import json
from collections.abc import Iterator
from pathlib import Path

from fame_cli import record
from fame_cli.errors import ArtefactError
from fame_cli.visualization.pointing import AREA
from fame_cli.visualization.report import Block, PagePicture, Section, Table

FOCUS = "cam.json"
GALLERY = {
    "cam.png": "Where the networks look. Class-agnostic: where they respond at all; predicted class: what "
    "speaks for it. A network that goes by the motion is red where something moves, one that goes by the "
    "background elsewhere.",
    "cam.gif": "The same clips, playing.",
    "saliency.png": "Where the decomposition of the networks finds motion: red should follow what moves.",
    "retrieval.png": "Test videos and their nearest training videos: of the same class (green) though the "
    "scene differs, or of the same scene though the class differs (red)?",
}
"""Pictures of ``fame visualize`` that belong to a run, with their captions."""
EVEN = (
    "An even map has as much inside a mask as the mask has of the frame: 50 % inside FAME's with β 0.5. "
    "More than that looks at the foreground, less at the background."
)
OWN_PICTURES = ("curves", "confusion-", "figures-", "chart-", "clips-")
"""How names of pictures begin that the report draws itself, or that others drew of the same."""


def galleries(pictures: Path) -> Iterator[Section]:
    """The pictures that fame visualize drew of this run, and the activation that it measured."""
    blocks: list[Block] = list(gallery(pictures))
    if (pictures / FOCUS).exists():
        blocks.insert(0, focus_table(pictures / FOCUS))
    if blocks:
        yield Section("Pictures", blocks)


def gallery(pictures: Path) -> Iterator[PagePicture]:
    """The pictures in a folder: those that are known first, then others by name."""
    for name, text in GALLERY.items():
        if (pictures / name).exists():
            yield PagePicture(pictures / name, text)
    for path in sorted(pictures.glob("*")):
        own = path.name in GALLERY or path.name.startswith(OWN_PICTURES)
        if path.suffix in (".png", ".gif") and not own:
            yield PagePicture(path, path.name, chart=path.name == "bias.png")


def focus_table(path: Path) -> Table:
    """Means of ``cam.json``: how much of the activation lies inside masks."""
    record.require_as_written(path, "Draw it again (visualize cam).")
    try:
        measured = json.loads(path.read_text(encoding="utf-8"))
        rows = [
            [
                "an even map" if mean["model"] == AREA else f"{mean['model']} {mean['map']}".strip(),
                mean["mask"],
                *("–" if mean[key] is None else f"{mean[key]:.1f}" for key in ("percent", "std")),
                str(mean["clips"]),
            ]
            for mean in measured["means"]
        ]
        mask = "{variant}, β {beta:g}".format(**measured["mask"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtefactError(f"{path}: cannot be read ({error}).", "Draw it again (visualize cam).") from error
    caption = (
        f"Share of the activation inside masks (mask: {mask}; truth: the true foreground). {EVEN} The mask "
        "favours networks that were trained with it; the truth favours none."
    )
    return Table(["model and map", "inside", "%", "standard deviation", "clips"], rows, caption)
