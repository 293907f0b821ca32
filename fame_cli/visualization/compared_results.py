"""Results of several runs side by side: a section a test, with the paired differences to the first run."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from fame_cli.evaluation.bias.differences import bias_columns, bias_rows, describe_masks
from fame_cli.evaluation.bias.report import PROTOCOL
from fame_cli.evaluation.comparable import decisive, find_differences, in_a_name
from fame_cli.evaluation.compare import Comparison, compare
from fame_cli.evaluation.leak import leak_note
from fame_cli.evaluation.results import Result
from fame_cli.evaluation.scores import confusion_matrix
from fame_cli.visualization.bars import draw_bars
from fame_cli.visualization.bias import draw_bias_chart
from fame_cli.visualization.confusion import draw_confusion
from fame_cli.visualization.report import Block, PagePicture, Section, SideBySide, Table, Text
from fame_cli.visualization.result_blocks import (
    BARS_CAPTION,
    BIAS_CAPTION,
    CONFUSION_CAPTION,
    PROTOCOLS,
)

Results = Mapping[str, Mapping[str, Result]]
"""Of each run, by its name, the results by the names of their files."""
Rows = list[tuple[str, list[Result]]]
"""Results of one test, by the name of their row."""


def result_sections(found: Results, drawn: Path, methods: Mapping[str, str]) -> Iterator[Section]:
    """All evaluations but bias reports: first figures in one chart, then a section a test.

    Charts are written to the folder ``drawn``.
    """
    tests = {title: rows for title, rows in tests_of(found).items() if rows[0][1][0].protocol != PROTOCOL}
    if not tests:
        yield Section("Results", [Text("None of the runs has a result that is no bias report.")])
        return
    compared = {title: compare(rows) for title, rows in tests.items()}
    draw_overview(compared, drawn / "overview.png", methods)
    overview = PagePicture(
        drawn / "overview.png", f"The first figure of each test. {BARS_CAPTION}", chart=True
    )
    yield Section("Results", [overview])
    for number, (title, comparison) in enumerate(compared.items()):
        yield Section(title, [*comparison_blocks(comparison), *confusions(comparison, drawn, number)])


def tests_of(found: Results) -> dict[str, Rows]:
    """Results by the test that they are of, under a title that tells it from others."""
    tests: dict[object, Rows] = {}
    for name, results in found.items():
        for result in sorted(results.values(), key=lambda result: PROTOCOLS.index(result.protocol)):
            rows = tests.setdefault((result.protocol, tuple(decisive(result).items())), [])
            add_to_row(rows, row_name(name, result, results), result)
    each = [rows[0][1][0] for rows in tests.values()]
    titled: dict[str, Rows] = {}
    for result, rows in sorted(
        zip(each, tests.values(), strict=True), key=lambda pair: PROTOCOLS.index(pair[0].protocol)
    ):
        different = find_differences([other for other in each if other.protocol == result.protocol])
        told = ", ".join(in_a_name(what, result) for what in different if what in decisive(result))
        titled[f"{result.protocol} {told}".strip()] = rows
    return titled


def row_name(name: str, result: Result, results: Mapping[str, Result]) -> str:
    """The run's name; with the weights, where a run has results of several for one protocol."""
    same = {str(other.weights.get("path")) for other in results.values() if other.protocol == result.protocol}
    return name if len(same) == 1 else f"{name}: {result.weights.get('path')}"


def add_to_row(rows: Rows, name: str, result: Result) -> None:
    for known, members in rows:
        if known == name:
            members.append(result)
            return
    rows.append((name, [result]))


def draw_overview(compared: Mapping[str, Comparison], path: Path, methods: Mapping[str, str]) -> None:
    """The first figure of each test as bars, a group a test."""
    firsts = {title: comparison.figures[0] for title, comparison in compared.items()}
    labels = {title: f"{title}: {figure}" for title, figure in firsts.items()}
    draw_bars(
        {
            labels[title]: {group.name: group.mean(firsts[title]) for group in comparison.groups}
            for title, comparison in compared.items()
        },
        path,
        value_label="% of the test videos",
        levels={
            labels[title]: comparison.groups[0].results[0].figures[firsts[title]].chance
            for title, comparison in compared.items()
        },
        intervals={
            labels[title]: {
                group.name: interval
                for group in comparison.groups
                if (interval := group.interval(firsts[title]))
            }
            for title, comparison in compared.items()
        },
        methods=methods,
    )


def comparison_blocks(comparison: Comparison) -> Iterator[Block]:
    """The table of ``fame compare``, the differences to the first row, and what has to be known."""
    yield Text(f"{comparison.test}.")
    caption = "In percent. In brackets: 95 % intervals over test videos; ±: standard deviation over results."
    yield Table(comparison.columns, comparison.cells(), caption)
    first = comparison.groups[0].name
    rows = [
        [
            f"{name} less {first}",
            found.figure,
            f"{found.points:+.1f}",
            f"{found.interval[0]:+.1f} – {found.interval[1]:+.1f}",
            str(found.only_second),
            str(found.only_first),
            f"{found.p:.2g}",
        ]
        for name, found in comparison.differences
    ]
    if rows:
        columns = [
            "difference",
            "figure",
            "points",
            "95 % interval",
            "right in it alone",
            f"in {first} alone",
            "p",
        ]
        caption = (
            f"Paired by test video, each against {first}. An interval that holds 0, or a large p (McNemar's "
            "exact test), means that the difference may be chance. It says nothing of other seeds."
        )
        yield Table(columns, rows, caption)
    results = [result for group in comparison.groups for result in group.results]
    yield from notes_of(results)


def notes_of(results: Sequence[Result]) -> Iterator[Text]:
    told = [note for result in results for note in (*result.notes, leak_note(result)) if note]
    yield from (Text(note) for note in dict.fromkeys(told))


def confusions(comparison: Comparison, drawn: Path, number: int) -> Iterator[Block]:
    """The confusion matrix of each row that is a single classification."""
    pictures: list[PagePicture] = []
    for group in comparison.groups:
        result = group.results[0]
        if len(group.results) == 1 and result.predictions:
            path = drawn / f"confusion-{number}-{len(pictures)}.png"
            counts = confusion_matrix(result.predictions, result.classes)
            draw_confusion(counts, result.classes, path, group.name)
            told = f"{group.name}: top-1 {result.figures['top1'].percent:.1f} %"
            pictures.append(PagePicture(path, told, chart=True))
    if pictures:
        yield SideBySide(pictures, CONFUSION_CAPTION)


def bias_sections(
    runs: Mapping[str, Path], found: Results, drawn: Path, methods: Mapping[str, str]
) -> Iterator[Section]:
    """Bias reports of the same clips: one table, one chart, and the clips of each run."""
    tests = [item for item in tests_of(found).items() if item[1][0][1][0].protocol == PROTOCOL]
    for number, (title, rows) in enumerate(tests):
        results = {name: members[-1] for name, members in rows}
        chart = drawn / f"bias-{number}.png"
        draw_bias_chart(results, chart, methods)
        first = next(iter(results))
        caption = (
            "↑ higher is better, ↓ lower is better. In brackets: 95 % intervals. Differences: paired, in "
            "points" + (f", less {first}." if len(results) > 1 else ", less the clips as they are.")
        )
        blocks: list[Block] = [
            Text(describe_masks(results[first].bias["masks"])),
            PagePicture(chart, BIAS_CAPTION, chart=True),
            Table(bias_columns(list(results)), bias_rows(list(results.values())), caption),
            *notes_of(list(results.values())),
        ]
        clips = [
            PagePicture(path, name)
            for name, run in runs.items()
            for stem, result in found[name].items()
            if result in results.values() and (path := run / "pictures" / f"clips-{stem}.png").exists()
        ]
        if clips:
            blocks.append(SideBySide(clips, "What each test shows, on the same videos."))
        yield Section(title, blocks)
