"""What does each part of BE do? The parts one by one, and BE's consistency on pretext tasks, on made videos.

    python -m benchmarks.debias.be --out be

trains each from several seeds on the videos of ``benchmarks.debias`` and tests them as that does; see
docs/be.md. Stopped at any time, the same command goes on. OUT/parts and OUT/pretext have table.md, table.json
and plot.png of what came out.
"""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path

from benchmarks.debias.comparison import compare_methods
from benchmarks.debias.dials import FRAME_STRIDE, MADE_SIZE
from benchmarks.debias.material import Material, made_material
from benchmarks.debias.runs import BE_PARTS, PRETEXT, UNTRAINED
from benchmarks.debias.table import write_table
from fame_cli.cli.console import progress_with_note

STUDIES = {"parts": (UNTRAINED, *BE_PARTS), "pretext": (UNTRAINED, *PRETEXT)}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.debias.be",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", required=True, type=Path, help="folder of everything that is made")
    parser.add_argument(
        "--studies", nargs="+", choices=STUDIES, default=list(STUDIES), help="those to carry out (both)"
    )
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each method (3)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at once (as many as cores)")
    options = parser.parse_args()
    materials = make_materials(options.out, options.seeds, options.jobs)
    for study in options.studies:
        folder = options.out / study
        print(write_table(folder, *compare_methods(materials, STUDIES[study], folder, options.jobs, print)))


def make_materials(out: Path, seeds: int, jobs: int) -> Mapping[int, Material]:
    """Clips of neighbouring frames, as for the dials: so a video has another time for a negative."""
    return {
        seed: made_material(
            out / f"set {seed}", jobs, progress_with_note, MADE_SIZE, seed, frame_stride=FRAME_STRIDE
        )
        for seed in range(1, seeds + 1)
    }


if __name__ == "__main__":
    main()
