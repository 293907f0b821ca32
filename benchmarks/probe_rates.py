"""The linear probe's default learning rate and the best of several, on made features of 2 to 101 classes.

    python benchmarks/probe_rates.py [--classes 2 4 8 21 101] [--seeds 3]

Features as a network with a ReLU at its end gives them: none below 0, of unit length, and mostly alike, since
their mean is longer than what tells classes apart. Prints top-1 of each rate and of the default, and how far
that lies below the best, which was chosen on the test videos.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fame_cli.config import LinearConfig
from fame_cli.evaluation.classifier import build_head, unit_length
from fame_cli.evaluation.classify import FeatureEpochs, default_learning_rate
from fame_cli.evaluation.fit import fit
from fame_cli.evaluation.scores import top_k_hits, video_probabilities

RATES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
CLIPS, DIMENSIONS = 5, 128
VIDEOS = 40
"""Training videos of each class."""


def made_features(
    classes: int, videos: int, seed: int, spread: float = 0.2, shared: float = 3.0
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Features (N, CLIPS, DIMENSIONS) and classes (N,) to learn from, and as many and more to test on.

    ``spread`` is how far classes lie apart (videos of a class differ by about 1), ``shared`` the mean's size.
    """
    generator = torch.Generator().manual_seed(seed)
    mean = shared * torch.rand(DIMENSIONS, generator=generator)
    centres = spread * torch.randn(classes, DIMENSIONS, generator=generator)
    # Some directions hold most of what videos differ in, as with real features.
    scales = torch.linspace(1.5, 0.1, DIMENSIONS)

    def draw(count: int) -> tuple[Tensor, Tensor]:
        numbers = torch.arange(classes).repeat_interleave(count)
        of_videos = centres[numbers] + scales * torch.randn(len(numbers), DIMENSIONS, generator=generator)
        noise = 0.5 * torch.randn(len(numbers), CLIPS, DIMENSIONS, generator=generator)
        return unit_length((mean + of_videos[:, None] + noise).clamp_min(0)), numbers

    return draw(videos), draw(max(10, 1200 // classes))


def top1(
    train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], classes: int, rate: float, seed: int
) -> float:
    """Top-1 in percent of a probe trained with this rate, by the code that ``fame eval linear`` runs."""
    config = LinearConfig(train_on="features", learning_rate=rate, seed=seed)
    head = build_head(DIMENSIONS, classes, config.dropout, seed)
    epochs = FeatureEpochs(*train, config)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "last.pt"
        fit(head, head, epochs, epochs.samples, config, path, torch.device("cpu"), lambda *_: None)
    with torch.no_grad():
        hits = top_k_hits(video_probabilities(head(test[0])), test[1], 1)
    return 100 * float(hits.double().mean())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--classes", type=int, nargs="+", default=[2, 4, 8, 21, 101])
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)  # steps are too small to share
    print("classes  " + "".join(f"{rate:>7g}" for rate in RATES) + "   default    below the best")
    for classes in options.classes:
        rates = (*RATES, default_learning_rate(classes))
        found = []
        for seed in range(options.seeds):
            train, test = made_features(classes, VIDEOS, seed)
            found.append([top1(train, test, classes, rate, seed) for rate in rates])
        *tried, default = np.mean(found, axis=0).tolist()
        below = max(tried) - default
        print(
            f"{classes:7}  "
            + "".join(f"{share:7.1f}" for share in tried)
            + f"   {default:7.1f}  {below:6.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
