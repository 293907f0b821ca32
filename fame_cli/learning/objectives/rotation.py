"""3D rotation (3D RotNet: Jing et al. 2018): which way is up in a clip that was turned?"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fame_cli.data.role import Role
from fame_cli.learning.backbones import Backbone
from fame_cli.learning.objectives.objective import View
from fame_cli.learning.objectives.pretext import NO_CONSISTENCY, Consistency, Drawn, Pretext

TURNS = 4
HIDDEN = 64
"""Width of the hidden layer (published code)."""


class Rotation(Pretext):
    """All four turns of each clip in one batch, told from each other; chance is log 4.

    A clip is turned as a square that was cut out before: a turned frame that is wider than high would show
    its turn by black borders, or by what is stretched. It may be flipped, since that comes before the turn.

        model = Rotation(build_backbone("small"))
        loss, figures = model({"clip": View(clips)})

    Args:
        backbone: of the network.
        consistency: of a distracted view, see ``Pretext``.
    """

    def __init__(self, backbone: Backbone, *, consistency: Consistency = NO_CONSISTENCY) -> None:
        D = backbone.feature_dim
        head = nn.Sequential(nn.Linear(D, HIDDEN), nn.ReLU(inplace=True), nn.Linear(HIDDEN, TURNS))
        wanted = (Role("clip", square=True),)
        super().__init__(backbone, head, classes=TURNS, wanted=wanted, consistency=consistency)

    def show(self, views: Sequence[View], drawn: Drawn) -> Tensor:  # noqa: ARG002
        """The clip in all its turns (4B, 3, T, S, S)."""
        return turn_all_ways(views[0].clips).flatten(0, 1)

    def answer(self, features: Tensor, drawn: Drawn) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """Logits (4B, 4) of the features (B, 4, D), and which way each clip was turned (4B,)."""
        turns = torch.arange(TURNS, device=features.device).repeat(len(features))
        return self.head(features.flatten(0, 1)), turns


def turn_all_ways(clips: Tensor) -> Tensor:
    """Square clips (B, C, T, S, S) turned by 0, 90, 180 and 270° counter-clockwise: (B, 4, C, T, S, S)."""
    return torch.stack([clips.rot90(turns, dims=(3, 4)) for turns in range(TURNS)], dim=1)
