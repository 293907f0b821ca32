"""``fame demo``: the whole toolkit on videos made on the spot."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fame_cli.cli import console
from fame_cli.cli.options import output_folder
from fame_cli.cli.plan import Plan
from fame_cli.cli.pretrain import Device
from fame_cli.cli.steps import Step, take
from fame_cli.cli.workers import Jobs

if TYPE_CHECKING:
    from fame_cli.demo.material import Demo

LOADERS = 1
"""The small network leaves time to load the next batch beside it."""


def demo(
    output: Annotated[Path, output_folder("Folder of the demo.", "OUT")] = Path("demo"),
    device: Device = "auto",
    jobs: Jobs = None,
    small: Annotated[
        bool, typer.Option("--quick", help="Only check that everything works here, within a minute.")
    ] = False,
) -> int:
    """Show background bias, before and after, within minutes on two cores: no download, no GPU.

    Generates a small set of videos, goes the way of fame run with them for MoCo+FAME and for MoCo, evaluates
    both where the background tells nothing and where it misleads, and writes report.html. Each command is
    printed before it is carried out. If it is interrupted, the same command resumes.
    """
    from fame_cli.demo.material import Demo, make_videos, quick
    from fame_cli.demo.page import make_page

    demo = quick(Demo(output)) if small else Demo(output)
    make_videos(demo, console.progress_with_note)
    extract_on: list[object] = ["--jobs", jobs] if jobs else []
    learn_on: list[object] = ["--device", device] if device != "auto" else []
    if code := take(lambda: steps_of(demo, learn_on, extract_on)):
        return code
    console.say(f"\nOpen {make_page(demo)}")
    return 0


def steps_of(demo: "Demo", learn_on: list[object], extract_on: list[object]) -> Iterator[Step]:
    """fame run as far as the pretrained networks, then their evaluation on the two labelled sets."""
    from fame_cli.data.sources.folder import index_folder
    from fame_cli.demo.material import METHODS, PRETRAIN, SETS, UNTRAINED

    videos = demo.videos("pretrain")
    plan = Plan(
        videos,
        demo.folder,
        index_folder(videos.absolute()),
        recipe=str(demo.recipe),
        compare="moco",
        learn_on=[*learn_on, "--workers", LOADERS],
        extract_on=extract_on,
    )
    yield from plan.learning()
    for name in SETS:
        yield Step(
            f"Decode the labelled videos: {name}",
            ["extract", demo.videos(name), "-o", demo.work(name), *extract_on],
        )
    options = ["--recipe", demo.recipe, *learn_on]
    for method in (UNTRAINED, *METHODS):
        weights = ["--weights", "random", "--backbone", PRETRAIN.backbone] if method == UNTRAINED else []
        for name, text in SETS.items():
            yield Step(
                f"Linear probe: {method}, {text}",
                ["eval", "linear", demo.work(name), demo.run(method), *weights, *options],
            )
    for method in METHODS:
        yield Step(
            f"Retrieval: {method}", ["eval", "retrieval", demo.work("neutral"), demo.run(method), *options]
        )
