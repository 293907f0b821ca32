"""Text on pictures stays within its width and never crashes on a name."""

from typing import Literal

import pytest

from fame_cli.visualization.text import printable, shorten, split_letters, text_width, wrap


def test_short_text_is_left_as_it_is() -> None:
    assert shorten("Biking", 200, 14) == "Biking"


def test_a_long_name_loses_its_middle_and_fits() -> None:
    name = "v_ApplyEyeMakeup_g08_c01_and_so_on_and_so_on"
    short = shorten(name, 120, 14)
    head, tail = short.split("…")
    assert text_width(short, 14) <= 120
    assert name.startswith(head)
    assert name.endswith(tail)
    assert abs(len(head) - len(tail)) <= 1


def test_a_class_loses_its_end_and_fits() -> None:
    short = shorten("CricketBowlingFromBehindTheStumps", 120, 14, at="end")
    assert text_width(short, 14) <= 120
    assert short.endswith("…")
    assert "CricketBowlingFromBehindTheStumps".startswith(short[:-1])
    assert len(short) > 8


@pytest.mark.parametrize("at", ["end", "middle"])
def test_no_letter_is_cut_from_its_accent(at: Literal["end", "middle"]) -> None:
    name = "e\u0301" * 40  # é, in two signs
    for width_px in range(40, 80):
        kept = shorten(name, width_px, 14, at=at).replace("…", "")
        assert kept == "e\u0301" * (len(kept) // 2)


def test_letters_joined_to_one_are_one() -> None:
    assert split_letters("a\u0308b👩\u200d💻") == ["a\u0308", "b", "👩\u200d💻"]


def test_the_path_of_a_file_keeps_its_end_and_a_class_its_beginning() -> None:
    (path,) = wrap("test/circle_clockwise/000123.avi", 110, 14, 3)
    (label,) = wrap("circle_counterclockwise_and_back", 110, 14, 3)
    assert path.endswith("3.avi")
    assert label.startswith("circle_c")
    assert label.endswith("…")


def test_text_wraps_at_spaces_and_keeps_every_word_while_lines_remain() -> None:
    lines = wrap("one two three four five six", 90, 14, 6)
    assert len(lines) > 1
    assert " ".join(lines) == "one two three four five six"
    assert all(text_width(line, 14) <= 90 for line in lines)


def test_a_word_wider_than_the_line_is_one_shortened_line() -> None:
    assert len(wrap("v_ApplyEyeMakeup_g08_c01", 60, 14, 6)) == 1


def test_lines_beyond_the_most_are_joined_and_shortened() -> None:
    lines = wrap("first\nsecond\nthird\nfourth", 60, 14, 2)
    assert lines[0] == "first"
    assert len(lines) == 2
    assert lines[1].startswith("se")
    assert "…" in lines[1]
    assert text_width(lines[1], 14) <= 60


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("файл β 日本", "файл β 日本"),
        ("bad\udcffbyte\x00", "bad�byte�"),
        ("12.5\xa0%", "12.5 %"),
        ("a\tb\r\nc", "a   b \nc"),
    ],
)
def test_printable_keeps_letters_and_replaces_what_cannot_be_written(text: str, expected: str) -> None:
    assert printable(text) == expected
    assert printable(text).encode("utf-8")
