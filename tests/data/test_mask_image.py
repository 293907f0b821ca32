"""Masks as image files: what the values of their pixels mean, whatever kind of image it is."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from segmentation.true_sequences import HEIGHT, WIDTH, save, write_sequence

from fame_cli.data.mask_image import read_frame, read_mask
from fame_cli.errors import InputError


def test_gray_mask_knows_object_background_and_ignored(tmp_path: Path) -> None:
    found, ignored = read_mask(save(tmp_path / "1.png", [[0, 50, 85, 127], [128, 170, 254, 255]]))
    assert found.tolist() == [[False, False, False, False], [True, False, True, True]]
    assert ignored.tolist() == [[False, False, True, False], [False, True, False, False]]


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "RGBA", "LA"])
def test_mask_is_the_same_in_every_mode(tmp_path: Path, mode: str) -> None:
    values = [[0, 1], [2, 3]] if mode == "P" else [[0, 255], [255, 255]]
    found, ignored = read_mask(save(tmp_path / "1.png", values, mode))
    assert found.tolist() == [[False, True], [True, True]]
    assert not ignored.any()


def test_black_and_white_image_is_a_mask(tmp_path: Path) -> None:
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "1.png")
    assert read_mask(tmp_path / "1.png")[0].tolist() == [[True, False]]


def test_gray_mask_of_small_numbers_holds_numbers_of_objects(tmp_path: Path) -> None:
    assert read_mask(save(tmp_path / "1.png", [[0, 1], [2, 0]]))[0].tolist() == [[False, True], [True, False]]
    assert not read_mask(save(tmp_path / "2.png", [[0, 0]]))[0].any()


def test_palette_of_grays_is_read_by_its_grays(tmp_path: Path) -> None:
    image = Image.frombytes("P", (4, 1), bytes([0, 1, 2, 3]))
    image.putpalette([255] * 3 + [0] * 3 + [170] * 3 + [85] * 3)
    image.save(tmp_path / "1.png")
    found, ignored = read_mask(tmp_path / "1.png")
    assert found.tolist() == [[True, False, False, False]]
    assert ignored.tolist() == [[False, False, True, True]]


def test_unreadable_images_are_told(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no image")
    whole = write_sequence(tmp_path / "s", count=1) / "frames" / "00000.png"
    (tmp_path / "cut.png").write_bytes(whole.read_bytes()[:-200])
    Image.fromarray(np.zeros((2, 2), np.uint16)).save(tmp_path / "deep.png")
    for name in ("text.png", "cut.png", "absent.png"):
        with pytest.raises(InputError, match=f"{name} is not a readable image: "):
            read_frame(tmp_path / name)
    with pytest.raises(InputError, match=r"deep\.png is an image of mode I;16; expected 8 bits a channel"):
        read_mask(tmp_path / "deep.png")


def test_frame_is_red_green_blue(tmp_path: Path) -> None:
    frame = read_frame(save(tmp_path / "1.png", [[[250, 120, 10]]], "RGB"))
    assert frame.tolist() == [[[250, 120, 10]]]
    gray = read_frame(write_sequence(tmp_path / "s", count=1) / "masks" / "00000.png")
    assert gray.shape == (HEIGHT, WIDTH, 3)
