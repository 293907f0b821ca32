"""The ``fame`` command: what there is to call, and nothing of what it does."""

import os
import sys
from typing import Annotated

import typer

from fame_cli import streams
from fame_cli.cli import benchmark, console, evaluate, score_masks, visualize
from fame_cli.cli.bias import bias
from fame_cli.cli.cam import cam, saliency
from fame_cli.cli.compare import compare
from fame_cli.cli.datasets import check_dataset, list_datasets_by_default, show_dataset, write_annotations
from fame_cli.cli.demo import demo
from fame_cli.cli.doctor import doctor
from fame_cli.cli.embed import embed
from fame_cli.cli.export import export
from fame_cli.cli.extract import extract
from fame_cli.cli.masks import masks
from fame_cli.cli.pretrain import pretrain
from fame_cli.cli.recipes import list_by_default, show_recipe
from fame_cli.cli.report import report
from fame_cli.cli.run import run
from fame_cli.cli.status import status
from fame_cli.cli.usage import CheckedCommand, CheckedGroup
from fame_cli.cli.verify import verify
from fame_cli.cli.voice import VOICE
from fame_cli.errors import FameError
from fame_cli.limits import require_current_folder, require_memory

app = typer.Typer(
    name="fame",
    cls=CheckedGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def tell_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        console.say(f"fame {version('fame-cli')}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error (anywhere).")
    ] = False,
    version: Annotated[  # noqa: ARG001
        bool,
        typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=tell_version),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print only results, warnings and errors (anywhere).")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Print also what was chosen for you (anywhere).")
    ] = False,
) -> None:
    """Learn video representations without background bias: foreground-background merging (FAME).

    From a folder of videos to an evaluated representation: extract, masks, pretrain, eval, visualize; or all
    of it by run. Every stage keeps what it has finished; run a command again and it resumes where it stopped.
    """
    if debug:
        os.environ["FAME_DEBUG"] = "1"
    VOICE.reset()
    VOICE.quiet, VOICE.verbose = quiet, verbose


def command(function: object, example: str, name: str | None = None, group: typer.Typer = app) -> None:
    """Add a command with an example under its help."""
    assert callable(function)
    group.command(name, cls=CheckedCommand, epilog=f"Example:  {example}")(console.guard(function))


command(run, "fame run videos/ -o out --compare moco")
command(extract, "fame extract videos/ -o work --short-side-px 128")
command(masks, "fame masks work --clip-frames 16 --frame-stride 2")
command(status, "fame status work")
command(verify, "fame verify work")
command(pretrain, "fame pretrain work -o run --backbone r2plus1d_18 --batch-size 64 --epochs 200")

recipes = typer.Typer(cls=CheckedGroup, help="Recipes: the options behind each row of the paper's tables.")
app.add_typer(recipes, name="recipes")
recipes.callback(invoke_without_command=True)(list_by_default)
command(show_recipe, "fame recipes show ucf101-i3d-fame", name="show", group=recipes)

datasets = typer.Typer(cls=CheckedGroup, help="Datasets: where each is, its terms, and what a folder lacks.")
app.add_typer(datasets, name="datasets")
datasets.callback(invoke_without_command=True)(list_datasets_by_default)
command(show_dataset, "fame datasets show ucf101", name="show", group=datasets)
command(check_dataset, "fame datasets check ucf101 ucf101/", name="check", group=datasets)
command(
    write_annotations,
    "fame datasets annotations kth kth/ > kth.csv",
    name="annotations",
    group=datasets,
)

benchmarks = typer.Typer(cls=CheckedGroup, no_args_is_help=True, help="Measure what this machine does.")
app.add_typer(benchmarks, name="benchmark")
command(benchmark.train, "fame benchmark train work --backbone r2plus1d_18", group=benchmarks)

command(doctor, "fame doctor work")
command(demo, "fame demo -o demo")

evaluations = typer.Typer(
    cls=CheckedGroup, no_args_is_help=True, help="Evaluate a representation on labelled videos."
)
app.add_typer(evaluations, name="eval")
command(evaluate.linear, "fame eval linear work run --epochs 100", group=evaluations)
command(evaluate.finetune, "fame eval finetune work run --epochs 150", group=evaluations)
command(evaluate.retrieval, "fame eval retrieval work run --clips 10", group=evaluations)
command(evaluate.knn, "fame eval knn work run --neighbours 20", group=evaluations)
command(bias, "fame eval bias work run --against other-run", group=evaluations)
command(
    score_masks.masks,
    "fame eval masks --truth DAVIS -o scores --variant fame --variant seed",
    group=evaluations,
)

command(embed, "fame embed work run -o features.parquet")
command(export, "fame export run -o backbone.onnx --to onnx")

command(compare, "fame compare moco=run-1 moco=run-2 fame=run-3 fame=run-4 --protocol linear")

command(report, "fame report run")

pictures = typer.Typer(cls=CheckedGroup, no_args_is_help=True, help="Draw pictures of data and results.")
app.add_typer(pictures, name="visualize")
command(visualize.masks, "fame visualize masks work --count 8 --beta 0.5", group=pictures)
command(visualize.merge, "fame visualize merge work --count 6", group=pictures)
command(visualize.distractions, "fame visualize distractions work --count 4 --gamma 0.3", group=pictures)
command(cam, "fame visualize cam work run other-run --split test", group=pictures)
command(saliency, "fame visualize saliency work run other-run --split test", group=pictures)
command(visualize.retrieval, "fame visualize retrieval work run --neighbours 6", group=pictures)
command(visualize.confusion, "fame visualize confusion run --protocol linear", group=pictures)
command(visualize.bias, "fame visualize bias run other-run", group=pictures)
command(visualize.curves, "fame visualize curves run other-run", group=pictures)


def main() -> None:
    streams.interrupts_end_at_once()
    streams.guard_streams()
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    if len(arguments) < len(sys.argv) - 1:
        os.environ["FAME_DEBUG"] = "1"
    try:
        require_current_folder()
        require_memory(arguments)
        app(arguments, prog_name="fame")
    except FameError as error:
        # Raised before any command could catch it: by these checks, or by output that cannot be written.
        sys.exit(console.explain(error))
