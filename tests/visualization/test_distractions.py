"""The picture of the distractions shows what training makes, and says what was drawn."""

from pathlib import Path

import numpy as np
import pytest
from evaluation.colour_videos import extracted, make_videos
from PIL import Image
from typer.testing import CliRunner

from fame_cli.cli.app import app
from fame_cli.config import DistractionsConfig, PretrainConfig
from fame_cli.data.clips import central_square, generator_for
from fame_cli.data.dataset import PretrainClips, crop_clip
from fame_cli.data.frames import FrameStore
from fame_cli.data.role import Role
from fame_cli.distraction.build import build_distraction
from fame_cli.method import StillFrameConfig
from fame_cli.visualization.distractions import (
    DistractionExample,
    distraction_animation,
    distraction_examples,
    distraction_sheet,
    distractions_of,
    read_sample,
)

SIZE_PX, CHOSEN = 32, (0, 3, 5)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    folder = tmp_path_factory.mktemp("distractions")
    return extracted(folder / "work", make_videos(folder / "videos", train=1, test=1))


def examples_of(store: FrameStore, **options: object) -> list[DistractionExample]:
    given = {"clip_frames": 4, "frame_stride": 2, **options}
    return distraction_examples(store, CHOSEN, DistractionsConfig.from_dict(given), SIZE_PX)


def difference(example: DistractionExample, title: str) -> np.ndarray:
    return example.distracted[title].frames.astype(int) - example.frames.astype(int)


def test_every_clip_is_shown_under_fame_and_the_five_rows_of_table_4(store: FrameStore) -> None:
    examples = examples_of(store)
    assert [example.caption for example in examples] == [
        f"clip {n + 1}: {store.videos[place].id}" for n, place in enumerate(CHOSEN)
    ]
    for example in examples:
        assert list(example.distracted) == [*distractions_of(DistractionsConfig())]
        assert len(example.distracted) == 6
        for one in example.distracted.values():
            assert one.frames.shape == example.frames.shape == (4, SIZE_PX, SIZE_PX, 3)
            assert one.frames.dtype == np.uint8
            assert not np.array_equal(one.frames, example.frames)


def test_what_is_added_is_the_same_in_every_frame_where_the_distraction_is_still(store: FrameStore) -> None:
    example = examples_of(store, sigma=0.05)[0]
    inside = ((example.frames > 10) & (example.frames < 245)).all(axis=0)  # where nothing is clipped
    noise = difference(example, "noise")[:, inside]
    assert inside.any()
    assert np.ptp(noise, axis=0).max() <= 1  # rounded to whole levels
    assert np.std(noise[0]) == pytest.approx(0.05 * 0.22 * 255, rel=0.2)


def test_the_drawn_frame_and_share_are_those_of_a_training_of_this_seed(store: FrameStore) -> None:
    config = PretrainConfig(
        clip_frames=4,
        frame_stride=2,
        crop_px=SIZE_PX,
        seed=5,
        distraction=StillFrameConfig(name="frame-intra", gamma=0.9),
    )
    role = Role("query", distracted=True)
    loaded = PretrainClips(store, None, config, [role], build_distraction(config))[0, CHOSEN[1]]["query"]
    drawn = loaded["distraction"]
    example = examples_of(store, seed=5, gamma=0.9)[1]
    frame = int(drawn["place"] * 4)
    assert example.distracted["intra-video frame"].note == f"λ {drawn['weight']:.2f} of frame {frame + 1}"
    clip = example.frames.astype(float)
    mixed = (1 - drawn["weight"]) * clip + drawn["weight"] * clip[frame]
    assert np.abs(example.distracted["intra-video frame"].frames - mixed).max() <= 0.51


def test_notes_name_the_partner_whose_pixels_are_there(store: FrameStore) -> None:
    examples = examples_of(store, gamma=1.0, seed=2)
    for number, example in enumerate(examples):
        one = example.distracted["mixup"]
        weight, partner = float(one.note.split()[1]), int(one.note.split()[-1]) - 1
        assert partner != number
        expected = (1 - weight) * example.frames + weight * examples[partner].frames.astype(float)
        assert np.abs(one.frames - expected).max() < 3  # the note has two digits


def test_fame_of_another_time_takes_the_start_that_training_draws(store: FrameStore) -> None:
    inter, intra = examples_of(store)[0], examples_of(store, background="intra")[0]
    assert inter.distracted["FAME"].note.startswith("β 0.5, on clip ")
    assert intra.distracted["FAME"].note == "β 0.5, on another time"
    config = PretrainConfig(clip_frames=4, frame_stride=2, crop_px=SIZE_PX)
    video = store.videos[CHOSEN[0]]
    generator = generator_for(0, "view", 0, video.id, 0)
    last = video.frame_count - 7
    _, other = generator.integers(last + 1), int(generator.integers(last + 1))
    frames = store.read(CHOSEN[0], range(other, other + 7, 2))
    square = crop_clip(frames, central_square(*frames.shape[1:3]), SIZE_PX)
    assert np.array_equal(read_sample(store, CHOSEN[0], config)["other_time"], square)


def test_beta_1_keeps_all(store: FrameStore) -> None:
    example = examples_of(store, beta=1.0)[0]
    assert np.array_equal(example.distracted["FAME"].frames, example.frames)
    assert example.distracted["FAME"].note == "keeps all"


def test_the_sheet_has_a_column_a_distraction_and_the_animation_a_frame_a_time(store: FrameStore) -> None:
    examples = examples_of(store)
    sheet = distraction_sheet(examples)
    assert sheet.shape[1] > 7 * 2 * 112
    film = distraction_animation(examples)
    assert film.shape[0] == 4
    assert film.shape[2] > 7 * 112


def test_command_draws_both_and_takes_at_least_two_videos(store: FrameStore, tmp_path: Path) -> None:
    work = str(store.folder.parents[1])
    given = ["--clip-frames", "4", "--size-px", "32", "-o", str(tmp_path)]
    done = CliRunner().invoke(app, ["visualize", "distractions", work, *given, "--count", "1"])
    assert done.exit_code == 0, done.output
    with Image.open(tmp_path / "distractions.gif") as film:
        assert film.n_frames == 4
    assert (tmp_path / "distractions.png").exists()
    wrong = ["visualize", "distractions", work, "--video", store.videos[0].id]
    refused = CliRunner().invoke(app, wrong)
    assert refused.exit_code == 2
    assert "takes two" in refused.output
