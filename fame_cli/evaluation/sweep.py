"""Choosing the learning rate of a linear probe on training videos alone."""

import dataclasses
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
from fame_cli.evaluation.scores import top_k_share, video_probabilities

EpochMaker = Callable[[Tensor, Tensor, LinearConfig], tuple[Epochs, int]]
"""Epochs over the features (N, clips, D) and classes (N,) of some videos, and the samples in each."""

HELD_OUT = 5
"""One in so many training videos of each class is held out."""


def held_out(labels: Sequence[str], seed: int) -> list[bool]:
    """Which videos are held out: a fifth of each class, at least one where a class has two.

    Raises ConfigurationError where no class has two videos, so that there is nothing to choose by.
    """
    chosen = [False] * len(labels)
    for label in sorted(set(labels)):
        members = [place for place, name in enumerate(labels) if name == label]
        count = max(1, len(members) // HELD_OUT) if len(members) > 1 else 0
        for place in generator_for(seed, "held out", label).permutation(members)[:count].tolist():
            chosen[place] = True
    if not any(chosen):
        raise ConfigurationError(
            "--sweep holds out training videos, but no class has two.", "Give one --learning-rate instead."
        )
    return chosen


def choose_learning_rate(
    features: Tensor,
    classes: Tensor,
    labels: Sequence[str],
    class_count: int,
    config: LinearConfig,
    folder: Path,
    make_epochs: EpochMaker,
    tell: ProgressWithNote,
) -> tuple[float, str]:
    """The learning rate of ``config.sweep`` that is best on held-out training videos, and a line about it.

    ``features`` (N, clips, D) of unit length and ``classes`` (N,) of the training videos. Each rate trains a
    last layer for all epochs on the videos kept; of equally good ones the smallest is taken.
    """
    out = torch.tensor(held_out(labels, config.seed))
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
                naming(rate, tell),
            )
        except ConfigurationError:
            shares[rate] = float("nan")  # it diverged
            continue
        with torch.no_grad():
            scores = video_probabilities(head.eval()(features[out]))
        shares[rate] = top_k_share(scores.cpu(), classes[out].cpu(), 1)
    best = max(shares, key=lambda rate: (np.nan_to_num(shares[rate], nan=-1.0), -rate))
    told = ", ".join(
        f"{rate:g}: " + ("diverged" if np.isnan(share) else f"{100 * share:.1f}")
        for rate, share in shares.items()
    )
    note = f"learning rate {best:g} chosen by top-1 on {int(out.sum())} held-out training videos ({told} %)."
    return best, note


def naming(rate: float, tell: ProgressWithNote) -> ProgressWithNote:
    return lambda done, total, note: tell(done, total, f"rate {rate:g}, {note}")
