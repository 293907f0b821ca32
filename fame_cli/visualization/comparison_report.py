"""Several runs on one page: what they found, how they learned, what they differ in, and their pictures."""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fame_cli.advice import command
from fame_cli.configuration import flatten
from fame_cli.learning.run import RunFolder
from fame_cli.visualization.compared_results import bias_sections, result_sections
from fame_cli.visualization.curves import draw_curves
from fame_cli.visualization.provenance import method_of, provenance
from fame_cli.visualization.report import (
    Block,
    PagePicture,
    Section,
    SideBySide,
    Table,
    Text,
    write_report,
    written_by,
)
from fame_cli.visualization.result_blocks import as_text, read_results
from fame_cli.visualization.run_pictures import gallery
from fame_cli.visualization.run_report import CURVES_CAPTION, accuracy_note, require_run

ABSENT = "–"


def report_comparison(runs: Mapping[str, Path], path: Path) -> None:
    """Write the page that compares RUN folders, by their names, to ``path``.

    Raises ArtefactError where a folder holds neither a pretraining nor a result.
    """
    for run in runs.values():
        require_run(run)
    found = {name: read_results(run) for name, run in runs.items()}
    trained = {name: RunFolder(run) for name, run in runs.items() if RunFolder(run).config.exists()}
    asked = {name: folder.read() for name, folder in trained.items()}
    methods = {name: method_of(values["pretrain"]) for name, values in asked.items()}
    # The page carries its charts with it, so they are drawn where they are forgotten.
    with tempfile.TemporaryDirectory() as drawn:
        sections = list(result_sections(found, Path(drawn), methods))
        sections += list(bias_sections(runs, found, Path(drawn), methods))
        if trained:
            sections.append(Section("How they learned", list(learning(trained, asked, methods, Path(drawn)))))
            sections.append(Section("What they differ in", list(differences(asked, trained))))
        if pictures := list(side_by_side(runs)):
            sections.append(Section("Pictures", pictures))
        words = [name_as_given(name, run) for name, run in runs.items()]
        write_report(path, " · ".join(runs), sections, written_by(command("report", *words)))


def name_as_given(name: str, run: Path) -> str | Path:
    return run if name in (run.name, str(run)) else f"{name}={run}"


def learning(
    trained: Mapping[str, RunFolder],
    asked: Mapping[str, Mapping[str, Any]],
    methods: Mapping[str, str],
    drawn: Path,
) -> Iterator[Block]:
    """The curves of all runs in one chart, and how each was made."""
    measured = {name: rows for name, folder in trained.items() if (rows := folder.read_metrics())}
    if measured:
        draw_curves(measured, drawn / "curves.png", methods)
        note = accuracy_note([asked[name]["pretrain"] for name in measured])
        yield PagePicture(drawn / "curves.png", f"{CURVES_CAPTION} {note}".strip(), chart=True)
    for name in trained.keys() - measured.keys():
        yield Text(f"{name}: no step was measured yet.")
    made = {name: provenance(folder) for name, folder in trained.items()}
    for name, rows in measured.items():
        made[name] |= {"steps": str(len(rows)), "last loss": f"{rows[-1]['loss']:.3f}"}
        if "accuracy" in rows[-1]:
            made[name]["last accuracy"] = f"{100 * rows[-1]['accuracy']:.1f} %"
    facts = [
        fact for fact in dict.fromkeys(fact for one in made.values() for fact in one) if fact != "command"
    ]
    yield Table(
        ["made", *made], [[fact, *(one.get(fact, ABSENT) for one in made.values())] for fact in facts]
    )


def differences(asked: Mapping[str, Mapping[str, Any]], trained: Mapping[str, RunFolder]) -> Iterator[Block]:
    """Options, data and environment of the runs, as far as they are not the same in all."""
    kinds = {
        "option": {name: flatten(values["pretrain"]) for name, values in asked.items()},
        "data": {name: values["data"] for name, values in asked.items()},
        "environment": {name: folder.read_environment() for name, folder in trained.items()},
    }
    if len(asked) < 2:
        yield Text("One of the runs alone is a pretraining.")
        return
    for kind, values in kinds.items():
        if rows := differing(values):
            yield Table([kind, *values], rows, f"{ABSENT}: not known, or its method has no such option.")
        else:
            yield Text(f"The {kind} is the same in all." if kind != "option" else "All options are the same.")


def differing(values: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """A row for each key whose value is not the same everywhere: the key, and its values."""
    keys = dict.fromkeys(key for one in values.values() for key in one)
    rows = [[key, *(as_text(one[key]) if key in one else ABSENT for one in values.values())] for key in keys]
    return [row for row in rows if len(set(row[1:])) > 1]


def side_by_side(runs: Mapping[str, Path]) -> Iterator[SideBySide]:
    """Pictures that several runs have under one name, each beside its like."""
    found: dict[str, list[PagePicture]] = {}
    captions: dict[str, str] = {}
    for name, run in runs.items():
        for picture in gallery(run / "pictures"):
            captions.setdefault(picture.path.name, picture.caption)
            shown = PagePicture(picture.path, name, f"{name}: {picture.caption}", picture.chart)
            found.setdefault(picture.path.name, []).append(shown)
    for kind, pictures in found.items():
        if len(pictures) > 1:
            yield SideBySide(pictures, captions[kind])
