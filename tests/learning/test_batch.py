"""From a loaded batch to views: what a distraction and an objective get, and what they may give."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import default_collate

from fame_cli.config import PretrainConfig
from fame_cli.data.dataset import PretrainClips
from fame_cli.data.manifest import Video
from fame_cli.data.role import Role
from fame_cli.data.views import STD, normalise
from fame_cli.distraction.distraction import Distraction, Extras, Reads
from fame_cli.errors import ConfigurationError
from fame_cli.learning.batch import make_views
from fame_cli.learning.objectives.objective import TWO_VIEWS, Views

CONFIG = PretrainConfig(clip_frames=2, frame_stride=1, crop_px=16, color_jitter=0, seed=3)
CPU = torch.device("cpu")
PLAIN = frozenset[Any]()
"""No augmentation, so that a pixel tells where it is from."""
QUERY = Role("query", distracted=True, augmentations=PLAIN)
KEY = Role("key", augmentations=PLAIN)


class Levels:
    """Videos of one gray each, ten times their number; each frame is one brighter. Stands for both stores."""

    def __init__(self, count: int = 4) -> None:
        self.videos = [Video(f"video {number}", "", frame_count=9) for number in range(count)]
        self.maps_read = 0

    def each_frame(self, video_index: int, indices: Sequence[int]) -> Iterator[Any]:
        return (np.full((16, 16, 3), 10 * video_index + index, np.uint8) for index in indices)

    def read_maps(self, video_index: int, start: int) -> tuple[Any, Any]:
        self.maps_read += 1
        return np.full((8, 8), video_index, np.float32), np.full((8, 8), start, np.uint16)


class Spy(Distraction):
    """Keeps what it got; changes nothing."""

    def __init__(self, **reads: bool) -> None:
        self.reads = Reads(**reads)
        self.got: dict[str, Any] = {}

    def draw(self, generator: np.random.Generator) -> dict[str, Any]:
        return {"share": generator.uniform(), "box": generator.integers(0, 16, 4)}

    def apply(
        self, clips: Tensor, drawn: Mapping[str, Tensor], extras: Extras, partners: Tensor | None
    ) -> Tensor:
        self.got = {"clips": clips.clone(), "drawn": drawn, "extras": extras, "partners": partners}
        return clips


def load(
    distraction: Distraction | None, roles: tuple[Role, ...] = (QUERY, KEY), videos: Levels | None = None
) -> Any:
    videos = videos or Levels()
    clips = PretrainClips(videos, videos, CONFIG, roles, distraction)
    return default_collate([clips[0, video_index] for video_index in range(len(videos.videos))])


def make(distraction: Distraction | None, roles: tuple[Role, ...] = (QUERY, KEY), step: int = 0) -> Views:
    return make_views(load(distraction, roles), roles, distraction, CONFIG.seed, step, CPU)


def video_of(clips: Tensor) -> list[int]:
    """Which video each clip (B, C, T, H, W) in [0, 1] is of."""
    return [round(value) // 10 for value in (255 * clips[:, 0, 0, 0, 0]).tolist()]


def test_a_view_without_distraction_is_the_clip_normalised() -> None:
    views = make(None)
    assert list(views) == ["query", "key"]
    for view in views.values():
        assert view.clips.shape == (4, 3, 2, 16, 16)
        assert video_of(view.clips * STD + normalise(torch.zeros(1, 3, 1, 1, 1)).neg() * STD) == [0, 1, 2, 3]
        assert view.partners is view.apart is None
        assert view.drawn == {}


def test_only_what_is_read_is_loaded_and_only_roles_that_take_it_are_distracted() -> None:
    videos, spy = Levels(), Spy()
    batch = load(spy, videos=videos)
    assert set(batch["query"]) == {"frames", "augmentation", "distraction", "video"}
    assert set(batch["key"]) == {"frames", "augmentation", "video"}
    assert videos.maps_read == 0
    views = make_views(batch, (QUERY, KEY), spy, CONFIG.seed, 0, CPU)
    assert spy.got["extras"] == Extras()
    assert spy.got["partners"] is views["query"].partners is None
    load(Spy(maps=True), videos=videos)
    assert videos.maps_read == 4


def test_drawn_values_come_as_tensors_of_the_batch_that_clips_can_be_multiplied_with() -> None:
    spy = Spy()
    make(spy)
    drawn = spy.got["drawn"]
    assert drawn["share"].dtype == torch.float32
    assert drawn["share"].shape == (4,)
    assert len(set(drawn["share"].tolist())) == 4
    assert drawn["box"].shape == (4, 4)
    assert drawn["box"].dtype == torch.int64


def test_draws_of_a_distraction_move_no_other_choice() -> None:
    with_draws, without = load(Spy()), load(None)
    for role in ("query", "key"):
        assert torch.equal(with_draws[role]["frames"], without[role]["frames"])
        for name, values in without[role]["augmentation"].items():
            assert torch.equal(with_draws[role]["augmentation"][name], values)
    both = load(Spy(), (QUERY, Role("key", distracted=True)))
    shares = [both[role]["distraction"]["share"] for role in ("query", "key")]
    assert not torch.equal(*shares)


def test_partners_are_clips_of_other_videos_whose_rows_the_view_tells() -> None:
    spy = Spy(partner=True)
    views = make(spy)
    rows = views["query"].partners
    assert rows is not None
    assert video_of(spy.got["partners"]) == rows.tolist()
    assert sorted(rows.tolist()) == [0, 1, 2, 3]
    assert all(row != own for own, row in enumerate(rows.tolist()))
    assert views["key"].partners is None
    others = [make(Spy(partner=True), step=step)["query"].partners.tolist() for step in range(8)]  # type: ignore[union-attr]
    assert others[0] == rows.tolist()
    assert len({tuple(found) for found in others}) > 1


def test_another_time_is_of_the_same_video() -> None:
    spy = Spy(other_time=True)
    make(spy)
    assert video_of(spy.got["extras"].other_time) == video_of(spy.got["clips"]) == [0, 1, 2, 3]


def test_maps_are_those_of_the_clip() -> None:
    spy = Spy(maps=True)
    make(spy)
    maps = spy.got["extras"].maps
    assert maps.seed.shape == maps.bins.shape == (4, 16, 16)
    assert maps.seed[:, 0, 0].tolist() == [0, 1, 2, 3]
    starts = (255 * spy.got["clips"][:, 0, 0, 0, 0]).round().long() - 10 * torch.arange(4)
    assert torch.equal(maps.bins[:, 0, 0], starts)
    assert maps.bins.dtype == torch.int64


def test_statistics_that_are_to_be_read_must_be_given() -> None:
    with pytest.raises(ConfigurationError, match="needs clip statistics, but none are given"):
        PretrainClips(Levels(), None, CONFIG, TWO_VIEWS, Spy(maps=True))


def test_what_a_role_asks_for_reaches_the_objective() -> None:
    def draw_turn(generator: np.random.Generator) -> dict[str, Any]:
        return {"quarter_turns": generator.integers(4), "speed": 0.5}

    roles = (
        Role("query", draw=draw_turn),
        Role("near", frames="apart", gap_frames=1),
        Role("far", frames="apart", gap_frames=8),
    )
    views = make(None, roles)
    turns = load(None, roles)["query"]["objective"]["quarter_turns"]
    assert torch.equal(views["query"].drawn["quarter_turns"], turns)
    assert views["query"].drawn["speed"].dtype == torch.float32
    assert views["query"].apart is None
    assert views["near"].apart.tolist() == [True] * 4  # type: ignore[union-attr]
    assert views["far"].apart.tolist() == [False] * 4  # type: ignore[union-attr]


@pytest.mark.parametrize("wrong", [lambda clips: clips[:, :, :1], lambda clips: clips.double()])
def test_distraction_that_gives_other_clips_than_it_got_is_told(wrong: Any) -> None:
    class Odd(Spy):
        def apply(self, clips: Tensor, *_: Any) -> Tensor:  # type: ignore[override]
            result: Tensor = wrong(clips)
            return result

    with pytest.raises(ConfigurationError, match=r"Odd\.apply gave .* expected clips as it got them"):
        make(Odd())
