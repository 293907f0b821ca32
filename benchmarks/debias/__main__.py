"""Does FAME remove the background bias? MoCo beside MoCo with merged clips, judged by linear probes.

    python -m benchmarks.debias --out debias
    python -m benchmarks.debias --out debias-real --videos FOLDER

The first makes its videos itself, the second takes a folder of class folders; see docs/debias.md. Stopped at
any time, the same command goes on. OUT/table.md, OUT/table.json and OUT/plot.png tell what came out; OUT/runs
holds a RUN folder of each training.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.debias.comparison import compare_methods
from benchmarks.debias.material import Size, made_material, real_materials
from benchmarks.debias.runs import METHODS
from benchmarks.debias.table import write_table
from fame_cli.cli.console import progress_with_note


def parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.debias",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", required=True, type=Path, help="folder of everything that is made")
    parser.add_argument("--videos", type=Path, help="folder of class folders; without it, videos are made")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each method (3)")
    parser.add_argument(
        "--methods", nargs="+", choices=METHODS, default=METHODS, help="those to compare (all)"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at once (as many as cores)")
    return parser.parse_args(words)


def main() -> None:
    options = parse(sys.argv[1:])
    out, jobs = options.out, options.jobs
    seeds = range(1, options.seeds + 1)  # seed 0 is the demo's, on which its settings were chosen
    if options.videos:
        materials = real_materials(out, jobs, progress_with_note, options.videos, seeds)
    else:
        materials = {
            seed: made_material(out / f"set {seed}", jobs, progress_with_note, Size(), seed) for seed in seeds
        }
    print(write_table(out, *compare_methods(materials, options.methods, out, jobs, print)))


if __name__ == "__main__":
    main()
