"""Foreground-background merging as one module, for a training loop of one's own."""

from typing import get_args

import torch
from torch import Tensor, nn

from fame_cli.distraction.fame import merge
from fame_cli.distraction.partners import cycle
from fame_cli.errors import ConfigurationError
from fame_cli.foreground.of_clips import Maps, maps_of_clips, masks_of_maps
from fame_cli.method import Hue, Variant


class ForegroundBackgroundMerging(nn.Module):
    """Keeps the moving foreground of each clip and gives it the background of another clip of the batch.

    Ding et al. 2022, section 3.2: Eq. 2 to 4 and the merge, with the mask of FAME or a variant of Table 6.
    Use it as torchvision's ``MixUp`` and ``CutMix``: on a batch, on any device, after the spatial crop and
    before the photometric augmentation and normalisation. It has no weights, does the same in training and
    evaluation mode, and never makes the host wait for a GPU. Labels stay those of the clips given.

        merging = ForegroundBackgroundMerging(beta=0.5)
        merged = merging(clips)  # (B, 3, T, H, W), each clip on another's background
        foreground = merging.mask(clips)  # (B, H, W) bool

    Args:
        beta: share of the pixels kept as foreground, β in Eq. 4, from 0 to 1; with 1 clips stay as they are.
        variant: how foreground is told from background: "fame", "seed", "grid", "gauss" or "joint"
            (docs/masks.md).
        hue: "correct", or "published" for the hue of the published code, which wraps.
        generator: where the partners of a batch are drawn from; None is torch's own generator for the device
            of the clips, so that ``torch.manual_seed`` makes a run repeatable.

    Raises:
        ConfigurationError: an argument is not one of the above.
    """

    def __init__(
        self,
        beta: float = 0.5,
        variant: Variant = "fame",
        hue: Hue = "correct",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        require(0 <= beta <= 1, f"beta is {beta}; expected 0 to 1.")
        for name, value, allowed in (("variant", variant, Variant), ("hue", hue, Hue)):
            names = get_args(allowed)
            require(value in names, f"{name} is {value!r}; expected {', '.join(names)}.")
        self.beta, self.variant, self.hue, self.generator = beta, variant, hue, generator

    def forward(self, clips: Tensor, seed: Tensor | None = None, bins: Tensor | None = None) -> Tensor:
        """Merge a batch of clips with each other; the inputs are left as they are.

        Each clip gets its background from the clip before it in one cycle through the batch in random order:
        none keeps its own.

        Args:
            clips: (B, 3, T, H, W) RGB, float in [0, 1] or uint8 in 0..255, B and T at least 2, H equal to W.
            seed: (B, h, w) of ``seed_region`` or of a ``StatisticsStore``, in the crop of the clips, as fine
                as they are or coarser; None computes it from the clips.
            bins: (B, h, w) int64 of ``colour_bins``; given if ``seed`` is.

        Returns:
            Clips of the shape, dtype and device of those given. Every pixel is the clip's own, or the one at
            its place in the partner.

        Raises:
            ConfigurationError: a shape or dtype is not one of the above.
        """
        check_clips(clips)
        backgrounds = clips[self.partners(len(clips), clips.device)]
        return merge(clips, self.mask(clips, seed, bins), backgrounds)

    @torch.no_grad()
    def mask(self, clips: Tensor, seed: Tensor | None = None, bins: Tensor | None = None) -> Tensor:
        """Which pixels ``forward`` takes for foreground: (B, H, W) bool, exactly ⌊β·H·W⌋ True in each."""
        check_clips(clips)
        require((seed is None) == (bins is None), "seed and bins go together; only one was given.")
        if seed is None or bins is None:
            seed, bins = maps_of_clips(
                clips.float() / 255 if clips.dtype == torch.uint8 else clips.float(), self.hue
            )
        fits = seed.shape == bins.shape and seed.ndim == 3 and len(seed) == len(clips)
        require(
            fits, f"seed is {tuple(seed.shape)} and bins {tuple(bins.shape)}; expected ({len(clips)}, h, w)."
        )
        return masks_of_maps(Maps(seed, bins), clips.shape[-1], self.beta, self.variant).hard

    def partners(self, count: int, device: torch.device) -> Tensor:
        """Whose background each of ``count`` clips gets: (count,) int64, any cyclic permutation as likely.

        As ``cyclic_partners``, but drawn on the device, so that nothing waits for it.
        """
        place = self.generator.device if self.generator is not None else device
        order = torch.randperm(count, generator=self.generator, device=place).to(device, non_blocking=True)
        return cycle(order)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, variant={self.variant!r}, hue={self.hue!r}"


def check_clips(clips: Tensor) -> None:
    """Raise ConfigurationError unless these are clips that can be merged."""
    shape = tuple(clips.shape)
    fits = clips.ndim == 5 and shape[1] == 3 and shape[3] == shape[4] and shape[2] >= 2
    require(fits, f"clips are {shape}; expected (B, 3, T, H, W) with T at least 2 and H equal to W.")
    require(len(clips) >= 2, "a batch of one clip has no other to take a background from.")
    fits = clips.is_floating_point() or clips.dtype == torch.uint8
    require(fits, f"clips are {clips.dtype}; expected float in [0, 1] or uint8.")


def require(holds: bool, message: str) -> None:
    if not holds:
        raise ConfigurationError(message)
