"""What features cost, decoding and writing included, next to a plain torch loop over clips in memory.

    python benchmarks/features.py WORK [--videos 600] [--clips 1] [--backbone r2plus1d_18]

WORK holds frames with labels (``fame extract``). In turn, a few videos at a time and the order changing, the
features of the same videos are computed by the stage that evaluations use, from the JPEGs of the store to
files on disk, and by the loop that one would write by hand, a video a forward, on their decoded clips.
Network and weights are the same, and the features have to be equal up to rounding.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from paired import ratio
from torch import Tensor

from fame_cli.config import RetrievalConfig
from fame_cli.data.frames import open_frame_store
from fame_cli.data.manifest import VIDEOS_PER_SHARD, read_manifest
from fame_cli.data.views import MEAN, STD
from fame_cli.evaluation.clip_datasets import even_clips
from fame_cli.evaluation.evaluation import Evaluation, Weights, random_weights
from fame_cli.evaluation.features import compute_features
from fame_cli.evaluation.splits import LabelledVideos, choose_videos

TOGETHER = 3 * VIDEOS_PER_SHARD
"""Videos done by the one and then by the other, so that a change of the machine's speed meets both."""


def by_toolkit(
    videos: LabelledVideos, weights: Weights, config: RetrievalConfig, some: Sequence[int]
) -> Tensor:
    with tempfile.TemporaryDirectory() as run:
        evaluation = Evaluation(Path(run), videos, weights, torch.device("cpu"))
        return compute_features(evaluation, config, some).read_all(some)


@torch.no_grad()
def by_loop(weights: Weights, decoded: Sequence[Tensor]) -> Tensor:
    features = []
    for clips in decoded:
        pixels = clips.permute(0, 4, 1, 2, 3).float() / 255
        features.append(weights.backbone((pixels - MEAN) / STD))
    return torch.stack(features)


def timed(function: Callable[[], Tensor]) -> tuple[float, Tensor]:
    started = time.perf_counter()
    features = function()
    return time.perf_counter() - started, features


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path)
    parser.add_argument("--videos", type=int, default=600)
    parser.add_argument("--clips", type=int, default=1)
    parser.add_argument("--backbone", default="r2plus1d_18")
    options = parser.parse_args()
    config = RetrievalConfig(clips=options.clips)
    videos = choose_videos(open_frame_store(options.work, read_manifest(options.work)), "train", "test")
    mine, plain = random_weights(options.backbone, seed=0), random_weights(options.backbone, seed=0)
    plain.backbone.eval()

    seconds: dict[str, list[float]] = {"toolkit": [], "loop": []}
    wanted, apart = set(videos.train + videos.test), 0.0
    for first in range(0, options.videos, TOGETHER):
        some = [n for n in range(first, first + TOGETHER) if n in wanted]
        decoded = [even_clips(videos.frames, n, config) for n in some]
        ways: dict[str, Callable[[], Tensor]] = {
            "toolkit": lambda some=some: by_toolkit(videos, mine, config, some),
            "loop": lambda decoded=decoded: by_loop(plain, decoded),
        }
        order = list(ways)[:: 1 if first // TOGETHER % 2 else -1]
        made = {name: timed(ways[name]) for name in order}
        apart = max(apart, float((made["toolkit"][1] - made["loop"][1]).abs().max()))
        if first:  # the first ones warm up
            for name, (duration, _) in made.items():
                seconds[name].append(duration)
    lower, median, upper = ratio(seconds, "toolkit", "loop")
    count = min(options.videos, len(wanted)) - TOGETHER
    print(f"{count} videos: {sum(seconds['toolkit']):.0f} s, plain loop {sum(seconds['loop']):.0f} s")
    print(f"features take {median:.2f} times the loop (quartiles {lower:.2f} to {upper:.2f})")
    print(f"largest difference of a feature: {apart:.1e}")


if __name__ == "__main__":
    main()
