"""A comparison as a table for other programs: Markdown, LaTeX, CSV."""

import csv
import io
from typing import Any

from fame_cli.evaluation.compare import Comparison


def as_markdown(comparison: Comparison) -> str:
    rows = [comparison.columns, ["---", *["---:"] * (len(comparison.columns) - 1)], *comparison.cells()]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |\n" for row in rows)


def as_latex(comparison: Comparison) -> str:
    """A tabular with booktabs' rules."""
    columns = comparison.columns
    lines = [f"\\begin{{tabular}}{{l{'r' * (len(columns) - 1)}}}", "\\toprule"]
    lines += [" & ".join(map(escape_latex, columns)) + " \\\\", "\\midrule"]
    for name, *figures in comparison.cells(" $\\pm$ ", "--"):
        lines.append(" & ".join([escape_latex(name), *figures]) + " \\\\")
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", ""])


def escape_latex(text: str) -> str:
    special = {character: f"\\{character}" for character in "&%$#_{}"}
    special |= {"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}"}
    return "".join(special.get(character, character) for character in text)


def as_csv(comparison: Comparison) -> str:
    """Figures for other programs: mean, standard deviation over repetitions, and ends of the 95 % interval.

    Each in a column, empty where there is none: an interval is of a single result. The last column tells how
    many test videos the pretraining saw.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    parts = ("", " std", " low", " high")
    columns = [f"{figure}{part}" for figure in comparison.figures for part in parts]
    writer.writerow(["run", "results", *columns, "seen test videos"])
    for group in comparison.groups:
        cells: list[object] = [group.name, len(group.results)]
        for figure in comparison.figures:
            values = group.mean(figure), group.spread(figure), *(group.interval(figure) or (None, None))
            cells += ["" if value is None else round(value, 4) for value in values]
        seen = group.seen_test_videos
        writer.writerow([*cells, "not known" if seen is None else seen])
    return text.getvalue()


def as_plain(comparison: Comparison) -> dict[str, Any]:
    """The figures themselves, in percent, as plain values: of a row their mean, spread and interval."""
    rows = [
        {
            "name": group.name,
            "results": len(group.results),
            "seen_test_videos": group.seen_test_videos,
            "figures": {
                figure: {
                    "mean": group.mean(figure),
                    "spread": group.spread(figure),
                    "interval": group.interval(figure),
                }
                for figure in comparison.figures
            },
        }
        for group in comparison.groups
    ]
    about = {"protocol": comparison.protocol, "test": comparison.test}
    return {**about, "rows": rows, "difference": comparison.difference}
