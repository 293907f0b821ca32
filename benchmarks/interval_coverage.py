"""How often 95 % intervals of an accuracy hold the truth, where test videos come in groups.

    python benchmarks/interval_coverage.py [--trials 1000]

Made test sets of groups of 4 to 7 videos each, as those of UCF101 (707 groups, about 3,800 videos);
the videos of a group are right or wrong together, with the correlation named. For each the share of trials in
which the true accuracy lies within the interval over groups, as evaluations print it, and within Wilson's,
which counts videos.
"""

import argparse

import numpy as np

from fame_cli.evaluation.interval import share_interval

CORRELATIONS = (0.1, 0.3, 0.5)
ACCURACIES = (0.5, 0.8)


def made_test(
    groups: int, correlation: float, accuracy: float, generator: np.random.Generator
) -> tuple[np.ndarray, list[str]]:
    """Whether each video is right (N,), and its group. Groups differ as a beta distribution does."""
    strength = (1 - correlation) / correlation
    of_group = generator.beta(accuracy * strength, (1 - accuracy) * strength, groups)
    places = np.repeat(np.arange(groups), generator.integers(4, 8, groups))
    return (generator.random(len(places)) < of_group[places]).astype(float), places.astype(str).tolist()


def coverage(groups: int, correlation: float, accuracy: float, trials: int) -> tuple[float, float]:
    """Percent of trials whose interval holds the truth: over groups, and over videos."""
    generator = np.random.default_rng(0)
    held = np.zeros(2)
    for _ in range(trials):
        hits, names = made_test(groups, correlation, accuracy, generator)
        for place, (low, high) in enumerate((share_interval(hits, names), share_interval(hits))):
            held[place] += low <= accuracy <= high
    over_groups, over_videos = 100 * held / trials
    return float(over_groups), float(over_videos)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--groups", type=int, nargs="+", default=[10, 30, 100, 707])
    options = parser.parse_args()
    print("groups  correlation  accuracy   over groups   over videos")
    for groups in options.groups:
        for correlation in CORRELATIONS:
            for accuracy in ACCURACIES:
                grouped, alone = coverage(groups, correlation, accuracy, options.trials)
                print(
                    f"{groups:6}  {correlation:11}  {accuracy:8}  {grouped:11.1f} %  {alone:10.1f} %",
                    flush=True,
                )


if __name__ == "__main__":
    main()
