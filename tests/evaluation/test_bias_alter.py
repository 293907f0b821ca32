"""Each alteration of a clip beside a slow one, written pixel by pixel."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from fame_cli.evaluation.bias import alter

N, T, S = 2, 4, 5
Pixel = Callable[[int, int, int, int], np.ndarray]


@pytest.fixture(name="clips")
def random_clips() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Frames, mask, another clip's frames, a still."""
    generator = np.random.default_rng(0)
    frames, other = generator.integers(0, 256, (2, N, T, S, S, 3), np.uint8)
    mask = generator.random((N, T, S, S)) < 0.3
    mask[1, 2:] = False
    return frames, mask, other, generator.integers(0, 256, (S, S, 3), np.uint8)


def slowly(pixel: Pixel) -> np.ndarray:
    """(N, T, S, S, 3) uint8, pixel by pixel."""
    out = np.zeros((N, T, S, S, 3), np.uint8)
    for n, t, y, x in np.ndindex(N, T, S, S):
        out[n, t, y, x] = pixel(n, t, y, x)
    return out


def tensors(*arrays: np.ndarray) -> list[torch.Tensor]:
    return [torch.from_numpy(array) for array in arrays]


def test_foreground_is_pasted_before_a_still_and_before_moving_backgrounds(clips) -> None:
    frames, mask, other, still = clips
    before_still = alter.paste(*tensors(frames, mask, still)).numpy()
    before_other = alter.paste(*tensors(frames, mask, other)).numpy()
    for got, background in (
        (before_still, lambda _n, _t, y, x: still[y, x]),
        (before_other, lambda *place: other[place]),
    ):
        expected = slowly(lambda *place, b=background: frames[place] if mask[place] else b(*place))
        assert np.array_equal(got, expected)


def test_one_frame_stands_for_all() -> None:
    frames = torch.arange(N * T).view(N, T, 1, 1, 1).expand(N, T, S, S, 3).to(torch.uint8)
    repeated = alter.repeat_frame(frames)
    assert repeated[:, :, 0, 0, 0].tolist() == [[2] * 4, [6] * 4]


def test_background_alone_has_its_mean_colour_where_there_ever_was_foreground(clips) -> None:
    frames, mask, _, _ = clips

    def pixel(n: int, t: int, y: int, x: int) -> np.ndarray:
        if not any(mask[n, time, y, x] for time in range(T)):
            return frames[n, t, y, x]
        kept = [
            frames[n, time, row, column].astype(int)
            for time, row, column in np.ndindex(T, S, S)
            if not any(mask[n, other, row, column] for other in range(T))
        ]
        return np.floor(np.mean(kept, axis=0) + 0.5)

    assert np.array_equal(alter.remove_foreground(*tensors(frames, mask)).numpy(), slowly(pixel))


def test_background_alone_shows_no_motion_of_its_hole(clips) -> None:
    frames, mask, _, still = clips
    steady = np.broadcast_to(frames[:, :1], frames.shape).copy()
    for altered in (
        alter.remove_foreground(*tensors(steady, mask)),
        alter.replace_foreground(*tensors(steady, mask, still)),
    ):
        assert torch.equal(altered, altered[:, :1].expand_as(altered))


def test_clip_that_is_all_foreground_becomes_its_mean_colour() -> None:
    frames = torch.tensor([10, 20], dtype=torch.uint8).view(1, 2, 1, 1, 1).expand(1, 2, S, S, 3)
    mask = torch.ones(1, 2, S, S, dtype=torch.bool)
    assert alter.remove_foreground(frames, mask).unique().tolist() == [15]


def test_median_takes_the_place_of_the_foreground(clips) -> None:
    frames, mask, _, still = clips
    expected = slowly(lambda n, t, y, x: still[y, x] if mask[n, :, y, x].any() else frames[n, t, y, x])
    assert np.array_equal(alter.replace_foreground(*tensors(frames, mask, still)).numpy(), expected)


def test_foreground_alone_stands_before_the_same_colour_in_every_video(clips) -> None:
    frames, mask, other, _ = clips
    expected = slowly(lambda *place: frames[place] if mask[place] else np.array([110, 101, 96]))
    assert np.array_equal(alter.keep_foreground(*tensors(frames, mask)).numpy(), expected)
    nothing = np.zeros_like(mask)
    assert torch.equal(
        alter.keep_foreground(*tensors(frames, nothing)), alter.keep_foreground(*tensors(other, nothing))
    )


def test_shuffled_and_reversed_frames_are_the_same_frames_in_another_order(clips) -> None:
    frames = torch.from_numpy(clips[0])
    assert alter.reverse_frames(frames)[:, 0].equal(frames[:, -1])
    order = alter.shuffled_order(T, "a.avi")
    assert sorted(order) == list(range(T))
    assert order != list(range(T))
    assert alter.shuffle_frames(frames, "a.avi")[:, 0].equal(frames[:, order[0]])


def test_order_belongs_to_the_video_and_is_never_the_given_one() -> None:
    assert alter.shuffled_order(8, "a.avi") == [4, 2, 5, 7, 1, 0, 3, 6]
    orders = {tuple(alter.shuffled_order(8, f"{number}.avi")) for number in range(20)}
    assert len(orders) == 20
    assert all(alter.shuffled_order(2, f"{number}.avi") == [1, 0] for number in range(9))
    assert alter.shuffled_order(1, "a.avi") == [0]
