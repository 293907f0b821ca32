"""FAME (Ding et al. 2022): the foreground of one clip on the background of another."""

from collections.abc import Mapping

import torch
from torch import Tensor

from fame_cli.distraction.distraction import Distraction, Extras, Reads
from fame_cli.foreground.of_clips import maps_of_clips, masks_of_maps
from fame_cli.foreground.still import static_factor
from fame_cli.method import Background, Hue, StatisticsSource, Variant


class FAME(Distraction):
    """Each clip keeps its foreground and gets the background of another (section 3.2, Tables 3, 4 and 6).

    Usage::

        fame = FAME(beta=0.5)
        merged = fame.apply(clips, {}, Extras(), partners)  # (B, 3, T, H, W), like both inputs
        foreground = fame.mask(clips, Extras())  # (B, H, W) bool

    Args:
        beta: share of the pixels kept as foreground, β in Eq. 4 (Table 3).
        variant: how foreground is separated from background (Table 6).
        background: from another video ("inter") or from another time of the same one ("intra"; Table 4), or
            the static factor of another video ("still"; docs/wide-micro.md).
        statistics: "cached" seed and colour bins, or "online" ones of each cropped clip, as in the paper.
        hue: hue of the colour bins.
    """

    def __init__(
        self,
        *,
        beta: float = 0.5,
        variant: Variant = "fame",
        background: Background = "inter",
        statistics: StatisticsSource = "online",
        hue: Hue = "correct",
    ) -> None:
        self.beta, self.variant, self.hue = beta, variant, hue
        self.still = background == "still"
        self.reads = Reads(
            maps=statistics == "cached",
            hue=hue,
            other_time=background == "intra",
            partner=background != "intra",
        )

    def apply(
        self,
        clips: Tensor,
        drawn: Mapping[str, Tensor],  # noqa: ARG002, which partner is all that chance decides
        extras: Extras,
        partners: Tensor | None,
    ) -> Tensor:
        """The merged clips (B, C, T, H, W)."""
        backgrounds = extras.other_time if partners is None else partners
        assert backgrounds is not None
        if self.still:
            backgrounds = static_factor(backgrounds).expand_as(backgrounds)
        return merge(clips, self.mask(clips, extras), backgrounds)

    def mask(self, clips: Tensor, extras: Extras) -> Tensor:
        """The foreground (B, H, W) of clips (B, C, T, H, W), from their maps where these were read."""
        maps = maps_of_clips(clips, self.hue) if extras.maps is None else extras.maps
        return masks_of_maps(maps, clips.shape[-1], self.beta, self.variant).hard


def merge(clips: Tensor, mask: Tensor, backgrounds: Tensor) -> Tensor:
    """X_merge = X ⊗ M + Y ⊗ (1 − M): ``clips`` where ``mask`` is 1, ``backgrounds`` elsewhere (section 3.2).

    ``clips`` X and ``backgrounds`` Y (B, C, T, H, W), ``mask`` M (B, H, W) of 0 and 1 for all channels and
    frames. Returns (B, C, T, H, W).
    """
    return torch.where(mask.bool()[:, None, None], clips, backgrounds)
