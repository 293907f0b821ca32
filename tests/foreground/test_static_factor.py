"""The static factor: the median over time."""

import statistics

import pytest
import torch

from fame_cli.foreground.still import static_factor


@pytest.mark.parametrize("frames", [1, 2, 5, 8])
def test_static_factor_is_the_median_of_each_pixel_over_time(frames: int) -> None:
    clips = torch.rand(2, 3, frames, 4, 5, generator=torch.Generator().manual_seed(0))
    found = static_factor(clips)
    assert found.shape == (2, 3, 1, 4, 5)
    for pixel, values in zip(found.flatten(), clips.movedim(2, -1).reshape(-1, frames), strict=True):
        assert pixel.item() == statistics.median_low(values.tolist())


def test_what_passes_leaves_no_residue_in_the_median_and_some_in_the_mean() -> None:
    background = torch.rand(1, 3, 1, 12, 12, generator=torch.Generator().manual_seed(1)) / 2
    clips = background.repeat(1, 1, 8, 1, 1)
    for time in range(8):
        clips[:, :, time, 4:7, time : time + 3] = 1  # covers a pixel in at most 3 of 8 frames
    assert torch.equal(static_factor(clips), background)
    assert (clips.mean(2, keepdim=True) - background).abs().max() > 0.2
