"""A frame store that shows only what masks keep."""

from pathlib import Path

import numpy as np
import pytest
import torch
from evaluation.colour_videos import extracted, make_videos
from segmentation.true_sequences import save

from fame_cli.data.frames import FrameStore
from fame_cli.data.mask_folder import open_mask_folder
from fame_cli.data.masked_frames import FILL, MaskedFrames
from fame_cli.data.views import normalise
from fame_cli.errors import InputError


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    """Videos of 14 frames, 48 x 64, stored at 32 x 43."""
    folder = tmp_path_factory.mktemp("masked")
    return extracted(folder / "work", make_videos(folder / "videos", train=1, test=1))


def test_pixels_outside_the_masks_are_the_mean_colour_and_others_as_they_were(
    store: FrameStore, tmp_path: Path
) -> None:
    video = store.videos[0].id.removesuffix(".avi")
    left, nothing = np.zeros((48, 64)), np.zeros((48, 64))
    left[:, :32] = 255
    save(tmp_path / video / "00003.png", left)
    save(tmp_path / video / "00008.png", nothing)
    shown = MaskedFrames(store, open_mask_folder(tmp_path)).read(0, [3, 8])
    whole = store.read(0, [3, 8])
    assert (shown[0, :, :21] == whole[0, :, :21]).all()
    assert (shown[0, :, 22:] == FILL).all()
    assert (shown[1] == FILL).all()


def test_the_fill_is_nothing_to_a_network() -> None:
    clip = torch.tensor(FILL).view(1, 3, 1, 1, 1) / 255
    assert normalise(clip).abs().max() < 0.01


def test_videos_without_masks_are_not_usable_and_masks_decide_the_fingerprint(
    store: FrameStore, tmp_path: Path
) -> None:
    first, second = (video.id.removesuffix(".avi") for video in store.videos[:2])
    save(tmp_path / f"{first}.png", [[255]])
    prints = {store.fingerprint, MaskedFrames(store, open_mask_folder(tmp_path)).fingerprint}
    shown = MaskedFrames(store, open_mask_folder(tmp_path))
    assert [video.usable for video in shown.videos] == [True] + [False] * (len(store.videos) - 1)
    with pytest.raises(InputError, match="no masks for 1 of 1"):
        shown.read(1, [0])
    save(tmp_path / f"{second}.png", [[255]])
    prints.add(MaskedFrames(store, open_mask_folder(tmp_path)).fingerprint)
    assert len(prints) == 3
    assert (MaskedFrames(store, open_mask_folder(tmp_path)).read(1, [5]) == store.read(1, [5])).all()
