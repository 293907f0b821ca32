"""Masks of a data set's videos: where they are looked for, which frame takes which, and what is told."""

import dataclasses
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from segmentation.true_sequences import save

from fame_cli.data.manifest import Video
from fame_cli.data.mask_folder import open_mask_folder
from fame_cli.errors import InputError

VIDEO = Video("Biking/v_01.avi", "Biking/v_01.avi", frame_count=40, width=8, height=4, status="ok")
OTHER = dataclasses.replace(VIDEO, id="Biking/v_02.avi")
LEFT = [[255, 0], [255, 0]]
RIGHT = [[0, 255], [0, 255]]


def write_boxes(folder: Path, *lines: str) -> Path:
    (folder / "boxes.csv").write_text("\n".join(["video,frame,x,y,width,height", *lines]))
    return folder


def kept(folder: Path, frame: int, height: int = 2, width: int = 2, video: Video = VIDEO) -> list[list[int]]:
    mask = open_mask_folder(folder).of(video).read(frame, height, width)
    assert mask.dtype == bool
    return mask.astype(int).tolist()  # type: ignore[no-any-return]


def test_a_frame_takes_the_mask_of_its_number_or_the_nearest_one(tmp_path: Path) -> None:
    save(tmp_path / "Biking/v_01/mask_00010.png", LEFT)
    save(tmp_path / "Biking/v_01/mask_00020.png", RIGHT)
    at_left, at_right = [[1, 0], [1, 0]], [[0, 1], [0, 1]]
    assert [kept(tmp_path, frame) for frame in (0, 10, 15)] == [at_left] * 3
    assert [kept(tmp_path, frame) for frame in (16, 20, 39)] == [at_right] * 3


def test_one_image_is_the_mask_of_all_frames(tmp_path: Path) -> None:
    save(tmp_path / "Biking/v_01.png", LEFT)
    assert kept(tmp_path, 0) == kept(tmp_path, 39) == [[1, 0], [1, 0]]


def test_masks_of_another_size_are_scaled_to_the_frame(tmp_path: Path) -> None:
    save(tmp_path / "Biking/v_01.png", LEFT)
    assert kept(tmp_path, 0, 4, 4) == [[1, 1, 0, 0]] * 4
    save(tmp_path / "Biking/v_02.png", np.zeros((240, 320)))
    kept(tmp_path, 0, 128, 171, OTHER)  # what extraction rounds 170.67 to


def test_a_mask_of_another_aspect_ratio_is_not_the_videos(tmp_path: Path) -> None:
    save(tmp_path / "Biking/v_01.png", np.zeros((240, 320)))
    with pytest.raises(InputError, match=r"v_01\.png has 320 x 240 pixels; the frames .* 128 x 128"):
        kept(tmp_path, 0, 128, 128)


def test_boxes_are_in_pixels_of_the_video_and_a_frame_has_the_union_of_its_own(tmp_path: Path) -> None:
    write_boxes(
        tmp_path,
        "Biking/v_01.avi,3,0,0,2,2",
        "Biking/v_01,3,6,2,2,2",
        "Biking/v_01.avi,9,0,0,0,0",
        "Biking/v_02,,0,0,4,4",
    )
    assert kept(tmp_path, 3, 2, 4) == kept(tmp_path, 0, 2, 4) == [[1, 0, 0, 0], [0, 0, 0, 1]]
    assert kept(tmp_path, 9, 2, 4) == [[0, 0, 0, 0], [0, 0, 0, 0]]
    assert kept(tmp_path, 33, 2, 4, OTHER) == [[1, 1, 0, 0], [1, 1, 0, 0]]


def test_a_pixel_is_in_a_box_where_its_centre_is(tmp_path: Path) -> None:
    write_boxes(tmp_path, "Biking/v_01,,1.4,0,5,1.1", "Biking/v_02,,1.6,0,4.8,0.9")
    # Each pixel of the frame covers 2 x 2 of the video: centres at x 1, 3, 5, 7 and y 1, 3.
    assert kept(tmp_path, 0, 2, 4) == [[0, 1, 1, 0], [0, 0, 0, 0]]
    assert kept(tmp_path, 0, 2, 4, OTHER) == [[0, 0, 0, 0], [0, 0, 0, 0]]


def test_images_come_before_boxes(tmp_path: Path) -> None:
    write_boxes(tmp_path, "Biking/v_01,,0,0,8,4")
    assert kept(tmp_path, 0) == [[1, 1], [1, 1]]
    save(tmp_path / "Biking/v_01.png", RIGHT)
    assert kept(tmp_path, 0) == [[0, 1], [0, 1]]


def test_videos_without_masks_are_counted_and_named(tmp_path: Path) -> None:
    save(tmp_path / "Biking/v_01.png", LEFT)
    many = [dataclasses.replace(VIDEO, id=f"{n}.avi") for n in range(7)]
    folder = open_mask_folder(tmp_path)
    folder.require([VIDEO])
    assert (folder.has(VIDEO), folder.has(OTHER)) == (True, False)
    with pytest.raises(InputError, match=r"has no masks for 1 of 2 videos: Biking/v_02\.avi\n"):
        folder.require([VIDEO, OTHER])
    with pytest.raises(InputError, match=r"for 7 of 8 videos: 0\.avi, 1\.avi, 2\.avi, 3\.avi, 4\.avi, …"):
        folder.require([VIDEO, *many])
    with pytest.raises(InputError, match="no masks for 1 of 1"):
        folder.of(OTHER)


def test_frames_counted_from_one_are_told(tmp_path: Path) -> None:
    save(tmp_path / "Biking/v_01/000040.png", LEFT)
    with pytest.raises(InputError, match=r"mask for frame 40 of Biking/v_01\.avi, whose last frame is 39"):
        kept(tmp_path, 0)
    write_boxes(tmp_path, "Biking/v_02,40,0,0,1,1")
    with pytest.raises(InputError, match=r"boxes\.csv has a mask for frame 40"):
        kept(tmp_path, 0, video=OTHER)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("v,x,0,0,1,1", "invalid literal"),
        ("v,-2,0,0,1,1", "frame -2"),
        ("v,1,0,0,-1,1", "-1.0"),
        ("v,1,0,nan,1,1", "nan"),
        ("v,1,0,0,1", "NoneType"),
    ],
)
def test_a_wrong_box_is_told_with_its_line(tmp_path: Path, line: str, what: str) -> None:
    write_boxes(tmp_path, "v,0,0,0,1,1", line)
    with pytest.raises(InputError, match=rf"boxes\.csv, line 3: not a box \(.*{what}"):
        open_mask_folder(tmp_path)


def test_what_is_not_a_folder_of_masks_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="absent is not a folder of masks"):
        open_mask_folder(tmp_path / "absent")
    (tmp_path / "boxes.csv").write_text("video,frame,x,y\n")
    with pytest.raises(InputError, match=r"boxes\.csv has no column width, height"):
        open_mask_folder(tmp_path)
    (tmp_path / "boxes.csv").unlink()
    (tmp_path / "Biking/v_01").mkdir(parents=True)
    with pytest.raises(InputError, match="v_01 holds no mask"):
        kept(tmp_path, 0)
    save(tmp_path / "Biking/v_01/first.png", LEFT)
    with pytest.raises(InputError, match=r"first\.png has no number in its name"):
        kept(tmp_path, 0)
    (tmp_path / "Biking/v_01/first.png").unlink()
    for name in ("1", "01"):
        save(tmp_path / f"Biking/v_01/{name}.png", LEFT)
    with pytest.raises(InputError, match=r"01\.png and 1\.png have the same number"):
        kept(tmp_path, 0)


def test_the_fingerprint_changes_with_any_mask_of_the_videos_asked_for(tmp_path: Path) -> None:
    save(tmp_path / "Biking/v_01/1.png", LEFT)
    write_boxes(tmp_path, "Biking/v_02,,0,0,1,1")

    def of(*videos: Video) -> str:
        return open_mask_folder(tmp_path).fingerprint(videos)

    both, first = of(VIDEO, OTHER), of(VIDEO)
    assert both != first
    assert both == of(VIDEO, OTHER)
    write_boxes(tmp_path, "Biking/v_02,,0,0,1,2")
    assert (of(VIDEO, OTHER) != both, of(VIDEO)) == (True, first)
    path = save(tmp_path / "Biking/v_01/1.png", RIGHT)
    os.utime(path, ns=(0, 12345))
    assert of(VIDEO) != first


def test_a_folder_goes_to_worker_processes(tmp_path: Path) -> None:
    write_boxes(tmp_path, "Biking/v_01,,0,0,4,4")
    handed_over = pickle.loads(pickle.dumps(open_mask_folder(tmp_path)))
    assert handed_over.of(VIDEO).read(0, 2, 2).tolist() == [[True, False], [True, False]]
