"""All that is known of a run on one page: what it was asked, how it learned, what each evaluation found."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fame_cli.advice import command
from fame_cli.config import PretrainConfig
from fame_cli.configuration import flatten
from fame_cli.data.manifest import is_work
from fame_cli.errors import ArtefactError
from fame_cli.learning.key_leak import read_key_leak
from fame_cli.learning.run import RunFolder
from fame_cli.visualization.curves import draw_curves
from fame_cli.visualization.provenance import default_options, method_of, provenance
from fame_cli.visualization.report import (
    Block,
    Code,
    PagePicture,
    Section,
    Table,
    Text,
    write_report,
    written_by,
)
from fame_cli.visualization.result_blocks import as_text, evaluation, overview, pairs, read_results, titles
from fame_cli.visualization.run_pictures import galleries


def report_run(run: Path, path: Path, name: str = "") -> None:
    """Write the page about a RUN folder to ``path``; ``name`` is its title instead of the folder's name.

    Raises ArtefactError where the folder holds neither a pretraining nor a result.
    """
    require_run(run)
    results, folder = read_results(run), RunFolder(run)
    headings, pretrained = titles(results), folder.config.exists()
    method = method_of(folder.read()["pretrain"]) if pretrained else run.resolve().name
    sections = [Section("Results", overview(results, headings))]
    if pretrained:
        sections.append(Section("Pretraining", list(pretraining(folder))))
    sections += [
        Section(headings[name], list(evaluation(run, name, result, method)))
        for name, result in results.items()
    ]
    sections += list(galleries(run / "pictures"))
    if pretrained:
        sections.append(Section("Configuration", list(configuration(folder))))
    write_report(path, name or run.resolve().name, sections, written_by(command("report", run)))


def require_run(run: Path) -> None:
    """Raise ArtefactError where a folder holds neither a pretraining nor a result."""
    if is_work(run):
        raise ArtefactError(
            f"{run} is a WORK folder: it holds a manifest.csv.", "Give the folder of a pretraining, a RUN."
        )
    if not (RunFolder(run).config.exists() or any(run.glob("results/*.json"))):
        raise ArtefactError(
            f"{run} holds neither a pretraining nor a result.", "Give the folder that fame pretrain made."
        )


CURVES_CAPTION = "Faint: each step; strong: the moving average; dashed: guessing."
CONTRASTIVE = ("moco", "simclr", "wide-micro")
HARDER = (
    "Accuracy: how often a clip finds the other clip of its video among those of all others. It is meant to"
    " be lower with a distraction than without: the backgrounds no longer tell which clips belong together,"
    " so the task is harder. It does not say which network is better; evaluations do."
)
EASY = (
    "Accuracy: how often a clip finds the other clip of its video among those of all others. Backgrounds "
    "alone can make it high, so it does not say how good the network is; evaluations do."
)

KEY_LEAK = (
    "Own: keys as the training computes them. Mixed: keys computed among clips of other videos. What the "
    "accuracy loses by that was told by the statistics of a batch, not by the clip; a few points are chance."
)
KEY_LEAK_IS_LARGE = (
    "That is much: queries find their keys by whom they were normalised with, which teaches the backbone "
    "nothing. Pretrain with a smaller --batch-norm-clips, or a larger --batch-size."
)


def pretraining(folder: RunFolder) -> Iterator[Block]:
    """How the run learned: where it stands, and its curves."""
    rows = folder.read_metrics()
    if troubles := folder.metrics_troubles():
        yield Text(f"{folder.metrics.name} is damaged: {'; '.join(troubles)}. Curves show what can be read.")
    if not rows:
        yield Text("No step was measured yet.")
        return
    last = rows[-1]
    state = "Finished" if folder.backbone.exists() else "Not finished"
    yield Text(
        f"{state}: {len(rows)} steps measured. Last: loss {last['loss']:.3f} (one that knows nothing: "
        f"{last['chance']:.3f}){accuracy_of(last)}."
    )
    if leak := read_key_leak(folder.key_leak):
        told = f"{str(leak).capitalize()}. "
        yield Text(told + (KEY_LEAK_IS_LARGE if leak.is_large else KEY_LEAK))
    path = folder.folder / "pictures" / "curves.png"
    name, asked = folder.folder.resolve().name, folder.read()["pretrain"]
    draw_curves({name: rows}, path, {name: method_of(asked)})
    yield PagePicture(path, f"{CURVES_CAPTION} {accuracy_note([asked])}".strip(), chart=True)
    facts = provenance(folder)
    yield Table(["made", ""], [[name, value] for name, value in facts.items() if name != "command"])
    yield Text("The same training again:")
    yield Code(facts["command"])


def accuracy_note(pretrainings: Sequence[Mapping[str, Any]]) -> str:
    """What an accuracy in the curves says, and what it does not, for contrastive trainings."""
    configs = [PretrainConfig.from_dict(options) for options in pretrainings]
    if not all(config.objective.name in CONTRASTIVE for config in configs):
        return ""
    return HARDER if any(config.merges for config in configs) else EASY


def accuracy_of(row: Mapping[str, float]) -> str:
    return f", accuracy {100 * row['accuracy']:.1f} %" if "accuracy" in row else ""


def configuration(folder: RunFolder) -> Iterator[Table]:
    """Every option beside its default, which data was read, and on which machine."""
    asked = folder.read()
    options: Mapping[str, Any] = asked["pretrain"]
    defaults = default_options(options)
    rows = [
        [name, as_text(value), as_text(defaults.get(name, ""))] for name, value in flatten(options).items()
    ]
    rows.sort(key=lambda row: row[1] == row[2])
    yield Table(["option", "value", "default"], rows, "Options of the pretraining, changed ones first.")
    yield Table(["data", "value"], pairs(asked["data"]))
    if values := folder.read_environment():
        yield Table(["environment", "value"], pairs(values))
