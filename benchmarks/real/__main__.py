"""What methods learn from real clips, tested where the scene tells the class and where it tells nothing.

    python -m benchmarks.real --ucf UCF --lists LISTS --weizmann WEIZMANN --out real

UCF: class folders of UCF101 clips, all classes or some. LISTS: UCF101's official lists. WEIZMANN: class
folders of the Weizmann actions. Everything is done by ``fame`` commands, which are printed; stopped at any
time, the same command goes on. OUT/table.md, OUT/table.json and OUT/plot.png tell what came out.
"""

import argparse
from pathlib import Path

from benchmarks.real.runs import BE_PARTS, METHODS, Study
from benchmarks.real.table import BASELINE, write_table


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.real",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, text in (
        ("ucf", "class folders of UCF101 clips"),
        ("lists", "folder of UCF101's official lists"),
        ("weizmann", "class folders of the Weizmann clips"),
        ("out", "folder of everything that is made"),
    ):
        parser.add_argument(f"--{name}", required=True, type=Path, help=text)
    parser.add_argument("--splits", type=int, default=3, help="official splits to train on, 1 to this (3)")
    parser.add_argument("--steps", type=int, default=780, help="of each training (780)")
    parser.add_argument(
        "--methods",
        nargs="+",
        choices=METHODS,
        default=[method for method in METHODS if method not in BE_PARTS],
        help="those to compare (all but the parts of BE)",
    )
    parser.add_argument("--baseline", choices=METHODS, default=BASELINE, help=f"compared with ({BASELINE})")
    options = parser.parse_args()
    study = Study(options.ucf, options.lists, options.weizmann, options.out, options.steps)
    for split in range(1, options.splits + 1):
        study.prepare(split)
        for method in options.methods:
            study.carry_out(method, split)
        print(write_table(study, options.methods, range(1, split + 1), options.baseline))


if __name__ == "__main__":
    main()
