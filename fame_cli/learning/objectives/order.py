"""Clip order prediction (Xu et al. 2019): in which order were three clips of a video?"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fame_cli.data.role import AUGMENTATIONS, Role
from fame_cli.learning.backbones import Backbone
from fame_cli.learning.objectives.objective import View
from fame_cli.learning.objectives.pretext import NO_CONSISTENCY, Consistency, Drawn, Pretext

CLIPS = 3
PERMUTATIONS = tuple(itertools.permutations(range(CLIPS)))
PAIRS = tuple(itertools.combinations(range(CLIPS), 2))
HIDDEN = 512
"""Width of the layer that looks at a pair (published code)."""
DROPOUT = 0.5
"""Before the last layer (published code)."""


class ClipOrder(Pretext):
    """Three clips one after another, shuffled into one of 6 orders; chance is log 6.

    Each clip has a crop of its own: in one crop for all, the end of a clip would fit the beginning of the
    next pixel by pixel. None is flipped, since flips of their own would tear the motion apart. A video too
    short for three clips is left out of the loss.

        model = ClipOrder(build_backbone("small"), distance_frames=39)
        drawn = default_collate([draw_order(generator) for _ in range(len(first))])
        views = {"first": View(first, drawn=drawn), "second": View(second), "third": View(third)}
        loss, figures = model(views)

    Args:
        backbone: of the network, which sees a clip at a time.
        distance_frames: from the start of a clip to that of the next, in frames of the video.
        consistency: of distracted views, see ``Pretext``.
    """

    permutations: Tensor

    def __init__(
        self, backbone: Backbone, *, distance_frames: int, consistency: Consistency = NO_CONSISTENCY
    ) -> None:
        head = OrderHead(backbone.feature_dim)
        wanted = order_roles(distance_frames)
        super().__init__(backbone, head, classes=len(PERMUTATIONS), wanted=wanted, consistency=consistency)
        self.register_buffer("permutations", torch.tensor(PERMUTATIONS), persistent=False)

    def show(self, views: Sequence[View], drawn: Drawn) -> Tensor:  # noqa: ARG002
        """The three clips (3B, 3, T, H, W), in order: what is shuffled is what ``answer`` gets of them."""
        return torch.stack([view.clips for view in views], dim=1).flatten(0, 1)

    def answer(self, features: Tensor, drawn: Drawn) -> tuple[Tensor, Tensor]:
        """Logits (B, 6) of the features (B, 3, D), and the permutation of each (B,)."""
        # Shuffling the features is shuffling the clips: the network sees each by itself.
        order = self.permutations[drawn["permutation"]]
        shuffled = features.gather(1, order[:, :, None].expand_as(features))
        return self.head(shuffled, drawn["kept"]), drawn["permutation"]


class OrderHead(nn.Module):
    """Looks at each pair of shuffled clips, then at all pairs together (Xu et al. 2019)."""

    def __init__(self, feature_dim: int) -> None:
        super().__init__()
        self.pair = nn.Linear(2 * feature_dim, HIDDEN)
        self.last = nn.Linear(len(PAIRS) * HIDDEN, len(PERMUTATIONS))

    def forward(self, features: Tensor, kept: Tensor) -> Tensor:
        """Logits (B, 6) of features (B, 3, D); of the pairs' 3·512 only those ``kept`` (B, 1536) are used."""
        pairs = [torch.cat([features[:, i], features[:, j]], dim=1) for i, j in PAIRS]
        seen = torch.cat([self.pair(pair).relu() for pair in pairs], dim=1)
        logits: Tensor = self.last(seen * kept / (1 - DROPOUT))
        return logits


def order_roles(distance_frames: int) -> tuple[Role, ...]:
    """Three clips, each ``distance_frames`` after the one before it; the first draws the order."""
    augmentations = AUGMENTATIONS - {"flip"}
    return (
        Role("first", augmentations=augmentations, draw=draw_order),
        *(
            Role(name, frames="after", gap_frames=count * distance_frames, augmentations=augmentations)
            for count, name in enumerate(("second", "third"), start=1)
        ),
    )


def draw_order(generator: np.random.Generator) -> Mapping[str, Any]:
    """The question of one video, a role's ``draw``: the ``permutation``, and what dropout leaves.

    That is drawn here, by address, so that a resumed training and one on several ranks drop the same.
    """
    return {
        "permutation": generator.integers(len(PERMUTATIONS)),
        "kept": generator.random(len(PAIRS) * HIDDEN) >= DROPOUT,
    }
