"""Choosing the learning rate of a linear probe on training videos alone."""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fame_cli.config import LinearConfig
from fame_cli.data.clips import generator_for
from fame_cli.errors import ConfigurationError
from fame_cli.evaluation.classifier import build_head
from fame_cli.evaluation.evaluation import ProgressWithNote
from fame_cli.evaluation.fit import Epochs, fit
from fame_cli.evaluation.scores import top_k_hits, video_probabilities

EpochMaker = Callable[[Tensor, Tensor, LinearConfig], tuple[Epochs, int]]
"""Epochs over the features (N, clips, D) and classes (N,) of some videos, and the samples in each."""

HELD_OUT = 5
"""One in so many training videos of each class is held out, or more where groups are large."""


def held_out(labels: Sequence[str], groups: Sequence[str], seed: int) -> Tensor:
    """Which videos (N,) bool are held out: whole groups, until a fifth of each class is, one video at least.

    A video whose film was learned from tells nothing of unseen films, so no group is on both sides. Each
    class keeps a group to learn from; one that has no more than that is not held out.

    Raises ConfigurationError where no class has two groups, so that there is nothing to choose by.
    """
    classes_of: dict[str, Counter[str]] = defaultdict(Counter)
    groups_of: dict[str, dict[str, None]] = defaultdict(dict)
    for label, group in zip(labels, groups, strict=True):
        classes_of[group][label] += 1
        groups_of[label][group] = None
    videos, held = Counter(labels), Counter[str]()
    kept = Counter({label: len(names) for label, names in groups_of.items()})
    out: set[str] = set()
    for label in sorted(groups_of):
        names, wanted = list(groups_of[label]), max(1, videos[label] // HELD_OUT)
        for place in generator_for(seed, "held out", label).permutation(len(names)).tolist():
            group = names[place]
            # A group may be of several classes: a person who performs all of them, say.
            if held[label] < wanted and group not in out and all(kept[one] > 1 for one in classes_of[group]):
                out.add(group)
                held.update(classes_of[group])
                kept.subtract(classes_of[group].keys())
    if not out:
        raise ConfigurationError(
            "--sweep holds out groups of training videos, but no class has two.",
            "Give one --learning-rate instead.",
        )
    return torch.tensor([group in out for group in groups])


def choose_learning_rate(
    features: Tensor,
    classes: Tensor,
    out: Tensor,
    class_count: int,
    config: LinearConfig,
    folder: Path,
    make_epochs: EpochMaker,
    tell: ProgressWithNote,
) -> tuple[float, str]:
    """The learning rate of ``config.sweep`` that is best on held-out training videos, and a line about it.

    ``features`` (N, clips, D) of unit length, ``classes`` (N,) and ``out`` (N,), which are held out, of the
    training videos. Each rate trains a last layer for all epochs on the videos kept; of equally good ones the
    smallest is taken.
    """
    shares: dict[float, float] = {}
    for rate in sorted(config.sweep):
        trial = dataclasses.replace(config, learning_rate=rate, sweep=())
        head = build_head(features.shape[2], class_count, config.dropout, config.seed).to(features.device)
        epochs, samples = make_epochs(features[~out], classes[~out], trial)
        try:
            fit(
                head,
                head,
                epochs,
                samples,
                trial,
                folder / f"sweep-{rate:g}.pt",
                features.device,
                name_rate(rate, tell),
            )
        except ConfigurationError:
            shares[rate] = float("nan")  # it diverged
            continue
        with torch.no_grad():
            scores = video_probabilities(head.eval()(features[out]))
        shares[rate] = float(top_k_hits(scores.cpu(), classes[out].cpu(), 1).double().mean())
    best = max(shares, key=lambda rate: (np.nan_to_num(shares[rate], nan=-1.0), -rate))
    told = ", ".join(
        f"{rate:g}: " + ("diverged" if np.isnan(share) else f"{100 * share:.1f}")
        for rate, share in shares.items()
    )
    note = f"learning rate {best:g} chosen by top-1 on {int(out.sum())} held-out training videos ({told} %)."
    return best, note


def name_rate(rate: float, tell: ProgressWithNote) -> ProgressWithNote:
    return lambda done, total, note: tell(done, total, f"rate {rate:g}, {note}")
