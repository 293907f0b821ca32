"""What does each part of wide-micro do? Its losses by themselves, where the background or a patch tells.

    python -m benchmarks.debias.wide_micro --out dials

trains them from several seeds in the folders of ``benchmarks.debias.dials``, of which it reuses what is done,
and asks of each network what its features know of clips that it never saw; see docs/wide-micro.md. Stopped at
any time, the same command goes on. OUT/parts.md and OUT/parts.json tell what came out.
"""

import argparse
import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import RidgeClassifierCV
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.nn import functional

from benchmarks.debias.comparison import compare_methods, run_folder
from benchmarks.debias.dials import Study, make_material
from benchmarks.debias.material import Material
from benchmarks.debias.runs import CPU, OPTIONS, UNTRAINED, WIDE_MICRO_PARTS, evaluation, trained_weights
from benchmarks.debias.table import difference
from fame_cli.cli.console import progress_with_note
from fame_cli.data.dataset import PretrainClips
from fame_cli.data.made_plan import Dials, plan_videos
from fame_cli.disk import write_json, write_text
from fame_cli.distraction.build import build_distraction
from fame_cli.evaluation.compare import percent
from fame_cli.evaluation.evaluation import Weights, no_progress
from fame_cli.evaluation.features import compute_features
from fame_cli.learning.batch import make_views
from fame_cli.learning.inputs import make_loader, statistics_to_read, training_videos
from fame_cli.learning.objectives.build import moco_roles
from fame_cli.method import MocoMethod

Array = np.ndarray[Any, np.dtype[Any]]

METHODS = (UNTRAINED, *WIDE_MICRO_PARTS)
OF_BACKGROUNDS = ("wide alone, α 4", "wide-micro, ν .1")
"""They change what a network makes of a background: there is nothing to see where none tells."""
POINTS = {Dials(1, 0): METHODS, Dials(0, 1): tuple(name for name in METHODS if name not in OF_BACKGROUNDS)}
COMPARED = (
    ("wide alone", "MoCo+FAME still"),
    ("wide alone, α 4", "MoCo+FAME still"),
    ("micro alone", "MoCo+FAME still"),
    ("micro alone", "wide alone"),
    ("wide-micro", "MoCo+FAME still"),
    ("wide-micro", "wide alone"),
    ("wide-micro", "micro alone"),
    ("wide-micro, ν .1", "wide-micro"),
)
"""What each loss adds, which of two is better, and whether both together are as good as the better one."""
PENALTIES = 10.0 ** np.arange(-1, 6)

Measured = Mapping[str, Sequence[float]]
"""By the name of a figure: its values in percent, one a seed."""


def measure(study: Study, dials: Dials, method: str, materials: Mapping[int, Material]) -> Measured:
    """What the features of a method's networks know, at one point of the dials."""
    found: dict[str, list[float]] = {}
    for seed, material in materials.items():
        folder = run_folder(study.folder(dials), (method, seed))
        weights = trained_weights(material, method, seed, folder, no_progress)
        figures = {
            "motion": probe(material, weights, folder, seed, lambda _, motion: motion),
            cue_of(dials): probe(material, weights, folder, seed, told_by(study, dials)),
            "scene gap": scene_gap(material, weights),
        }
        for name, value in figures.items():
            found.setdefault(name, []).append(value)
    return found


def cue_of(dials: Dials) -> str:
    return "background" if dials.wide else "patch"


def told_by(study: Study, dials: Dials) -> Callable[[str, str], str]:
    """Which of the backgrounds, or patches, a video of the biased test shows."""
    size = study.size
    planned = plan_videos(size.pretrain_videos, size.train_per_motion, size.test_per_motion, dials)
    shown = {f"{video.path}.avi": video.place if dials.wide else video.patch for video in planned}
    return lambda path, _motion: shown[path]


def probe(
    material: Material, weights: Weights, folder: Path, seed: int, label_of: Callable[[str, str], str]
) -> float:
    """How often ridge regression on features tells a label of videos of the biased test (percent).

    Five folds of these videos alone, in which motion and cue do not tell each other: both can be asked for.
    """
    config = material.linear("biased", seed)
    asked = evaluation(material, weights, config, folder, no_progress)
    test = asked.videos.test
    features = compute_features(asked, config, test).read_means(test)
    listed = asked.videos.frames.videos
    labels = np.array([label_of(listed[index].path, listed[index].label) for index in test])
    model = make_pipeline(StandardScaler(), RidgeClassifierCV(PENALTIES))
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    return float(100 * cross_val_score(model, features.numpy(), labels, cv=folds).mean())


@torch.no_grad()
def scene_gap(material: Material, weights: Weights) -> float:
    """How much nearer a merged clip is to its own video than to that whose background it has (points).

    Mean difference of two cosines, times 100, of features less their mean: of a clip of the neutral test on
    the still background of another, with another clip of its own video and with one of the other's.
    """
    config = replace(material.pretrain.with_options(**OPTIONS["MoCo+FAME still"]), split="neutral test")
    assert isinstance(config.objective, MocoMethod)
    roles, distraction = moco_roles(config, config.objective), build_distraction(config)
    frames = material.frames()
    clips = PretrainClips(
        frames, statistics_to_read(distraction, material.statistics()), config, roles, distraction
    )
    videos = training_videos(frames, config)
    steps = len(videos) // config.batch_size
    network = weights.backbone.to(CPU).eval()
    queries, keys, others = [], [], []
    for step, batch in enumerate(make_loader(clips, videos, config, 0, steps, CPU, workers=0)):
        views = make_views(batch, roles, distraction, config.seed, step, CPU)
        partners = views["query"].partners
        assert partners is not None
        key = network(views["key"].clips)
        queries.append(network(views["query"].clips))
        keys.append(key)
        others.append(key[partners])
    asked, own, other = torch.cat(queries), torch.cat(keys), torch.cat(others)
    mean = own.mean(dim=0)
    near, far = (functional.cosine_similarity(asked - mean, answer - mean) for answer in (own, other))
    return float(100 * (near - far).mean())


def as_markdown(found: Mapping[str, Measured]) -> str:
    """A row a method with the mean and standard deviation of each figure; then the differences compared."""
    names = list(next(iter(found.values())))
    rows = [["method", *names], ["---", *["---:"] * len(names)]]
    for method, figures in found.items():
        rows.append([method, *(mean_and_spread(figures[name]) for name in names)])
    differences = [["method", "compared with", *names], ["---", "---", *["---:"] * len(names)]]
    for method, other in COMPARED:
        if method in found and other in found:
            points = (
                [mine - its for mine, its in zip(found[method][name], found[other][name], strict=True)]
                for name in names
            )
            differences.append([method, other, *map(difference, points)])
    return "\n".join(
        "".join("| " + " | ".join(row) + " |\n" for row in table) for table in (rows, differences)
    )


def mean_and_spread(values: Sequence[float]) -> str:
    spread = statistics.stdev(values) if len(values) > 1 else None
    return percent(statistics.fmean(values), spread, " ± ")


def run_study(study: Study, tell: Callable[[str], None]) -> str:
    """Train, test and measure, as far as it is not done; writes and returns the tables of all points."""
    tables, records = [], {}
    for dials in study.points:
        name = study.folder(dials).name
        tell(name)
        materials = {seed: make_material(study, dials, seed, progress_with_note) for seed in study.seeds}
        methods = [method for method in study.methods if method in POINTS[dials]]
        cells, cost = compare_methods(materials, methods, study.folder(dials), study.jobs, tell)
        found: dict[str, dict[str, Sequence[float]]] = {}
        for cell in cells:
            found.setdefault(cell.method, {})[cell.test] = [score.percent for score in cell.scores]
        for method in found:
            found[method] |= measure(study, dials, method, materials)
            tell(f"measured {method}")
        tables.append(f"{name}:\n\n{as_markdown(found)}")
        records[name] = {"core_minutes": cost["core_minutes"], "figures": found}
    text = "\n".join(tables)
    write_json(study.out / "parts.json", records)
    write_text(study.out / "parts.md", text)
    return text


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.debias.wide_micro",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", required=True, type=Path, help="folder of everything that is made")
    parser.add_argument(
        "--methods", nargs="+", choices=METHODS, default=METHODS, help="those to compare (all)"
    )
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each method at each point (3)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at once (as many as cores)")
    given = parser.parse_args()
    seeds = tuple(range(1, given.seeds + 1))
    study = Study(given.out, tuple(POINTS), tuple(given.methods), seeds, jobs=given.jobs)
    print(run_study(study, print))


if __name__ == "__main__":
    main()
