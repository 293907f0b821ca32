"""Against wide and micro background bias: an interpretation (docs/wide-micro.md).

Of the paper (*Solution of wide and micro background bias in contrastive action representation learning*, Eng.
Appl. Artif. Intell. 2024) only the abstract is public. What it leaves open is ours: no figure of it is
claimed.
"""

import copy
import math
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from fame_cli.foreground.still import static_factor
from fame_cli.learning.backbones import Backbone
from fame_cli.learning.distributed import gather, own_rows
from fame_cli.learning.objectives.decomposition import DecomposingEncoder
from fame_cli.learning.objectives.losses import chance_level, info_nce
from fame_cli.learning.objectives.moco import Direction, Head, MoCo, build_head, random_queue
from fame_cli.learning.objectives.objective import Figures
from fame_cli.method import SemiNegative


class Parts(NamedTuple):
    """What the rows (B, W) of an encoder tell: unit vectors (B, D), and whether the clips move (B,)."""

    whole: Tensor
    motion: Tensor
    static: Tensor
    moves: Tensor


class WideMicro(MoCo):
    """MoCo whose loss is L_wide · ``wide_weight`` + μ L_micro + ν L_static.

    - L_wide is MoCo's, with one negative more of each query and of weight α: the *semi-negative*, which shows
      the query's background behind another motion. It is a key of the batch already.
    - L_micro is InfoNCE of what moves in query and key (``decomposition``), with a queue of its own and with
      what stays in the key as one negative more.
    - L_static matches what stays in a query with what stays in the clip whose background it has, among all
      keys of the batch. It teaches the scene, and is off by default.

    With α = 0, μ = 0 and ν = 0 it is MoCo to the last bit. Chance is the sum of log(K + 1 + α), μ log(K + 2)
    and ν log(B), weighted alike.

        for part in model.split(views):
            loss, figures = model(part)
            loss.backward()

    Args:
        backbone: of both encoders; it has stages where μ or ν is above 0.
        batch_size: B, the global batch; it decides ``chance`` alone.
        alpha: α, weight of the semi-negative; 0 leaves it out.
        semi_negative: "donor", the clip whose background the query has (``View.partners`` says which), or
            "still", the positive without its motion.
        wide_weight: of L_wide.
        micro_weight: μ.
        static_weight: ν.
        saliency_layer: stage of the backbone, from 1, whose changes over time tell what moves.
        saliency_temperature: of the weights that they give.
        moco: the other arguments of ``MoCo``.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        batch_size: int,
        alpha: float = 1.0,
        semi_negative: SemiNegative = "donor",
        wide_weight: float = 1.0,
        micro_weight: float = 1.0,
        static_weight: float = 0.0,
        saliency_layer: int = 1,
        saliency_temperature: float = 0.5,
        head: Head = "mlp",
        **moco: Any,
    ) -> None:
        super().__init__(backbone, head=head, **moco)
        self.alpha, self.semi_negative = alpha, semi_negative
        self.wide_weight, self.micro_weight, self.static_weight = wide_weight, micro_weight, static_weight
        D, K = self.queue.shape
        self.chance = wide_weight * self.chance_with(K, alpha)
        self.chance += micro_weight * chance_level(K, extra=1) + static_weight * math.log(batch_size)
        if micro_weight or static_weight:
            whole, part = self.encoder_q.head, build_head(head, backbone.feature_dim, D)
            self.encoder_q = DecomposingEncoder(backbone, whole, part, saliency_layer, saliency_temperature)
            self.encoder_k = copy.deepcopy(self.encoder_q).requires_grad_(False)
        if micro_weight:
            # The queue of motion goes with MoCo's: below it, of the same clips, in the same columns.
            self.queue = torch.cat([self.queue, random_queue(D, K, moco["seed"] + 1)])

    def contrast(self, queries: Tensor, part: Direction) -> tuple[Tensor, Figures]:
        """The weighted losses of rows (B, W) of queries, and the figures of each."""
        D, asked, answers = self.embedding_dim, self.parts(queries), self.parts(part.keys)
        whole = replace(part, all_keys=part.all_keys[:, :D], queue=part.queue[:D])
        wide, figures = super().contrast(asked.whole, whole)
        loss = self.wide_weight * wide
        figures |= {"loss_wide": wide.detach(), **scene_gap(asked.whole.detach(), whole)}
        if self.micro_weight:
            micro, accuracy = self.micro_loss(asked, answers, part)
            loss = loss + self.micro_weight * micro
            figures |= {"loss_micro": micro.detach(), "accuracy_micro": accuracy}
            figures["moving"] = answers.moves.float().mean()
        if self.static_weight:
            static = static_loss(asked.static, self.parts(part.all_keys).static, part, self.temperature)
            loss = loss + self.static_weight * static
            figures["loss_static"] = static.detach()
        return loss, figures

    def parts(self, rows: Tensor) -> Parts:
        """Rows (B, W) of an encoder; one that does not decompose gives the whole alone, the rest is empty."""
        D = self.embedding_dim
        return Parts(rows[:, :D], rows[:, D : 2 * D], rows[:, 2 * D : 3 * D], rows[:, 3 * D :].any(dim=1))

    def own_negatives(self, queries: Tensor, part: Direction) -> list[tuple[Tensor, float]]:
        """Those of MoCo and the semi-negative: cosines (B, 1) of each, and its weight."""
        found = super().own_negatives(queries, part)
        if self.alpha == 0:
            return found
        keys, there = self.still_keys(part) if self.semi_negative == "still" else donor_keys(part)
        cosines = (queries.float() * keys.float()).sum(dim=1, keepdim=True)
        return [*found, (cosines.masked_fill(~there[:, None], -math.inf), self.alpha)]

    @torch.no_grad()
    def still_keys(self, part: Direction) -> tuple[Tensor, Tensor]:
        """Keys (B, D) of the answering clips without their motion, and whether (B,) they had any."""
        clips = part.key.clips
        stills = static_factor(clips).expand_as(clips)
        keys = self.encode_keys(replace(part.key, clips=stills.contiguous()))
        moves = (clips != stills).flatten(1).any(dim=1)
        return keys[own_rows(len(clips)), : self.embedding_dim], moves

    def micro_loss(self, asked: Parts, answers: Parts, part: Direction) -> tuple[Tensor, Tensor]:
        """L_micro and its accuracy: motion (B, D) against motion, and against what stays in the key.

        Of a key that does not move both are the same: it is no negative.
        """
        stays = (asked.motion * answers.static).sum(dim=1, keepdim=True)
        return info_nce(
            asked.motion,
            answers.motion,
            part.queue[self.embedding_dim :],
            self.temperature,
            extra=stays.masked_fill(~answers.moves[:, None], -math.inf),
            excluded=part.own_video,
        )

    @torch.no_grad()
    def enqueue(self, keys: Tensor, videos: Tensor | None = None) -> None:
        """As MoCo's, of what the queue keeps of the rows (N, W): the whole and, with μ, the motion."""
        super().enqueue(keys[:, : len(self.queue)], videos)


def donor_rows(part: Direction) -> tuple[Tensor, Tensor]:
    """Rows (B,), in the global batch, of the keys that show a query's background and another foreground.

    And whether there is one, (B,) bool: not where the query is on its own background and so is its key.
    """
    everyone = torch.arange(len(part.all_keys), device=part.all_keys.device)
    own = everyone[own_rows(len(part.clips))]
    background = own if part.query.partners is None else part.query.partners
    if part.key.partners is None:
        return background, background != own
    # Keys are on the backgrounds of others: the one is asked for that has the query's.
    behind = torch.full_like(everyone, -1).index_copy_(0, gather(part.key.partners), everyone)
    rows = behind[background]
    return rows.clamp_min(0), (rows >= 0) & (rows != own)


def donor_keys(part: Direction) -> tuple[Tensor, Tensor]:
    """Their keys (B, D), and whether there are any."""
    rows, there = donor_rows(part)
    return part.all_keys[rows], there


def scene_gap(queries: Tensor, part: Direction) -> Figures:
    """How much nearer queries are to their own key than to one with their background, as mean cosines.

    "scene_gap" is 0 for who goes by the background alone. Nothing where no background was exchanged.
    """
    if part.query.partners is None and part.key.partners is None:
        return {}
    keys, there = donor_keys(part)
    gaps = (queries.float() * (part.keys - keys).float()).sum(dim=1)
    return {"scene_gap": (gaps * there).sum() / there.sum().clamp_min(1)}


def static_loss(anchors: Tensor, keys: Tensor, part: Direction, temperature: float) -> Tensor:
    """L_static: anchors (B, D) against the keys (N, D) of the global batch, that of the donor the positive.

    So what stays in the query's own clip is one of the negatives. The sum over the anchors that have a donor,
    divided by B.
    """
    rows, there = donor_rows(part)
    with torch.autocast(anchors.device.type, enabled=False):
        logits = anchors.float() @ keys.float().T / temperature
        losses = functional.cross_entropy(logits, rows, reduction="none")
    return (losses * there).mean()
