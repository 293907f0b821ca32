"""Sequences with true masks: where they are looked for, what pairs them, and what a mask's values mean."""

from pathlib import Path

import pytest
from segmentation.true_sequences import save, write_sequence

from fame_cli.errors import InputError
from fame_cli.segmentation.sequences import choose_sequences, find_sequences


def empty_sequence(folder: Path, frames: list[str], masks: list[str]) -> Path:
    """Files of the names given; that they are no images is not looked at before they are read."""
    for kind, names in (("frames", frames), ("masks", masks)):
        (folder / kind).mkdir(parents=True)
        for name in names:
            (folder / kind / name).touch()
    return folder


def test_sequences_lie_in_the_folder_or_in_sets_within_it(tmp_path: Path) -> None:
    for name in ("b", "a", "set/c", "set/d"):
        write_sequence(tmp_path / name, count=2)
    found = find_sequences(tmp_path)
    assert [(one.name, one.group) for one in found] == [
        ("a", ""),
        ("b", ""),
        ("set/c", "set"),
        ("set/d", "set"),
    ]
    assert [path.name for path in found[0].frames] == ["00000.png", "00001.png"]


def test_the_folder_itself_may_be_a_sequence(tmp_path: Path) -> None:
    write_sequence(tmp_path / "dog", count=2)
    [only] = find_sequences(tmp_path / "dog")
    assert (only.name, only.group) == ("dog", "")


@pytest.mark.parametrize("level", ["480p", "Full-Resolution", "."])
def test_davis_is_read_as_it_is_published(tmp_path: Path, level: str) -> None:
    for name in ("bear", "camel"):
        write_sequence(tmp_path / "made" / name, count=2)
        for ours, theirs in (("frames", "JPEGImages"), ("masks", "Annotations")):
            target = tmp_path / "davis" / theirs / level / name
            target.parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "made" / name / ours).rename(target)
    (tmp_path / "davis" / "JPEGImages" / level / "not-annotated").mkdir()
    (tmp_path / "davis" / "ImageSets").mkdir()
    assert [(one.name, one.group) for one in find_sequences(tmp_path / "davis")] == [
        ("bear", ""),
        ("camel", ""),
    ]
    assert [(one.name, one.group) for one in find_sequences(tmp_path) if one.group == "davis"] == [
        ("davis/bear", "davis"),
        ("davis/camel", "davis"),
    ]


def test_480p_is_preferred_to_the_full_resolution(tmp_path: Path) -> None:
    for level in ("480p", "Full-Resolution"):
        for kind in ("JPEGImages", "Annotations"):
            save(tmp_path / kind / level / "bear" / "00000.png", [[0]])
    [bear] = find_sequences(tmp_path)
    assert "480p" in bear.frames[0].parts


def test_frame_and_mask_share_the_last_number_in_their_names(tmp_path: Path) -> None:
    empty_sequence(
        tmp_path / "s", ["in2_0009.jpg", "in2_0010.JPG", "._in2_0010.jpg"], ["gt10.png", "gt9.png"]
    )
    [only] = find_sequences(tmp_path)
    assert [path.name for path in only.frames] == ["in2_0009.jpg", "in2_0010.JPG"]
    assert [path.name for path in only.masks if path] == ["gt9.png", "gt10.png"]


def test_frame_without_a_mask_is_kept_as_such(tmp_path: Path) -> None:
    empty_sequence(tmp_path / "s", ["0.jpg", "1.jpg", "2.jpg"], ["1.png"])
    [only] = find_sequences(tmp_path)
    assert [mask is None for mask in only.masks] == [True, False, True]


def test_numbers_may_go_in_any_even_steps(tmp_path: Path) -> None:
    empty_sequence(tmp_path / "s", ["5.jpg", "10.jpg", "15.jpg"], ["5.png"])
    assert len(find_sequences(tmp_path)[0].frames) == 3


@pytest.mark.parametrize(
    ("frames", "masks", "message"),
    [
        (["1.jpg"], ["2.png", "3.png"], r"2 of 2 masks have no frame with their number, such as .*2\.png"),
        (["1.jpg", "2.jpg", "4.jpg"], ["1.png"], "holds numbers 1 to 4, but after 2 comes 4"),
        (["a1.jpg", "b1.jpg"], ["1.png"], r"a1\.jpg and b1\.jpg have the same number"),
        (["first.jpg"], ["1.png"], r"first\.jpg has no number in its name"),
        (["1.tiff"], ["1.png"], r"frames holds no image \(\.jpg, \.jpeg, \.png\)"),
        (["1.jpg"], ["1.jpg"], r"masks holds no image \(\.png\)"),
    ],
)
def test_frames_and_masks_that_do_not_belong_together_are_told(
    tmp_path: Path, frames: list[str], masks: list[str], message: str
) -> None:
    empty_sequence(tmp_path / "s", frames, masks)
    with pytest.raises(InputError, match=message):
        find_sequences(tmp_path)


@pytest.mark.parametrize("name", ["frames", "masks", "JPEGImages", "Annotations"])
def test_half_a_sequence_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "s" / name).mkdir(parents=True)
    with pytest.raises(InputError, match=f"s holds the folder {name} but none named"):
        find_sequences(tmp_path)


def test_annotations_without_their_frames_are_told(tmp_path: Path) -> None:
    save(tmp_path / "Annotations" / "480p" / "bear" / "0.png", [[0]])
    (tmp_path / "JPEGImages" / "480p").mkdir(parents=True)
    with pytest.raises(InputError, match=r"bear holds masks, but there is no folder .*JPEGImages/480p/bear"):
        find_sequences(tmp_path)


def test_folder_without_sequences_tells_what_is_looked_for(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    with pytest.raises(InputError, match=r"holds no sequence of frames and masks\.\n.*DIR/SEQUENCE/"):
        find_sequences(tmp_path)
    with pytest.raises(InputError, match="absent is not a folder"):
        find_sequences(tmp_path / "absent")


def test_folder_that_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(InputError, match="cannot be read: Permission denied"):
        find_sequences(tmp_path)


def test_sequences_are_chosen_by_whole_name_or_last_part(tmp_path: Path) -> None:
    for name in ("set/a", "set/b", "c"):
        empty_sequence(tmp_path / "truth" / name, ["1.jpg"], ["1.png"])
    (tmp_path / "val.txt").write_text("b\r\nc\n\n")
    found = find_sequences(tmp_path / "truth")
    assert [one.name for one in choose_sequences(found, tmp_path / "val.txt")] == ["c", "set/b"]
    (tmp_path / "val.txt").write_text("set/a\nzebra\n")
    with pytest.raises(InputError, match="names 1 sequences that are not there, such as 'zebra'"):
        choose_sequences(found, tmp_path / "val.txt")
    (tmp_path / "val.txt").write_text("\n")
    with pytest.raises(InputError, match="names no sequence"):
        choose_sequences(found, tmp_path / "val.txt")
    with pytest.raises(InputError, match="cannot be read: No such file"):
        choose_sequences(found, tmp_path / "absent.txt")
