"""All runs of a comparison, several at once, and what they come to."""

import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import joblib
import torch

from benchmarks.debias.material import Material
from benchmarks.debias.runs import run
from benchmarks.debias.table import Cell
from fame_cli.evaluation.compare import compare, find_results
from fame_cli.evaluation.evaluation import no_progress
from fame_cli.evaluation.results import Result
from fame_cli.learning.run import RunFolder

Key = tuple[str, int]
"""Method and seed."""


def compare_methods(
    materials: Mapping[int, Material],
    methods: Sequence[str],
    out: Path,
    jobs: int,
    tell: Callable[[str], None],
) -> tuple[list[Cell], dict[str, object]]:
    """Every method from every seed, on the material of that seed, as far as it is not done.

    Returns a cell for each method and test, and what it took and on what. Raises ConfigurationError where the
    methods were not put to the same test.
    """
    keys = [(method, seed) for seed in materials for method in methods]
    # A run trains in one thread: several beside each other use the cores better than one with several.
    parallel = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")
    calls = (joblib.delayed(run_in_one_thread)(key, materials[key[1]], run_folder(out, key)) for key in keys)
    found: dict[Key, dict[str, Result]] = {}
    for key, results in parallel(calls):
        found[key] = results
        figures = ", ".join(
            f"{test} {result.figures['top1'].percent:.1f} %" for test, result in results.items()
        )
        tell(f"{len(found)}/{len(keys)}  {run_folder(out, key).name}: {figures}")
    cost: dict[str, object] = {
        "core_minutes": round(sum(training_seconds(run_folder(out, key)) for key in keys) / 60, 1),
        "jobs": jobs,
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "pretrain": next(iter(materials.values())).pretrain.to_dict(),
    }
    return score(found, methods, list(materials)), cost


def run_folder(out: Path, key: Key) -> Path:
    method, seed = key
    return out / "runs" / f"{method}, seed {seed}"


def run_in_one_thread(key: Key, material: Material, folder: Path) -> tuple[Key, dict[str, Result]]:
    torch.set_num_threads(1)
    return key, run(material, *key, folder, no_progress)


def score(found: dict[Key, dict[str, Result]], methods: Sequence[str], seeds: Sequence[int]) -> list[Cell]:
    for seed in seeds:
        for test in found[methods[0], seed]:
            compare([(method, [found[method, seed][test]]) for method in methods])
    return [
        Cell(method, test, tuple(found[method, seed][test].figures["top1"] for seed in seeds))
        for method in methods
        for test in found[method, seeds[0]]
    ]


def training_seconds(folder: Path) -> float:
    """Of a run that nothing else holds up: its median step as often as it has steps, and its evaluations."""
    seconds = sum(result.seconds for result in find_results(folder, None))
    if rows := RunFolder(folder).read_metrics():
        batch_size = RunFolder(folder).read()["pretrain"]["batch_size"]
        seconds += len(rows) * batch_size / statistics.median(row["samples_per_second"] for row in rows)
    return seconds
