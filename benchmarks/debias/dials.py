"""How much does each method go by the background, and by what clings to the thing that moves?

    python -m benchmarks.debias.dials --out dials

trains every method on made videos with both dials of ``fame_cli.data.made_plan.Dials`` at each point of a
grid, from several seeds; see docs/debias.md. Stopped at any time, the same command goes on: all trainings and
evaluations are kept below OUT/wide W micro M/. OUT/table.md, table.json and grid.png tell what came out.
"""

import argparse
import dataclasses
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.debias.comparison import compare_methods
from benchmarks.debias.material import Material, Size, made_material
from benchmarks.debias.runs import DIALLED, UNTRAINED, baseline_of
from benchmarks.debias.table import Cell, difference
from fame_cli.cli.console import progress_with_note
from fame_cli.data.made_plan import Dials
from fame_cli.disk import write_json, write_text
from fame_cli.errors import ConfigurationError
from fame_cli.evaluation.compare import percent
from fame_cli.evaluation.evaluation import Phase
from fame_cli.visualization.charts import new_figure, save_figure

METHODS = (UNTRAINED, *DIALLED)
FRAME_STRIDE = 1
"""Clips of 8 of the 16 frames: with every second one a video would have no other time for BE's negative."""

MADE_SIZE = Size()

SETTINGS = (0.0, 0.5, 1.0)
GRID = tuple(Dials(wide, micro) for micro in SETTINGS for wide in SETTINGS)

Grid = Mapping[Dials, Sequence[Cell]]


@dataclass(frozen=True)
class Study:
    """Which methods are put to which settings of the dials, from which seeds."""

    out: Path
    points: tuple[Dials, ...] = GRID
    methods: tuple[str, ...] = METHODS
    seeds: tuple[int, ...] = (1, 2, 3)
    size: Size = MADE_SIZE
    jobs: int = 1

    def folder(self, dials: Dials) -> Path:
        return self.out / f"wide {dials.wide:g} micro {dials.micro:g}"


def run_study(study: Study, phase: Phase) -> tuple[Grid, float]:
    """Every method at every point, as far as it is not done; the cells of each, and core minutes in all."""
    grid: dict[Dials, Sequence[Cell]] = {}
    minutes = 0.0
    for dials in study.points:
        folder = study.folder(dials)
        print(folder.name)
        materials = {seed: make_material(study, dials, seed, phase) for seed in study.seeds}
        grid[dials], cost = compare_methods(materials, study.methods, folder, study.jobs, print)
        minutes += float(str(cost["core_minutes"]))
        write_study(study, grid, minutes)  # what is there so far can be looked at
    return grid, minutes


def make_material(study: Study, dials: Dials, seed: int, phase: Phase) -> Material:
    folder = study.folder(dials) / f"set {seed}"
    return made_material(folder, study.jobs, phase, study.size, seed, dials, FRAME_STRIDE)


def as_markdown(grid: Grid, test: str) -> str:
    """A row a method; a column a point of the grid, with the difference to MoCo."""
    points = list(grid)
    methods = list(dict.fromkeys(cell.method for cell in grid[points[0]]))
    rows = [["method", *(f"wide {dials.wide:g}, micro {dials.micro:g}" for dials in points)]]
    rows.append(["---", *["---:"] * len(points)])
    for method in methods:
        row = [method]
        for dials in points:
            baseline = baseline_of(method)
            cell, base = find(grid[dials], method, test), find(grid[dials], baseline, test)
            assert cell is not None
            over = f"; {difference(cell.over(base))}" if base and method != baseline else ""
            row.append(percent(cell.mean, cell.spread, " ± ") + over)
        rows.append(row)
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def find(cells: Sequence[Cell], method: str, test: str) -> Cell | None:
    return next((cell for cell in cells if (cell.method, cell.test) == (method, test)), None)


def write_study(study: Study, grid: Grid, core_minutes: float) -> str:
    """Write ``table.json``, ``table.md`` and ``grid.png``; returns the Markdown."""
    tests = list(dict.fromkeys(cell.test for cell in next(iter(grid.values()))))
    records = [
        dataclasses.asdict(dials) | dataclasses.asdict(cell) | {"mean": cell.mean, "spread": cell.spread}
        for dials, cells in grid.items()
        for cell in cells
    ]
    about = {"seeds": study.seeds, "size": dataclasses.asdict(study.size), "core_minutes": core_minutes}
    write_json(study.out / "table.json", {**about, "cells": records})
    table = "\n".join(f"Test {test}:\n\n{as_markdown(grid, test)}" for test in tests)
    write_text(study.out / "table.md", table)
    draw_grid(study, grid, "biased")
    return table


def draw_grid(study: Study, grid: Grid, test: str) -> None:
    """A square of colours a method: accuracy where the cues lie, wide from left to right, micro upwards."""
    columns = min(4, len(study.methods))
    rows = -(-len(study.methods) // columns)
    wides, micros = (sorted({getattr(dials, of) for dials in study.points}) for of in ("wide", "micro"))
    figure = new_figure(2.3 * columns + 0.9, 2.5 * rows + 0.6)
    axes = figure.subplots(rows, columns, squeeze=False)
    image = None
    for number, plot in enumerate(axes.flat):
        if number >= len(study.methods):
            plot.set_axis_off()
            continue
        method = study.methods[number]
        values = [[mean_of(grid, Dials(wide, micro), method, test) for wide in wides] for micro in micros]
        image = plot.imshow(values, origin="lower", vmin=0, vmax=100, cmap="viridis")
        for (y, x), value in np.ndenumerate(values):
            shade = "white" if value < 60 else "black"
            shown = "" if np.isnan(value) else f"{value:.0f}"
            plot.annotate(shown, (x, y), ha="center", va="center", color=shade)
        plot.set_title(method, fontsize=10)
        plot.set_xticks(range(len(wides)), [f"{value:g}" for value in wides])
        plot.set_yticks(range(len(micros)), [f"{value:g}" for value in micros])
        plot.set_xlabel("wide: background")
        plot.set_ylabel("micro: patch")
    if image is not None:
        figure.colorbar(image, ax=axes, label=f"top-1 (%) where the cues lie ({test} test)", shrink=0.8)
    save_figure(figure, study.out / "grid.png")


def mean_of(grid: Grid, dials: Dials, method: str, test: str) -> float:
    """NaN where the point is not done yet, or was not asked for."""
    cell = find(grid.get(dials, ()), method, test)
    return float("nan") if cell is None else cell.mean


def point(text: str) -> Dials:
    """Of "1,0.5"."""
    try:
        wide, micro = map(float, text.split(","))
        return Dials(wide, micro)
    except (ValueError, ConfigurationError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not WIDE,MICRO, each from 0 to 1") from error


def parse(words: Sequence[str]) -> Study:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.debias.dials",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--out", required=True, type=Path, help="folder of everything that is made")
    add("--points", nargs="+", type=point, default=GRID, help="WIDE,MICRO (each of 0, 0.5, 1 with each)")
    add("--methods", nargs="+", choices=METHODS, default=METHODS, help="those to compare (all)")
    add("--seeds", type=int, default=3, help="trainings of each method at each point (3)")
    add("--epochs", type=int, default=Size.epochs, help=f"of each training ({Size.epochs})")
    add("--videos", type=int, default=Size.pretrain_videos, help=f"to learn from ({Size.pretrain_videos})")
    add("--jobs", type=int, default=os.cpu_count(), help="runs at once (as many as cores)")
    given = parser.parse_args(words)
    return Study(
        out=given.out,
        points=tuple(given.points),
        methods=tuple(given.methods),
        seeds=tuple(range(1, given.seeds + 1)),  # seed 0 is the demo's, on which its settings were chosen
        size=Size(pretrain_videos=given.videos, epochs=given.epochs),
        jobs=given.jobs,
    )


def main() -> None:
    study = parse(sys.argv[1:])
    grid, minutes = run_study(study, progress_with_note)
    print(write_study(study, grid, minutes))


if __name__ == "__main__":
    main()
