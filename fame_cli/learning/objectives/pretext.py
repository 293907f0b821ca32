"""What pretext tasks share: a question whose answer is known, and BE's consistency with a distracted view.

The question is made of the clip itself, so there are no negatives, and chance is the logarithm of the number
of answers. With consistency, a second view of the same frames is distracted and asked the same question, and
the feature maps of both are drawn together: L = L_p + β·L_be (BE: Wang et al. 2021).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from fame_cli.data.role import Frames, Role
from fame_cli.learning.backbones import Backbone
from fame_cli.learning.distributed import gather, rank_count
from fame_cli.learning.objectives.losses import find_hits
from fame_cli.learning.objectives.objective import Figures, Objective, View, Views
from fame_cli.method import Branch, Psi

DISTRACTED = "distracted "
"""Before the name of a role: that of the same frames in another crop, distracted."""

Drawn = Mapping[str, Tensor]


@dataclass(frozen=True)
class Consistency:
    """The second term of L = L_p + β·L_be, and the views that it is of."""

    weight: float = 0.0
    """β; 0 leaves the term out, and the views of the question are distracted."""
    psi: Psi = "max"
    """What of the maps is compared, see ``summarise``."""
    branch: Branch = "single"
    """Which views are distracted: the second of the same frames, or both."""


NO_CONSISTENCY = Consistency()


class Pretext(Objective):
    """Base of the pretext tasks; one says what its network sees, what it answers and what is right.

    ``chance`` is log(C) of C answers: the loss of a network that cannot tell and has equal maps for both
    views. Batch normalisation counts the whole global batch, each of the two views by itself: all answers
    are in every batch, so its statistics tell none.

    Args:
        backbone: of the network.
        head: from what ``answer`` makes of its features to the answers.
        classes: C, the number of answers.
        wanted: the views of the question; what the first one draws says which it is.
        consistency: of a distracted view with each of these.
    """

    def __init__(
        self,
        backbone: Backbone,
        head: nn.Module,
        *,
        classes: int,
        wanted: tuple[Role, ...],
        consistency: Consistency,
    ) -> None:
        super().__init__()
        self.wanted, self.consistency = wanted, consistency
        self.roles = roles_of(wanted, consistency)
        self.chance = math.log(classes)
        self.encoder = backbone
        self.head = head

    @property
    def backbone(self) -> Backbone:
        """The network without its head, which a finished run exports."""
        return self.encoder

    def trainable_parameters(self) -> Iterator[nn.Parameter]:
        """All parameters."""
        return self.parameters()

    def show(self, views: Sequence[View], drawn: Drawn) -> Tensor:
        """What the network sees of the wanted views of B videos, k of each in a row: (N, 3, T, H, W).

        ``drawn`` is what the first of the views draws.
        """
        raise NotImplementedError

    def answer(self, features: Tensor, drawn: Drawn) -> tuple[Tensor, Tensor]:
        """Logits (M, C) of the features (B, k, D) of what was shown, and the right answers (M,) int64.

        M is B or a multiple of it: the answers of a video are in a row.
        """
        raise NotImplementedError

    def forward(self, views: Views) -> tuple[Tensor, Figures]:
        """L_p + β·L_be of clips (B, 3, T, H, W), and the share of right answers; a tie is a wrong one.

        The question is the same for both views, and L_p is the mean of both. A video that is too short for a
        view counts in neither term.
        """
        branches = self.pair_views(views)
        drawn, videos = branches[0][0].drawn, len(branches[0][0].clips)
        whole = find_whole(branches[0])
        maps = [self.find_map(self.show(branch, drawn), branch[0].clips) for branch in branches]
        losses, hits = [], []
        for features in maps:
            pooled = features.mean(dim=(2, 3, 4))
            logits, labels = self.answer(pooled.view(videos, -1, pooled.shape[1]), drawn)
            logits = logits.float()
            losses.append(functional.cross_entropy(logits, labels, reduction="none"))
            hits.append(find_hits(logits.detach(), labels).float())
        task, accuracy = (mean_of(torch.cat(values), len(maps), whole) for values in (losses, hits))
        figures = {"accuracy": accuracy}
        if whole is not None:
            figures["long_enough"] = whole.float().mean()
        if not self.consistency.weight:
            return task, figures
        plain, distracted = maps
        apart = mean_of(find_distances(plain, distracted, self.consistency.psi), 1, whole)
        figures |= {"task_loss": task.detach(), "consistency": apart.detach()}
        return task + self.consistency.weight * apart, figures

    def pair_views(self, views: Views) -> list[list[View]]:
        """The wanted views, and with consistency the distracted ones."""
        names = [role.name for role in self.wanted]
        prefixes = ("", DISTRACTED) if self.consistency.weight else ("",)
        return [[views[prefix + name] for name in names] for prefix in prefixes]

    def find_map(self, shown: Tensor, clips: Tensor) -> Tensor:
        """The last feature map (N, D, t, h, w) of what is shown, in the memory format of ``clips``."""
        last = clips.is_contiguous(memory_format=torch.channels_last_3d)
        memory_format = torch.channels_last_3d if last else torch.contiguous_format
        return self.encoder.feature_map(shown.contiguous(memory_format=memory_format))


def roles_of(wanted: tuple[Role, ...], consistency: Consistency) -> tuple[Role, ...]:
    """The wanted views, distracted; with consistency, those and the same frames again in crops of their own.

    What the question is, is drawn once, by the first view.
    """
    distracted = tuple(replace(role, distracted=True) for role in wanted)
    if not consistency.weight:
        return distracted
    plain = distracted if consistency.branch == "both" else wanted
    again = (
        replace(role, name=DISTRACTED + role.name, frames=same_frames(role), draw=None) for role in distracted
    )
    return *plain, *again


def same_frames(role: Role) -> Frames:
    """What another role says to get the frames of this one."""
    return "same" if role.frames == "random" else role.frames


def summarise(maps: Tensor, psi: Psi) -> Tensor:
    """ψ(f) of feature maps f (N, D, t, h, w), which two crops of the same frames have in common.

    (N, D, t), the "max" or the "mean" over space: the crops do not align in space, but they do in time. Or
    (N, D), the mean of all ("global").
    """
    match psi:
        case "max":
            return maps.amax(dim=(3, 4))
        case "mean":
            return maps.mean(dim=(3, 4))
        case "global":
            return maps.mean(dim=(2, 3, 4))


def find_distances(plain: Tensor, distracted: Tensor, psi: Psi) -> Tensor:
    """(N,) mean square of the elements of ψ(f(x^o)) − ψ(f(x^d)), the L_be of each clip (BE).

    Of feature maps f (N, D, t, h, w), with gradient to both, in float32 even under autocast. The paper's is
    the squared norm, a sum; its mean makes β mean the same for any network.
    """
    difference = summarise(plain.float(), psi) - summarise(distracted.float(), psi)
    return difference.square().flatten(1).mean(dim=1)


def find_whole(views: Sequence[View]) -> Tensor | None:
    """(B,) bool: which videos are long enough for all views; None where no view asks."""
    asked = [view.apart for view in views if view.apart is not None]
    return torch.stack(asked).all(dim=0) if asked else None


def mean_of(values: Tensor, times: int, whole: Tensor | None) -> Tensor:
    """The mean of what there is for each of B videos, in turn ``times`` over, of those that are ``whole``.

    ``values`` (times·B·n,), n of a video in a row. On several ranks the mean over them of what comes back is
    that of the global batch; 0 where no video is whole.
    """
    if whole is None:
        return values.mean()
    each = values.view(times, len(whole), -1).mean(dim=(0, 2))
    counted = whole.float()
    share = gather(counted).sum().clamp_min(1) / rank_count()
    return (each * counted).sum() / share
