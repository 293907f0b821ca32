import colorsys
import math

import numpy as np
import pytest
import torch
import torchvision.transforms.v2.functional as reference
from torch.utils.data import default_collate

from fame_cli.data.views import augment, blur_matrix, change, draw_view, normalise

ADJUSTMENTS = ("brightness", "contrast", "saturation", "hue")
KEYS = {"flip", "grayscale", "jitter", *ADJUSTMENTS, "order", "blur", "sigma"}
TOLERANCE = {"atol": 1e-5, "rtol": 0}


def random_clips(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def draw_batch(count, first_seed=0, color_jitter=1.0):
    seeds = range(first_seed, first_seed + count)
    return default_collate([draw_view(np.random.default_rng(seed), color_jitter) for seed in seeds])


def plain_view(count, **changes):
    """A view in which nothing is chosen, with changes: (B,) values or one for all."""
    view = {
        **dict.fromkeys(("flip", "grayscale", "jitter", "blur"), torch.zeros(count, dtype=torch.bool)),
        **dict.fromkeys(("brightness", "contrast", "saturation", "sigma"), torch.ones(count)),
        "hue": torch.zeros(count),
        "order": torch.arange(4).expand(count, 4),
    }
    return view | {
        name: torch.as_tensor(value, dtype=view[name].dtype).expand_as(view[name])
        for name, value in changes.items()
    }


def augment_with_torchvision(clip, view, sample):
    """Oracle for one clip (3, T, H, W): frames are stacked to one tall image, whose mean is the clip's."""
    C, T, H, W = clip.shape
    tall = clip.reshape(C, T * H, W)
    if view["grayscale"][sample]:
        tall = reference.rgb_to_grayscale(tall, num_output_channels=3)
    if view["jitter"][sample]:
        for number in view["order"][sample].tolist():
            name = ADJUSTMENTS[number]
            tall = getattr(reference, f"adjust_{name}")(tall, view[name][sample].item())
    if view["flip"][sample]:
        tall = reference.horizontal_flip(tall)
    frames = tall.reshape(C, T, H, W).transpose(0, 1)
    if view["blur"][sample]:
        sigma = view["sigma"][sample].item()
        frames = reference.gaussian_blur(frames, [2 * math.ceil(3 * sigma) + 1] * 2, [sigma, sigma])
    return frames.transpose(0, 1)


def test_view_has_fixed_keys_and_collates_to_batched_tensors():
    view = draw_batch(5)
    assert set(view) == KEYS
    assert view["order"].shape == (5, 4)
    assert all(view[name].shape == (5,) for name in KEYS - {"order"})
    assert all(view[name].dtype == torch.bool for name in ("flip", "grayscale", "jitter", "blur"))
    assert all(view[name].dtype == torch.float32 for name in (*ADJUSTMENTS, "sigma"))


def test_strength_of_the_jitter_shifts_no_other_draw():
    for seed in range(20):
        off, on = (draw_view(np.random.default_rng(seed), strength) for strength in (0.0, 1.0))
        for name in ("flip", "grayscale", "blur", "sigma", "order"):
            np.testing.assert_array_equal(off[name], on[name])


def test_every_view_takes_the_same_number_of_draws():
    following = set()
    for color_jitter in (0.0, 1.0, 9.0):
        generator = np.random.default_rng(0)
        draw_view(generator, color_jitter)
        following.add(generator.random())
    assert len(following) == 1


def test_operations_are_chosen_as_often_as_the_paper_says():
    view = draw_batch(4000)
    for name, probability in {"flip": 0.5, "grayscale": 0.2, "jitter": 0.8, "blur": 0.5}.items():
        assert view[name].float().mean().item() == pytest.approx(probability, abs=0.03)


def test_choices_are_independent_of_each_other():
    view = draw_batch(4000)
    columns = [*(view[name].float() for name in sorted(KEYS - {"order"})), *view["order"].float().T[:3]]
    assert (torch.corrcoef(torch.stack(columns)) - torch.eye(12))[:9].abs().max() < 0.06


@pytest.mark.parametrize(
    ("color_jitter", "factor", "hue"),
    [(1.0, (0.6, 1.4), 0.1), (0.5, (0.8, 1.2), 0.05), (4.0, (0.0, 2.6), 0.4), (9.0, (0.0, 4.6), 0.5)],
)
def test_factors_fill_the_ranges_of_torchvision(color_jitter, factor, hue):
    view = draw_batch(2000, color_jitter=color_jitter)
    ranges = dict.fromkeys(ADJUSTMENTS[:3], factor) | {"hue": (-hue, hue), "sigma": (0.1, 2.0)}
    for name, (low, high) in ranges.items():
        margin = 0.01 * (high - low)
        assert low - 1e-6 <= view[name].min().item() < low + margin
        assert high - margin < view[name].max().item() <= high + 1e-6


def test_every_order_of_adjustments_occurs():
    orders = {tuple(order) for order in draw_batch(600)["order"].tolist()}
    assert len(orders) == 24
    assert all(sorted(order) == [0, 1, 2, 3] for order in orders)


def test_no_strength_means_no_jitter():
    assert not draw_batch(50, color_jitter=0.0)["jitter"].any()


def test_view_without_choices_returns_a_copy():
    clips = random_clips(2, 3, 2, 8, 9)
    changed = augment(clips, plain_view(2))
    assert torch.equal(changed, clips)
    assert changed.data_ptr() != clips.data_ptr()


@pytest.mark.parametrize("color_jitter", [1.0, 2.5])
def test_single_frames_equal_torchvision(color_jitter):
    clips, view = random_clips(40, 3, 1, 17, 14), draw_batch(40, color_jitter=color_jitter)
    changed = augment(clips, view)
    for sample, clip in enumerate(clips):
        expected = augment_with_torchvision(clip, view, sample)
        torch.testing.assert_close(changed[sample], expected, **TOLERANCE)


def test_clips_equal_torchvision_with_the_gray_of_the_whole_clip():
    clips, view = random_clips(24, 3, 5, 13, 16), draw_batch(24, first_seed=100)
    changed = augment(clips, view)
    for sample, clip in enumerate(clips):
        expected = augment_with_torchvision(clip, view, sample)
        torch.testing.assert_close(changed[sample], expected, **TOLERANCE)


@pytest.mark.parametrize("name", ADJUSTMENTS)
@pytest.mark.parametrize("factor", [0.0, 0.3, 0.5])
def test_each_adjustment_equals_torchvision(name, factor):
    clip = random_clips(1, 3, 1, 6, 7)
    changed = augment(clip, plain_view(1, jitter=True, **{name: factor}))
    expected = getattr(reference, f"adjust_{name}")(clip[0, :, 0], factor)
    torch.testing.assert_close(changed[0, :, 0], expected, **TOLERANCE)


@pytest.mark.parametrize("turns", [-0.5, -0.1, 0.0, 0.04, 0.5])
def test_hue_is_turned_as_by_way_of_hsv(turns):
    levels = torch.tensor([0.0, 1e-6, 0.25, 0.5, 1.0])
    every_colour = torch.cartesian_prod(levels, levels, levels).T.reshape(1, 3, 1, 25, 5).contiguous()
    changed = augment(every_colour, plain_view(1, jitter=True, hue=turns))
    hsv = [colorsys.rgb_to_hsv(*colour) for colour in every_colour.reshape(3, -1).T.tolist()]
    expected = [colorsys.hsv_to_rgb((hue + turns) % 1, *rest) for hue, *rest in hsv]
    torch.testing.assert_close(changed.reshape(3, -1).T, torch.tensor(expected), **TOLERANCE)


def test_third_of_a_turn_makes_red_green():
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1, 1).expand(1, 3, 2, 8, 8)
    changed = augment(red, plain_view(1, jitter=True, hue=1 / 3))
    torch.testing.assert_close(changed[0, :, 0, 0, 0], torch.tensor([0.0, 1.0, 0.0]), **TOLERANCE)


def test_gray_clips_have_three_equal_channels_of_luminance():
    clips = random_clips(2, 3, 2, 8, 8)
    changed = augment(clips, plain_view(2, grayscale=[False, True]))
    assert torch.equal(changed[0], clips[0])
    expected = 0.2989 * clips[1, 0] + 0.587 * clips[1, 1] + 0.114 * clips[1, 2]
    torch.testing.assert_close(changed[1], expected.expand(3, -1, -1, -1))


def test_flip_mirrors_left_and_right():
    clips = random_clips(2, 3, 2, 8, 9)
    changed = augment(clips, plain_view(2, flip=[True, False]))
    assert torch.equal(changed[0], clips[0].flip(-1))
    assert torch.equal(changed[1], clips[1])


@pytest.mark.parametrize("sigma", [0.1, 0.34, 1.0, 1.7, 2.0])
def test_blur_equals_torchvision_with_a_kernel_of_three_sigma(sigma):
    clips = random_clips(2, 3, 2, 7, 20)
    reach = math.ceil(np.float32(3) * np.float32(sigma))
    expected = reference.gaussian_blur(clips[0].transpose(0, 1), [2 * reach + 1] * 2, [sigma, sigma])
    changed = augment(clips, plain_view(2, blur=[True, False], sigma=sigma))
    torch.testing.assert_close(changed[0], expected.transpose(0, 1), **TOLERANCE)
    assert torch.equal(changed[1], clips[1])


def test_blur_matrix_reflects_at_the_border():
    weights = blur_matrix(8, torch.full((1, 1, 1), 1 / 3))[0]
    one = math.exp(-4.5)
    middle = torch.tensor([one, 1.0, one]) / (1 + 2 * one)
    torch.testing.assert_close(weights[3, 2:5], middle)
    torch.testing.assert_close(weights[0, :2], torch.tensor([1.0, 2 * one]) / (1 + 2 * one))
    assert torch.count_nonzero(weights) == 6 * 3 + 2 * 2


def test_still_clips_stay_still():
    clips = random_clips(12, 3, 1, 12, 12).expand(12, 3, 4, 12, 12)
    changed = augment(clips, draw_batch(12))
    torch.testing.assert_close(changed, changed[:, :, :1].expand_as(changed), atol=1e-6, rtol=0)


def test_samples_changed_together_equal_samples_changed_alone():
    clips, view = random_clips(32, 3, 2, 12, 12), draw_batch(32)
    together = clips.clone()
    change(together, {name: values.numpy() for name, values in view.items()})
    for sample in range(32):
        alone = augment(clips[[sample]], {name: values[[sample]] for name, values in view.items()})
        torch.testing.assert_close(together[[sample]], alone, atol=1e-6, rtol=0)
    torch.testing.assert_close(augment(clips, view), together, atol=1e-6, rtol=0)


def test_result_lies_between_zero_and_one_and_the_clips_are_left_alone():
    clips = torch.cat(
        [random_clips(30, 3, 2, 12, 12), torch.ones(15, 3, 2, 12, 12), torch.zeros(15, 3, 2, 12, 12)]
    )
    before = clips.clone()
    changed = augment(clips, draw_batch(60, color_jitter=3.0))
    assert changed.min() >= 0
    assert changed.max() <= 1
    assert torch.equal(clips, before)


def test_layout_of_the_memory_changes_nothing():
    clips, view = random_clips(8, 3, 2, 12, 12), draw_batch(8)
    spread = clips.to(memory_format=torch.channels_last_3d)
    assert torch.equal(augment(spread, view), augment(clips, view))


def test_no_value_on_the_device_is_waited_for():
    """Tensors on the meta device have no values: reading one raises."""
    clips = torch.empty(16, 3, 2, 12, 12, device="meta")
    assert normalise(augment(clips, draw_batch(16))).shape == clips.shape


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_gives_what_the_cpu_gives_without_waiting():
    clips, view = random_clips(32, 3, 4, 24, 24), draw_batch(32)
    there = clips.cuda()
    torch.cuda.set_sync_debug_mode("error")
    try:
        changed = normalise(augment(there, view))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    torch.testing.assert_close(changed.cpu(), normalise(augment(clips, view)), atol=1e-4, rtol=0)


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_empty_batch_stays_empty(device):
    view = {name: values[:0] for name, values in draw_batch(1).items()}
    assert augment(torch.empty(0, 3, 2, 12, 12, device=device), view).shape == (0, 3, 2, 12, 12)


def test_normalise_takes_off_the_mean_and_divides_by_the_deviation():
    clips = torch.tensor([0.43216, 0.394666 + 0.22145, 0.37645 - 2 * 0.216989]).view(1, 3, 1, 1, 1)
    normalised = normalise(clips)
    torch.testing.assert_close(normalised.flatten(), torch.tensor([0.0, 1.0, -2.0]), **TOLERANCE)


def test_flip_probability_decides_how_often_and_shifts_no_other_choice() -> None:
    often = [draw_view(np.random.default_rng(seed), 1.0) for seed in range(40)]
    never = [draw_view(np.random.default_rng(seed), 1.0, flip_probability=0) for seed in range(40)]
    assert 8 < sum(view["flip"] for view in often) < 32
    assert not any(view["flip"] for view in never)
    for one, other in zip(often, never, strict=True):
        assert all(np.array_equal(one[name], other[name]) for name in one if name != "flip")
