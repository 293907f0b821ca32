"""The camera's motion: undone where there is one, left alone where there is none."""

from itertools import pairwise

import cv2
import numpy as np
import pytest

from fame_cli.foreground.motion import CameraMotion, fit_affine, histogram_median, invert, warp


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A landscape of soft spots, (H, W, 3) uint8."""
    noise = np.random.default_rng(seed).integers(0, 255, (height // 6, width // 6, 3), np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


def panned(count: int, step: int, square_step: int = 0) -> list[np.ndarray]:
    """A camera that moves ``step`` pixels to the right a frame, over a square that moves on its own."""
    scene = texture(96, 240)
    frames = []
    for number in range(count):
        frame = scene[:, number * step : number * step + 128].copy()
        if square_step:
            left = 40 + number * square_step
            frame[36:60, left : left + 24] = (250, 40, 30)
        frames.append(frame)
    return frames


def change(previous: np.ndarray, current: np.ndarray) -> np.ndarray:
    return np.abs(previous.astype(int) - current.astype(int)).sum(axis=2)


def test_pan_is_undone_and_only_what_moves_by_itself_is_left() -> None:
    frames = panned(8, step=3, square_step=4)
    motion, plain, compensated = CameraMotion(), np.zeros((96, 128)), np.zeros((96, 128))
    for previous, current in pairwise(frames):
        plain += change(previous, current)
        compensated += change(motion.align(previous, current), current)
    inside = np.zeros((96, 128), bool)
    inside[34:62, 36:94] = True
    assert plain[~inside].mean() > 0.7 * plain[inside].mean(), "the plain difference sees the pan everywhere"
    assert compensated[~inside].mean() < 0.2 * compensated[inside].mean()


def test_still_camera_leaves_the_previous_frame_as_it_is() -> None:
    scene = texture(96, 128)
    moved = scene.copy()
    moved[20:80, 30:100] = texture(60, 70, seed=1)
    assert CameraMotion().align(scene, moved) is scene


@pytest.mark.parametrize("size", [(16, 16), (8, 40), (31, 200)])
def test_frames_too_small_to_see_a_motion_in_are_left_alone(size: tuple[int, int]) -> None:
    first, second = texture(240, 240)[: size[0], : size[1]], texture(240, 240)[3 : size[0] + 3, : size[1]]
    assert CameraMotion().align(first, second) is first


@pytest.mark.parametrize("size", [(64, 64), (128, 171), (171, 128), (240, 320), (64, 400)])
def test_one_colour_and_a_scene_cut_are_survived(size: tuple[int, int]) -> None:
    flat, other = np.full((*size, 3), 90, np.uint8), texture(*size)
    motion = CameraMotion()
    for previous, current in [(flat, flat), (flat, other), (other, flat)]:
        aligned = motion.align(previous, current)
        assert aligned.shape == previous.shape
        assert aligned.dtype == np.uint8


def test_pixels_that_the_previous_frame_did_not_show_do_not_change() -> None:
    first, second = panned(2, step=8)
    aligned = CameraMotion().align(first, second)
    assert aligned is not first
    assert (aligned[:, -7:] == second[:, -7:]).all()


def test_fit_follows_the_flow_of_most_places_and_not_that_of_an_object() -> None:
    y, x = np.mgrid[:60, :80].astype(np.float32)
    flow = np.stack([1.5 + 0.02 * x, -0.5 + 0.01 * x - 0.03 * y], axis=2)
    flow[10:40, 20:50] += (9, -7)
    motion = fit_affine(flow, 4, 10, 0.05)
    np.testing.assert_allclose(motion, [[1.02, 0, 1.5], [0.01, 0.97, -0.5]], atol=0.02)


def test_warp_equals_opencv_within_a_grey_level_and_keeps_the_current_frame_outside() -> None:
    previous, current = texture(60, 80), texture(60, 80, seed=1)
    motion = np.array([[1.03, 0.02, 2.3], [-0.01, 0.98, -1.6]])
    ours = warp(previous, current, invert(motion), 1)
    theirs = cv2.warpAffine(previous, motion, (80, 60))
    inside = cv2.warpAffine(np.ones((60, 80), np.uint8), motion, (80, 60), flags=cv2.INTER_NEAREST) > 0
    inside = cv2.erode(inside.astype(np.uint8), np.ones((5, 5))) > 0
    assert np.abs(ours.astype(int) - theirs)[inside].max() <= 4
    assert (ours[:, 0] == current[:, 0]).all()


def test_warp_of_a_grid_is_the_whole_one_at_its_places() -> None:
    previous, current = texture(61, 82), texture(61, 82, seed=1)
    origin = invert(np.array([[1.03, 0.02, 2.3], [-0.01, 0.98, -1.6]]))
    assert (warp(previous, current, origin, 4) == warp(previous, current, origin, 1)[::4, ::4]).all()


def test_motion_that_cannot_be_undone_leaves_the_frame_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    collapsed = np.array([[0.0, 0.0, 3.0], [0.0, 1.0, 0.0]])
    monkeypatch.setattr("fame_cli.foreground.motion.fit_affine", lambda *_: collapsed)
    first, second = panned(2, step=8)
    assert CameraMotion().align(first, second) is first


def test_inverse_of_an_affine_motion_leads_back() -> None:
    motion = np.array([[1.1, 0.2, 3.0], [-0.1, 0.9, -2.0]])
    point = np.array([5.0, 7.0])
    there = motion[:, :2] @ point + motion[:, 2]
    back = invert(motion)
    np.testing.assert_allclose(back[:, :2] @ there + back[:, 2], point)


@pytest.mark.parametrize("values", [[3, 3, 3], [0, 1, 5, 9, 9], [7], [2, 2, 4, 8]])
def test_median_of_a_histogram_is_that_of_the_values_within_one(values: list[int]) -> None:
    counts = np.bincount(values, minlength=20)
    assert abs(histogram_median(counts) - np.median(values)) <= 1.01
