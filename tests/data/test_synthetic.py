"""The made video set: what its videos show, how its parts differ, and how it is written."""

import hashlib
from collections import Counter, defaultdict
from pathlib import Path

import cv2
import numpy as np
import pytest

from fame_cli.data import made_plan, synthetic
from fame_cli.errors import ArtefactError, ConfigurationError

GRAY = np.full((synthetic.SIDE_PX, synthetic.SIDE_PX, 3), 128, np.uint8)
HEADINGS = {"move_left": (-1, 0), "move_right": (1, 0), "move_up": (0, -1), "move_down": (0, 1)}


def draw(motion: str, sprite: str = "ball", seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    return synthetic.make_clip(motion, sprite, GRAY, np.random.default_rng(seed))


def centres(mask: np.ndarray) -> np.ndarray:
    """(T, 2) centre (x, y) of the marked pixels of each frame."""
    return np.array([np.argwhere(frame)[:, ::-1].mean(axis=0) for frame in mask])


def small_set(folder: Path, seed: int = 0, **options: object) -> Path:
    synthetic.make_video_set(
        folder, seed, pretrain_videos=3, train_per_motion=1, test_per_motion=1, **options
    )
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("motion", "heading"), HEADINGS.items())
def test_a_move_goes_straight_where_its_name_says(motion: str, heading: tuple[int, int]) -> None:
    for seed in range(10):
        steps = np.diff(centres(draw(motion, seed=seed)[1]), axis=0)
        assert (steps @ heading > 0.5).all()
        assert np.abs(steps @ heading[::-1]).max() < 0.5


@pytest.mark.parametrize(("motion", "sign"), [("circle_clockwise", 1), ("circle_counterclockwise", -1)])
def test_a_circle_turns_the_way_its_name_says_to_the_eye(motion: str, sign: int) -> None:
    for seed in range(10):
        steps = np.diff(centres(draw(motion, seed=seed)[1]), axis=0)
        turns = steps[:-1, 0] * steps[1:, 1] - steps[:-1, 1] * steps[1:, 0]
        assert (sign * turns > 0).all()  # y points down, so a clockwise turn is a positive one


@pytest.mark.parametrize(("motion", "axis"), [("swing_horizontal", 0), ("swing_vertical", 1)])
def test_a_swing_goes_to_and_fro_along_one_axis(motion: str, axis: int) -> None:
    for seed in range(10):
        path = centres(draw(motion, seed=seed)[1])
        assert np.ptp(path[:, axis]) > 14
        assert np.ptp(path[:, 1 - axis]) < 0.5
        steps = np.diff(path[:, axis])
        assert steps.max() > 1
        assert steps.min() < -1


@pytest.mark.parametrize("sprite", synthetic.SPRITES)
@pytest.mark.parametrize("motion", made_plan.MOTIONS)
def test_the_whole_sprite_stays_in_the_frame(motion: str, sprite: str) -> None:
    for seed in range(10):
        areas = draw(motion, sprite, seed)[1].sum(axis=(1, 2))
        assert areas.min() > 0.85 * areas.max()
        assert areas.min() > 80


@pytest.mark.parametrize("sprite", synthetic.SPRITES)
def test_the_mask_marks_the_sprite_and_the_rest_is_background(sprite: str) -> None:
    frames, mask = draw("circle_clockwise", sprite)
    assert (frames[~mask] != 128).mean() < 0.02  # the soft rim of the sprite
    assert np.abs(frames[mask].astype(int) - 128).mean() > 90
    assert frames.shape == (16, 48, 48, 3)
    assert mask.shape == (16, 48, 48)


def test_backgrounds_are_textured_and_none_is_like_another() -> None:
    rng = np.random.default_rng(0)
    drawn = [synthetic.draw_background(rng) for _ in range(24)]
    assert min(background.std(axis=(0, 1)).max() for background in drawn) > 20
    differences = [np.abs(a.astype(int) - b).mean() for i, a in enumerate(drawn) for b in drawn[:i]]
    assert min(differences) > 10


def test_neutral_and_pretraining_videos_each_have_a_place_of_their_own() -> None:
    videos = [video for video in made_plan.plan_videos(128, 16, 8) if not video.path.startswith("biased")]
    assert len({video.place for video in videos}) == len(videos)
    shown = Counter(video.motion for video in videos if video.path.startswith("pretrain"))
    assert set(shown.values()) == {16}


def test_each_biased_motion_is_trained_on_one_background_and_tested_on_all_others_equally() -> None:
    seen: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for video in made_plan.plan_videos(0, 5, 14):
        part, split, *_ = video.path.split("/")
        if part == "biased":
            seen[split, video.motion][video.place] += 1
    trained = {motion: set(seen["train", motion]) for motion in made_plan.MOTIONS}
    assert len(set.union(*trained.values())) == 8
    for motion, places in trained.items():
        assert len(places) == 1
        tested = seen["test", motion]
        assert not places & set(tested)
        assert sorted(tested.values()) == [2] * 7


def test_videos_that_share_a_place_have_the_same_background_in_train_and_test() -> None:
    by_place: dict[str, list[np.ndarray]] = defaultdict(list)
    for video in made_plan.plan_videos(0, 1, 1):
        if video.place.startswith("biased"):
            frames, mask = synthetic.make_video(video, 0)
            by_place[video.place].append(
                np.ma.masked_array(frames, np.repeat(mask[..., None], 3, 3)).mean(axis=0)
            )
    assert len(by_place) == 8
    for trained, tested in by_place.values():
        assert np.ma.abs(trained - tested).mean() < 5


def test_a_video_is_written_without_loss_and_its_truth_beside_it(tmp_path: Path) -> None:
    folder = small_set(tmp_path / "set")
    for video in made_plan.plan_videos(3, 1, 1):
        frames, mask = synthetic.make_video(video, 0)
        capture = cv2.VideoCapture(str(folder / f"{video.path}.avi"))
        decoded = np.stack([capture.read()[1] for _ in frames])[..., ::-1]
        np.testing.assert_array_equal(decoded, frames)
        np.testing.assert_array_equal(synthetic.read_truth(folder / "truth" / f"{video.path}.png"), mask)


def test_the_set_has_a_flat_unlabelled_part_and_a_folder_for_each_motion(tmp_path: Path) -> None:
    folder = small_set(tmp_path / "set")
    assert sorted(path.name for path in (folder / "pretrain").iterdir()) == [
        "0000.avi",
        "0001.avi",
        "0002.avi",
    ]
    for part in ("neutral/train", "neutral/test", "biased/train", "biased/test"):
        assert {path.name for path in (folder / part).iterdir()} == set(made_plan.MOTIONS)
        assert len(list((folder / part).rglob("*.avi"))) == 8


def test_the_seed_decides_every_byte_of_the_set(tmp_path: Path) -> None:
    first, again = content(small_set(tmp_path / "first")), content(small_set(tmp_path / "again"))
    other = content(small_set(tmp_path / "other", seed=1))
    assert first == again
    assert first.keys() == other.keys()
    assert not [name for name in first if first[name] == other[name]]


def test_progress_counts_every_video(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    small_set(tmp_path / "set", progress=lambda done, total: calls.append((done, total)))
    assert calls == [(done, 35) for done in range(1, 36)]


def test_a_set_that_is_there_is_left_alone(tmp_path: Path) -> None:
    folder = small_set(tmp_path / "set")
    (folder / "pretrain" / "0000.avi").write_bytes(b"kept")
    small_set(folder)
    assert (folder / "pretrain" / "0000.avi").read_bytes() == b"kept"


def test_a_folder_with_anything_else_is_refused(tmp_path: Path) -> None:
    folder = small_set(tmp_path / "set")
    with pytest.raises(ConfigurationError, match=r"set exists but is not the video set of these options"):
        small_set(folder, seed=1)
    (tmp_path / "home").mkdir()
    with pytest.raises(ConfigurationError, match=r"home exists but is not the video set"):
        small_set(tmp_path / "home")


def test_what_a_killed_run_left_does_not_stay(tmp_path: Path) -> None:
    stale = tmp_path / "set.partial" / "pretrain" / "9999.avi"
    stale.parent.mkdir(parents=True)
    stale.touch()
    assert "pretrain/9999.avi" not in content(small_set(tmp_path / "set"))
    assert not (tmp_path / "set.partial").exists()


def test_an_interrupted_run_leaves_no_set(tmp_path: Path) -> None:
    def interrupt(done: int, _: int) -> None:
        if done == 2:
            raise KeyboardInterrupt("stop")

    with pytest.raises(KeyboardInterrupt, match="stop"):
        small_set(tmp_path / "set", progress=interrupt)
    assert not (tmp_path / "set").exists()


def test_a_place_that_cannot_be_written_to_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "taken.avi").mkdir()
    (tmp_path / "taken.png").mkdir()
    frames, mask = draw("move_left")
    with pytest.raises(ArtefactError, match=r"taken\.avi: cannot write a video here"):
        synthetic.write_video(tmp_path / "taken.avi", frames)
    with pytest.raises(ArtefactError, match=r"taken\.png: cannot write a picture here"):
        synthetic.write_truth(tmp_path / "taken.png", mask)
    with pytest.raises(ArtefactError, match=r"missing\.png: there is no true mask here"):
        synthetic.read_truth(tmp_path / "missing.png")


def test_the_demos_videos_are_drawn_as_they_always_were() -> None:
    digest = hashlib.sha256()
    for video in made_plan.plan_videos(10, 2, 2):
        frames, mask = synthetic.make_video(video, 5)
        digest.update(repr((video.path, video.motion, video.place)).encode())
        digest.update(frames.tobytes() + mask.tobytes())
    assert digest.hexdigest().startswith("3d9ff6a718a8bd4e")


def test_patch_goes_with_the_sprite_around_its_rim() -> None:
    red = np.full((19, 19, 3), (255, 0, 0), np.uint8)
    for seed in range(5):
        plain, mask = draw("circle_clockwise", seed=seed)
        rng = np.random.default_rng(seed)
        frames, same = synthetic.make_clip("circle_clockwise", "ball", GRAY, rng, red)
        assert np.array_equal(mask, same)
        assert (frames[mask] != plain[mask]).mean() < 0.15  # the soft rim of the sprite
        assert (frames == (255, 0, 0)).all(axis=3).sum(axis=(1, 2)).min() >= 50
        changed = (frames != plain).any(axis=3)
        for there, (x, y) in zip(changed, centres(mask), strict=True):
            rows, columns = np.nonzero(there)
            assert abs((columns.min() + columns.max()) / 2 - x) <= 1
            assert abs((rows.min() + rows.max()) / 2 - y) <= 1
            assert np.ptp(rows) + 1 in (19, 20)


def corners(frames: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """(T, 4, 3): the colours beside the sprite's rim, above on the left and right, then below."""
    return np.array(
        [
            [frame[round(y + dy), round(x + dx)] for dy in (-8, 8) for dx in (-8, 8)]
            for frame, (x, y) in zip(frames, centres(mask), strict=True)
        ]
    )


def test_a_patch_stays_upright_and_where_it_was() -> None:
    halves = np.zeros((19, 19, 3), np.uint8)
    halves[:9, :, 0] = halves[:, :9, 1] = 255  # red above, green to the left
    found = corners(*synthetic.make_clip("move_right", "ball", GRAY, np.random.default_rng(0), halves))
    assert (found == [(255, 255, 0), (255, 0, 0), (0, 255, 0), (0, 0, 0)]).all()


def test_videos_of_one_patch_share_its_image_and_others_have_their_own() -> None:
    one, same, other, none = (
        corners(*synthetic.make_video(made_plan.MadeVideo(path, "move_left", path, patch), 1)).mean(axis=0)
        for path, patch in (("a", "one"), ("b", "one"), ("c", "two"), ("d", ""))
    )
    assert np.abs(one - same).max() < 10
    assert np.abs(one - other).max() > 50
    assert np.abs(one - none).max() > 50


def test_a_set_of_other_dials_is_another_set(tmp_path: Path) -> None:
    folder = small_set(tmp_path / "set", dials=made_plan.Dials(micro=0.5))
    small_set(folder, dials=made_plan.Dials(micro=0.5))
    with pytest.raises(ConfigurationError, match=r"set exists but is not the video set of these options"):
        small_set(folder)
