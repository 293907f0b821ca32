"""Files whose names do not tell: those that are videos by their content are found, the rest is named."""

import os
import signal
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from conftest import moving_square
from made_videos import encode_video

from fame_cli.data import decode
from fame_cli.data.sources.content import is_text, videos_among
from fame_cli.data.sources.files import find_videos, list_videos
from fame_cli.data.sources.folder import index_folder
from fame_cli.data.sources.index import index_videos
from fame_cli.errors import InputError

FRAMES = moving_square(8, (220, 20, 20), seed=1)


@pytest.mark.parametrize(
    ("name", "made_as", "codec", "pixels"),
    [
        ("a.ts", ".ts", "libx264", "yuv420p"),
        ("a.m2ts", ".m2ts", "libx264", "yuv420p"),
        ("a.vob", ".vob", "mpeg2video", "yuv420p"),
        ("a.asf", ".asf", "mpeg4", "yuv420p"),
        ("a.mxf", ".mxf", "mpeg2video", "yuv420p"),
        ("a.gif", ".gif", "gif", "rgb8"),
        ("a.y4m", ".y4m", "rawvideo", "yuv420p"),
        ("a.nut", ".nut", "ffv1", "yuv420p"),
        ("a.264", ".h264", "libx264", "yuv420p"),
        ("a.0001", ".mp4", "libx264", "yuv420p"),
        ("no suffix at all", ".mkv", "libx264", "yuv420p"),
    ],
)
def test_video_is_found_by_its_content(
    tmp_path: Path, name: str, made_as: str, codec: str, pixels: str
) -> None:
    made = encode_video(tmp_path / f"made{made_as}", FRAMES, codec, pixels)
    (tmp_path / "videos" / "run").mkdir(parents=True)
    made.rename(tmp_path / "videos" / "run" / name)
    (video,) = index_folder(tmp_path / "videos").videos
    assert (video.path, video.label) == (f"run/{name}", "run")


def test_what_is_neither_named_like_a_video_nor_one_is_named(tmp_path: Path) -> None:
    root = tmp_path / "videos"
    encode_video(root / "a.mp4", FRAMES)
    with av.open(str(root / "sound.ogg"), "w", format="wav") as container:
        sound = container.add_stream("pcm_s16le", rate=8000)
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), "s16", "mono")
        samples.sample_rate = 8000
        container.mux(sound.encode(samples))
    encode_video(root / "picture.gif", FRAMES[:1], "gif", "rgb8")
    (root / "picture").write_bytes(cv2.imencode(".jpg", FRAMES[0])[1].tobytes())
    (root / "numbers.dat").write_bytes(bytes(range(256)) * 50)
    (root / "nothing.ts").write_bytes(b"")
    found = index_folder(root)
    assert [video.path for video in found.videos] == ["a.mp4"]
    (finding,) = found.check.findings
    assert (finding.kind, finding.names) == (
        "no video",
        ("nothing.ts", "numbers.dat", "picture", "picture.gif", "sound.ogg"),
    )
    assert "not videos by name or content (5): nothing.ts, numbers.dat, picture, and 2 more" in str(finding)


@pytest.mark.parametrize("source", ["kinetics", "csv"])
def test_what_is_none_is_named_whatever_the_source(tmp_path: Path, source: str) -> None:
    root = tmp_path / "videos"
    encode_video(root / "run" / "a.mp4", FRAMES)
    for name in ("b.dat", "named.dat"):
        (root / "run" / name).write_bytes(bytes(range(256)))
    table = tmp_path / "list.csv"
    table.write_text("path,label,split\nrun/a.mp4,run,train\nrun/named.dat,run,train\n")
    found = index_videos(root, source, table if source == "csv" else None, None)  # type: ignore[arg-type]
    told = {finding.kind: finding.names for finding in found.check.findings}
    assert told == {"no video": ("run/b.dat",) if source == "csv" else ("run/b.dat", "run/named.dat")}


def test_text_and_what_is_named_so_are_passed_over_without_a_word(tmp_path: Path) -> None:
    encode_video(tmp_path / "a.mp4", FRAMES)
    for name in ("LICENSE", "module.ts", "list.lst"):
        (tmp_path / name).write_text("export const é = 1;\n" * 400)
    for name in ("b.jpg", "c.NPY", "d.zip"):
        (tmp_path / name).write_bytes(bytes(range(256)))
    assert list_videos(tmp_path).others == []
    assert index_folder(tmp_path).check.findings == ()


def test_text_is_told_from_bytes_even_where_a_letter_is_cut(tmp_path: Path) -> None:
    contents = {"é" * 4000: True, "x" + "é" * 4000: True, "a\0b": False, "\x1b[1m\r\n\t": True, "": False}
    for text, expected in contents.items():
        (tmp_path / "file").write_text(text)
        assert is_text(tmp_path / "file") == expected
    (tmp_path / "file").write_bytes(b"caf\xe9 au lait")
    assert not is_text(tmp_path / "file")


def test_video_of_an_unknown_codec_is_one_so_that_its_failure_is_told(tmp_path: Path) -> None:
    made = encode_video(tmp_path / "a.mp4", FRAMES)
    (tmp_path / "a.dat").write_bytes(made.read_bytes().replace(b"avc1", b"zzzz"))
    assert decode.holds_video(tmp_path / "a.dat")


def test_folder_without_a_video_says_where_it_looked(tmp_path: Path) -> None:
    (tmp_path / "a.dat").write_bytes(bytes(256))
    with pytest.raises(InputError, match="holds no video files") as caught:
        find_videos(tmp_path)
    assert "where the name is not enough, looked into the file" in caught.value.hint


def crashing(path: Path) -> bool:
    if path.stem == "b":
        os.kill(os.getpid(), signal.SIGSEGV)
    return True


def test_file_that_crashes_the_decoder_is_none_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode, "holds_video", crashing)
    paths = [tmp_path / name for name in "abc"]
    assert videos_among(paths) == {tmp_path / "a", tmp_path / "c"}
