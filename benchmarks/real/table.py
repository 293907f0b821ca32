"""What came out: a figure for each method and test, and its paired difference to the baseline."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.real.probe import nearest_person_left_out, ridge_person_left_out
from benchmarks.real.runs import BIAS_CLIPS, PROBE_CLIPS, Study
from fame_cli.disk import write_json, write_text
from fame_cli.evaluation.compare import find_results
from fame_cli.evaluation.interval import difference_interval
from fame_cli.visualization.charts import CHANCE_COLOR, COLORS, new_figure, save_figure

BASELINE = "MoCo"
Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Answers:
    """Whether each test video was answered rightly, or how often over the trainings that met it."""

    names: tuple[str, ...]
    groups: tuple[str, ...]
    """What videos of one film, or of one person, share."""
    hits: Array
    chance: float
    """In percent."""

    @property
    def percent(self) -> float:
        return 100 * float(self.hits.mean())

    def over(self, other: "Answers") -> tuple[float, float, float]:
        """The difference in points, and the ends of its 95 % interval: paired, over groups."""
        assert self.names == other.names
        differences = self.hits - other.hits
        return tuple(
            100 * value
            for value in (float(differences.mean()), *difference_interval(differences, self.groups))
        )


def of_results(runs: Sequence[Path], protocol: str, test: str = "") -> Answers:
    """Answers on the test videos of each split; of a bias report those of one of its tests."""
    names, groups, hits, chances = [], [], [], []
    for split, run in enumerate(runs):
        clips = BIAS_CLIPS if test else PROBE_CLIPS
        (result,) = (one for one in find_results(run, protocol) if one.configuration["clips"] == clips)
        right = result.bias["hits"][test] if test else [video.right for video in result.predictions]
        for video, hit in zip(result.predictions, right, strict=True):
            if hit is not None:
                names.append(f"{split} {video.id}")
                groups.append(video.source)
                hits.append(float(hit))
        chances.append(result.figures[test or "top1"].chance)
    return Answers(tuple(names), tuple(groups), np.array(hits), float(np.mean(chances)))


Probe = Callable[[Array, Array, Array], Array]


def of_wall(runs: Sequence[Path], probe: Probe) -> Answers:
    """Answers on Weizmann, each person tested by what the others show: the mean over trainings."""
    table = np.load(runs[0] / "weizmann.npz")
    ids, labels = table["id"].tolist(), table["label"]
    people = [person_of(name) for name in ids]
    hits = [hits_on_wall(run, probe, labels, np.array(people)) for run in runs]
    return Answers(tuple(ids), tuple(people), np.mean(hits, axis=0), 100 / len(set(labels.tolist())))


def hits_on_wall(run: Path, probe: Probe, labels: Array, people: Array) -> Array:
    """What a probe makes of a run's features; kept beside them, since a ridge probe takes half a minute."""
    features, kept = run / "weizmann.npz", run / f"weizmann-{probe.__name__}.json"
    if not kept.exists() or kept.stat().st_mtime < features.stat().st_mtime:
        write_json(kept, probe(np.load(features)["features"], labels, people).tolist())
    return np.array(json.loads(kept.read_text()))


def person_of(name: str) -> str:
    """Who is seen in a video of Weizmann, ``bend/daria_bend.avi``."""
    return name.rpartition("/")[2].partition("_")[0]


TESTS: dict[str, Callable[[Sequence[Path]], Answers]] = {
    "UCF101, linear": lambda runs: of_results(runs, "linear"),
    "UCF101, neighbours": lambda runs: of_results(runs, "knn"),
    "one frame": lambda runs: of_results(runs, "bias", "one_frame"),
    "background only": lambda runs: of_results(runs, "bias", "background_median"),
    "other-class background": lambda runs: of_results(runs, "bias", "swap_other"),
    "contrasted": lambda runs: of_results(runs, "bias", "contrasted_scenes"),
    "Weizmann, linear": lambda runs: of_wall(runs, ridge_person_left_out),
    "Weizmann, neighbours": lambda runs: of_wall(runs, nearest_person_left_out),
}


def write_table(
    study: Study, methods: Iterable[str], splits: Iterable[int], baseline_name: str = BASELINE
) -> str:
    """Write ``table.json``, ``table.md`` and ``plot.png``; returns the Markdown."""
    numbers = list(splits)
    found = {
        method: {test: answer([study.run(method, n) for n in numbers]) for test, answer in TESTS.items()}
        for method in methods
    }
    baseline = found.get(baseline_name)
    rows = [["method", *TESTS], ["---", *["---:"] * len(TESTS)]]
    rows.append(["chance", *(f"{answers.chance:.1f}" for answers in next(iter(found.values())).values())])
    records = []
    for method, tests in found.items():
        row = [method]
        for test, answers in tests.items():
            record: dict[str, object] = {
                "method": method,
                "test": test,
                "percent": answers.percent,
                "videos": len(answers.names),
            }
            text = f"{answers.percent:.1f}"
            if baseline and method != baseline_name:
                record["over_baseline"] = points = answers.over(baseline[test])
                text += " ({:+.1f}; {:+.1f} to {:+.1f})".format(*points)
            records.append(record)
            row.append(text)
        rows.append(row)
    table = "".join("| " + " | ".join(row) + " |\n" for row in rows)
    write_json(study.out / "table.json", {"splits": numbers, "steps": study.steps, "cells": records})
    write_text(study.out / "table.md", table)
    if baseline and len(found) > 1:
        draw_differences(study.out / "plot.png", found, baseline_name)
    return table


def draw_differences(path: Path, found: dict[str, dict[str, Answers]], baseline_name: str) -> None:
    """A panel a test, a row a method: its difference to the baseline, grey where the interval holds zero."""
    baseline = found[baseline_name]
    methods = [method for method in found if method != baseline_name]
    figure = new_figure(13, 2.4 + 0.56 * len(methods))
    panels = figure.subplots(2, len(TESTS) // 2, sharey=True)
    for test, axes in zip(TESTS, panels.flat, strict=True):
        for row, method in enumerate(methods):
            mean, low, high = found[method][test].over(baseline[test])
            color = COLORS[0] if low > 0 or high < 0 else "#999999"
            axes.plot([low, high], [row, row], color=color, linewidth=2, alpha=0.55)
            axes.plot([mean], [row], "o", color=color, markersize=6)
        axes.axvline(0, color=CHANCE_COLOR, linestyle="--", linewidth=1.3)
        axes.set_title(f"{test}\n({baseline_name} {baseline[test].percent:.1f} %)", fontsize=10)
        axes.set_yticks(range(len(methods)), methods)
        axes.set_ylim(len(methods) - 0.5, -0.5)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="x", color="#dddddd", linewidth=0.8)
        axes.set_axisbelow(True)
    figure.supxlabel(f"points over {baseline_name}, with 95 % intervals over groups", fontsize=10)
    save_figure(figure, path)
