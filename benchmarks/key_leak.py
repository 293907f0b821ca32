"""What groups of batch normalisation do to plain MoCo and to MoCo+FAME, at several batch sizes.

    python benchmarks/key_leak.py WORK -o out [--batch-sizes 32 64 8] [--samples 12500] [--seeds 1]

WORK holds frames and statistics (``fame extract``, ``fame masks``) with a train and a test split. Each
training sees the same number of samples, whatever its batch size; options after ``--`` are given to each
(``fame pretrain``). ``whole`` normalises a batch as one,
``groups`` groups of 8 clips (of 4 at batch 8). Prints for each how often a query names its own key among
those of other videos when keys are computed with their own batch (own) and among other clips (mixed), and the
linear probe's top-1. What is finished is not done again.
"""

import argparse
import json
import sys
from itertools import product
from pathlib import Path

from command import fame

BETAS = {"MoCo": "1", "MoCo+FAME": "0.5"}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[32, 64, 8])
    parser.add_argument("--samples", type=int, default=12_500)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--queue-length", type=int, default=256)
    parser.add_argument("--learning-rate", default="1e-3")
    parser.add_argument("--clip-frames", type=int, default=8)
    parser.add_argument("--frame-stride", type=int, default=4)
    parser.add_argument("--crop-px", type=int, default=48)
    parser.add_argument("--flip-probability", default="0.5")
    parser.add_argument(
        "--splits",
        nargs=3,
        default=["train", "train", "test"],
        help="pretraining, probe's training, probe's test",
    )
    words, more = sys.argv[1:], []
    if "--" in words:
        words, more = words[: words.index("--")], words[words.index("--") + 1 :]
    options = parser.parse_args(words, argparse.Namespace(more=more))
    print("| batch | method | batch statistics | own % | mixed % | top-1 % |")
    print("|---|---|---|---|---|---|")
    for seed, size, method in product(range(options.seeds), options.batch_sizes, BETAS):
        for name, group in {"whole": 0, "groups": min(8, size // 2)}.items():
            run = options.out / f"{method}-batch{size}-{name}-seed{seed}"
            train(options, run, size, BETAS[method], group, seed)
            leak = json.loads((run / "key_leak.json").read_text())
            figures = [leak["own"], leak["mixed"], probe(options, run)]
            print("|", " | ".join([str(size), method, name, *(f"{f:.1f}" for f in figures)]), "|", flush=True)


def train(options: argparse.Namespace, run: Path, size: int, beta: str, group: int, seed: int) -> None:
    if (run / "config.toml").exists():
        fame("pretrain", "--resume", run, "--workers", 0)
        return
    fame(
        "pretrain", options.work, "-o", run, *clips(options), "--backbone", "small", "--batch-size", size,
        "--steps", options.samples // size, "--optimizer", "adamw", "--learning-rate", options.learning_rate,
        "--queue-length", options.queue_length, "--beta", beta, "--batch-norm-clips", group, "--seed", seed,
        "--flip-probability", options.flip_probability, "--split", options.splits[0], "--workers", 0,
        *options.more,
    )  # fmt: skip


def probe(options: argparse.Namespace, run: Path) -> float:
    """Top-1 of the linear probe in percent."""
    fame(
        "eval",
        "linear",
        options.work,
        run,
        *clips(options),
        "--clips",
        5,
        "--train-on",
        "features",
        "--train-split",
        options.splits[1],
        "--test-split",
        options.splits[2],
        "--workers",
        0,
    )
    result = json.loads(next((run / "results").glob("linear-*.json")).read_text())
    return float(result["figures"]["top1"]["percent"])


def clips(options: argparse.Namespace) -> list[object]:
    """The options that say how clips are cut, of the training and of its evaluation alike."""
    frames = ["--clip-frames", options.clip_frames, "--frame-stride", options.frame_stride]
    return [*frames, "--crop-px", options.crop_px]


if __name__ == "__main__":
    main()
