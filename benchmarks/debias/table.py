"""What came out: accuracy of each method on each test, over seeds; as JSON, Markdown and a picture."""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scipy import stats

from benchmarks.debias.runs import baseline_of
from fame_cli.disk import write_json, write_text
from fame_cli.evaluation.compare import percent
from fame_cli.evaluation.results import Figure
from fame_cli.visualization.charts import CHANCE_COLOR, COLORS, new_figure, save_figure


@dataclass(frozen=True)
class Cell:
    """One method on one test."""

    method: str
    test: str
    scores: tuple[Figure, ...]
    """Top-1 of the linear probe, with its interval; one for each seed."""

    @property
    def mean(self) -> float:
        return statistics.fmean(score.percent for score in self.scores)

    @property
    def spread(self) -> float | None:
        """Standard deviation over seeds (n − 1)."""
        percents = [score.percent for score in self.scores]
        return statistics.stdev(percents) if len(percents) > 1 else None

    def over(self, other: "Cell") -> list[float]:
        """Points above another method, seed by seed."""
        return [mine.percent - its.percent for mine, its in zip(self.scores, other.scores, strict=True)]


def as_markdown(cells: Sequence[Cell]) -> str:
    """A row a method; a column a test, and its difference to what the method is compared with."""
    tests, methods = (list(dict.fromkeys(getattr(cell, of) for cell in cells)) for of in ("test", "method"))
    by_name = {(cell.method, cell.test): cell for cell in cells}
    rows = [["method", "compared with", *(name for test in tests for name in (test, "difference"))]]
    rows.append(["---", "---", *["---:"] * (len(rows[0]) - 2)])
    for method in methods:
        baseline = baseline_of(method) if baseline_of(method) in methods else method
        row = [method, "" if baseline == method else baseline]
        for test in tests:
            cell = by_name[method, test]
            row.append(percent(cell.mean, cell.spread, " ± "))
            row.append("" if baseline == method else difference(cell.over(by_name[baseline, test])))
        rows.append(row)
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def difference(points: Sequence[float]) -> str:
    """Mean of differences by seed, with its sign and its 95 % interval (Student's t)."""
    mean = statistics.fmean(points)
    if len(points) < 2:
        return f"{mean:+.1f}"
    error = statistics.stdev(points) / len(points) ** 0.5
    reach = error * float(stats.t.ppf(0.975, len(points) - 1))
    return f"{mean:+.1f} ({mean - reach:+.1f} to {mean + reach:+.1f})"


def write_table(folder: Path, cells: Sequence[Cell], about: Mapping[str, object]) -> str:
    """Write ``table.json``, ``table.md`` and ``plot.png``; returns the Markdown."""
    records = [dataclasses.asdict(cell) | {"mean": cell.mean, "spread": cell.spread} for cell in cells]
    write_json(folder / "table.json", {**about, "cells": records})
    table = as_markdown(cells)
    write_text(folder / "table.md", table)
    draw_plot(folder / "plot.png", cells)
    return table


def draw_plot(path: Path, cells: Sequence[Cell]) -> None:
    """A line a method: a dot a seed, a stroke at their mean, a colour a test; dashed: guessing."""
    methods = list(dict.fromkeys(cell.method for cell in cells))
    tests = list(dict.fromkeys(cell.test for cell in cells))
    figure = new_figure(9.0, 1.6 + 0.5 * len(methods))
    axes = figure.subplots()
    for number, test in enumerate(tests):
        color, shift = COLORS[number], 0.22 * (number - (len(tests) - 1) / 2)
        for cell in (cell for cell in cells if cell.test == test):
            height = methods.index(cell.method) + shift
            percents = [score.percent for score in cell.scores]
            axes.plot([cell.mean] * 2, [height - 0.1, height + 0.1], color=color, linewidth=2.5)
            axes.plot(percents, [height] * len(percents), "o", color=color, alpha=0.55, markersize=6)
            axes.annotate(
                f"{cell.mean:.1f}",
                (max(percents), height),
                (9, 0),
                textcoords="offset points",
                va="center",
                fontsize=9,
                color=color,
            )
        axes.plot([], [], "o", color=color, label=test)
    axes.axvline(cells[0].scores[0].chance, color=CHANCE_COLOR, linestyle="--", linewidth=1.3, label="chance")
    axes.set_yticks(range(len(methods)), methods)
    axes.invert_yaxis()
    axes.set_xlim(0, 107)
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlabel("top-1 accuracy of a linear probe (%)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    figure.legend(loc="outside lower center", ncols=len(tests) + 1, frameon=False)
    save_figure(figure, path)
