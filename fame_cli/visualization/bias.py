"""The bias report as a chart: a row a test, a dot and its interval a network."""

from collections.abc import Mapping
from pathlib import Path

from matplotlib.axes import Axes

from fame_cli.evaluation.bias.battery import TESTS
from fame_cli.evaluation.results import Result
from fame_cli.visualization.charts import CHANCE_COLOR, colors_of, draw_legend, new_figure, save_figure

ROW_INCHES = 0.34
ARROWS = {"higher": "higher is better ▸", "lower": "◂ lower is better", "neither": ""}


def draw_bias_chart(runs: Mapping[str, Result], path: Path, methods: Mapping[str, str] | None = None) -> None:
    """Draw the figures of bias reports as dots with their 95 % intervals into a PNG, a colour a run.

    A short dashed line in each row is chance. Rows are in the order of the report; what is better is said at
    the right. ``methods``: see ``colors_of``.
    """
    tests = [test for test in TESTS if any(test.name in result.figures for result in runs.values())]
    height = 1.6 + len(tests) * (ROW_INCHES + 0.12 * (len(runs) - 1))
    figure, colors = new_figure(10.0, height), colors_of(list(runs), methods)
    axes = figure.subplots()
    for row, test in enumerate(tests):
        for number, result in enumerate(runs.values()):
            if found := result.figures.get(test.name):
                place = row + 0.24 * (number - (len(runs) - 1) / 2)
                axes.plot(found.interval, (place, place), color=colors[number], linewidth=2, alpha=0.55)
                axes.plot([found.percent], [place], "o", color=colors[number], markersize=6)
        chances = [
            result.figures[test.name].chance for result in runs.values() if test.name in result.figures
        ]
        axes.plot(
            [chances[0]] * 2, (row - 0.36, row + 0.36), color=CHANCE_COLOR, linestyle="--", linewidth=1.3
        )
        axes.text(101, row, ARROWS[test.better], va="center", fontsize=9, color=CHANCE_COLOR)
    dress(axes, [test.title for test in tests])
    draw_legend(figure, list(runs), colors)
    save_figure(figure, path)


def dress(axes: Axes, titles: list[str]) -> None:
    axes.set_title(
        "% of the test videos, with 95 % intervals (dashed: chance)",
        loc="left",
        fontsize=12,
        fontweight="bold",
    )
    axes.set_xlim(0, 100)
    axes.set_ylim(len(titles) - 0.5, -0.5)
    axes.set_yticks(range(len(titles)), titles)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="x", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    for row in range(0, len(titles), 2):
        axes.axhspan(row - 0.5, row + 0.5, color="#f5f6f8", zorder=0)
