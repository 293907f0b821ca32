import numpy as np
import pytest
import torch
from torchvision.transforms import RandomResizedCrop

from fame_cli.data.clips import (
    clip_indices,
    clip_span,
    even_starts,
    generator_for,
    hop_starts,
    largest_central_crop,
    random_resized_crop,
    random_start,
)


class TorchDraws:
    """Stands in for a NumPy generator and draws from torch, so that torchvision meets the same numbers."""

    def uniform(self, low, high):
        return torch.empty(1, dtype=torch.float32).uniform_(low, high).item()

    def integers(self, high):
        return torch.randint(0, high, size=(1,)).item()


def test_span_counts_first_and_last_frame():
    assert clip_span(16, 2) == 31
    assert clip_span(1, 5) == 1


def test_indices_are_a_stride_apart():
    indices = clip_indices(3, 4, 2, 100)
    assert indices.tolist() == [3, 5, 7, 9]
    assert indices.dtype == np.int64


def test_last_frame_is_held_where_the_video_ends():
    assert clip_indices(0, 5, 2, 6).tolist() == [0, 2, 4, 5, 5]
    assert clip_indices(0, 3, 1, 1).tolist() == [0, 0, 0]


def test_random_start_takes_every_start_that_fits_and_no_other():
    generator = np.random.default_rng(0)
    starts = [random_start(12, 10, generator) for _ in range(300)]
    assert set(starts) == {0, 1, 2}
    assert min(starts.count(start) for start in (0, 1, 2)) > 70
    assert type(starts[0]) is int


@pytest.mark.parametrize("frame_count", [1, 9, 10])
def test_video_without_room_starts_at_its_first_frame(frame_count):
    assert random_start(frame_count, 10, np.random.default_rng(0)) == 0
    assert even_starts(frame_count, 10, 3).tolist() == [0, 0, 0]
    assert hop_starts(frame_count, 10, 4).tolist() == [0]


def test_even_starts_run_from_first_to_last_possible_start():
    assert even_starts(10, 4, 4).tolist() == [0, 2, 4, 6]
    assert even_starts(100, 31, 10).tolist() == [0, 8, 15, 23, 31, 38, 46, 54, 61, 69]
    assert even_starts(100, 31, 10).dtype == np.int64


def test_single_even_start_is_central():
    assert even_starts(11, 5, 1).tolist() == [3]


def test_hop_starts_hold_all_that_fit():
    assert hop_starts(20, 4, 8).tolist() == [0, 8, 16]
    assert hop_starts(19, 4, 8).tolist() == [0, 8]
    assert hop_starts(20, 4, 8).dtype == np.int64


def test_same_address_gives_same_values():
    first, second = (generator_for(7, 3, "a/b.avi", 1).random(5) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_address_is_the_same_for_ever():
    assert generator_for(0, 3, "Größe.avi", 1).bit_generator.random_raw() == 18336177877217048060


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((0, "ab", "c"), (0, "a", "bc")),
        ((0, 1), (0, "1")),
        ((0, 12, 3), (0, 1, 23)),
        ((0, 1), (1, 0)),
        ((0,), (0, 0)),
        ((0, "a', 'b"), (0, "a", "b")),
        ((0, "\udc80"), (0, "\\udc80")),
        ((5, "v", 0), (6, "v", 0)),
    ],
)
def test_different_addresses_give_different_values(one, other):
    assert generator_for(*one).bit_generator.random_raw() != generator_for(*other).bit_generator.random_raw()


def test_numpy_parts_share_the_address_of_plain_ones():
    assert generator_for(np.int64(1), np.int32(2), np.str_("v")).random() == generator_for(1, 2, "v").random()


def test_address_refuses_a_fraction():
    with pytest.raises(TypeError, match="float"):
        generator_for(0, 1.5)  # type: ignore[arg-type]


@pytest.mark.parametrize(("height", "width"), [(128, 171), (171, 128), (48, 48), (20, 60)])
def test_crop_is_the_one_that_torchvision_draws(height, width):
    for seed in range(200):
        torch.manual_seed(seed)
        crop = random_resized_crop(height, width, 0.2, TorchDraws())  # type: ignore[arg-type]
        torch.manual_seed(seed)
        image = torch.empty(3, height, width)
        assert crop == RandomResizedCrop.get_params(image, scale=[0.2, 1.0], ratio=[3 / 4, 4 / 3])


def test_crop_lies_in_the_frame_and_is_made_of_plain_integers():
    generator = np.random.default_rng(0)
    for _ in range(300):
        top, left, height, width = crop = random_resized_crop(30, 40, 0.2, generator)
        assert 0 <= top <= top + height <= 30
        assert 0 <= left <= left + width <= 40
        assert height * width >= 0.17 * 1200
        assert all(type(side) is int for side in crop)


def test_crop_of_a_frame_too_slender_for_its_scale_is_central():
    assert random_resized_crop(20, 100, 0.9, np.random.default_rng(0)) == (0, 36, 20, 27)
    assert random_resized_crop(100, 20, 0.9, np.random.default_rng(0)) == (36, 0, 27, 20)


def test_largest_central_crop_of_an_allowed_aspect_is_the_frame():
    assert largest_central_crop(30, 40) == (0, 0, 30, 40)
    assert largest_central_crop(1, 1) == (0, 0, 1, 1)
