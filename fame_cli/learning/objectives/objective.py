"""What the loop asks of an objective: which views it wants, a loss of them, what to do after each step."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from fame_cli.data.role import Role
from fame_cli.learning.backbones import Backbone
from fame_cli.method import Branch

Figures = dict[str, Tensor]
"""Scalars without gradient by name, the same names in every step: all of them go to the log of a run."""


@dataclass(frozen=True)
class View:
    """One view of each of the B videos of a batch, as a role asks for it.

    views = {"query": View(first), "key": View(second)}  # each (B, 3, T, H, W), normalised
    loss, figures = objective(views)
    """

    clips: Tensor
    """(B, 3, T, H, W), normalised."""
    partners: Tensor | None = None
    """(B,) int64: rows, in the global batch, of the videos whose clips the distraction put into these; None
    where it took none."""
    apart: Tensor | None = None
    """(B,) bool: whether each clip is as far from the first role's as the role asks; None unless it asks.
    False where the video is too short: an objective leaves such a clip out."""
    drawn: Mapping[str, Tensor] = field(default_factory=dict)
    """What the role drew for each clip, (B, …) by name."""
    videos: Tensor | None = None
    """(B,) int64: the number of each video in the manifest; None where nobody knows."""


Views = Mapping[str, View]
"""A view for each role, by the role's name."""


def two_views(branch: Branch = "single") -> tuple[Role, Role]:
    """Two clips of each video at random times; the first, or both (Table 5), with the distraction."""
    return Role("query", distracted=True), Role("key", distracted=branch == "both")


TWO_VIEWS = two_views()


class Objective(nn.Module):
    """Base of MoCo, SimCLR and BYOL. ``state_dict`` holds everything that resuming needs.

    optimizer = torch.optim.SGD(objective.trainable_parameters(), lr=0.01)
    loss, figures = objective(views)
    loss.backward()
    optimizer.step()
    objective.after_step(step, total_steps)

    Where ``split`` gives several parts, each goes forward and backward before the next, so that a step holds
    the activations of one part at a time.

    On several ranks ``forward`` gets a rank's share of the global batch. The mean of its loss over the ranks
    is the loss of the global batch, and the mean of the gradients is that loss's gradient.
    """

    roles: tuple[Role, ...]
    """The views that it wants of each video."""
    batch_norm_clips: int = 0
    """Clips that its networks normalise together; 0 stands for the whole global batch, on any number of
    ranks."""
    chance: float
    """Loss where views of one video are as unlike as those of any two; each objective says what it means."""

    @property
    def backbone(self) -> Backbone:
        """The network that a finished run exports."""
        raise NotImplementedError

    def trainable_parameters(self) -> Iterator[nn.Parameter]:
        """The parameters for the optimizer."""
        raise NotImplementedError

    def forward(self, views: Views) -> tuple[Tensor, Figures]:
        """The loss (a scalar) of the views (clips (B, 3, T, H, W) each) of B videos, and figures beside it.

        Those of this toolkit give ``accuracy``: the share of views nearer to the other view of their video
        than to everything they are compared with. A tie is a miss, so that collapse shows as 0.
        """
        raise NotImplementedError

    def split(self, views: Views) -> Sequence[Any]:
        """The parts of a step, whose losses (``forward`` takes each) add up to that of the views.

        Without gradient; what several parts share, such as keys, is computed here. One part by default.
        """
        return [views]

    def after_step(self, step: int, total_steps: int) -> None:
        """What follows the optimizer in ``step``, counted from 0: the momentum step where there is one."""


class Encoder(nn.Module):
    """A backbone and a head on it: clips (B, 3, T, H, W) to unit vectors (B, D) in float32."""

    def __init__(self, backbone: Backbone, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, clips: Tensor) -> Tensor:
        embeddings: Tensor = self.head(self.backbone(clips))
        return functional.normalize(embeddings.float(), dim=1)


def encode_in_groups(encoder: Encoder, clips: Tensor, size: int) -> Tensor:
    """Embeddings (B, D) of clips (B, 3, T, H, W): ``size`` a forward, with batch statistics of their own.

    0 takes all clips together. What is left over at the end is a smaller group.
    """
    if size == 0 or len(clips) <= size:
        embeddings: Tensor = encoder(clips)
        return embeddings
    return torch.cat([encoder(group) for group in torch.split(clips, size)])


def projection_head(feature_dim: int, embedding_dim: int) -> nn.Sequential:
    """Linear D → D, ReLU, Linear D → embedding_dim.

    The head of SimCLR (Chen et al. 2020, section 2.1: g(h) = W₂ σ(W₁ h)), which MoCo v2 took over.
    """
    return nn.Sequential(
        nn.Linear(feature_dim, feature_dim),
        nn.ReLU(inplace=True),
        nn.Linear(feature_dim, embedding_dim),
    )


def mean_figures(figures: Sequence[Figures]) -> Figures:
    """The mean of each figure over the parts of a step that have it."""
    names = dict.fromkeys(name for part in figures for name in part)
    return {name: torch.stack([part[name] for part in figures if name in part]).mean() for name in names}


@torch.no_grad()
def ema_update(averages: Iterator[nn.Parameter], parameters: Iterator[nn.Parameter], momentum: float) -> None:
    """ξ ← m ξ + (1 − m) θ for every parameter (He et al. 2020, Eq. 2; Grill et al. 2020, Eq. 1), in place."""
    ours: list[Tensor] = [*averages]
    theirs: list[Tensor] = [*parameters]
    assert len(ours) == len(theirs)
    torch._foreach_lerp_(ours, theirs, 1 - momentum)
