"""Of all that a file may hold, the film that people mean; what cannot be decoded fails by name, alone."""

from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from conftest import moving_square, write_video
from made_videos import cut, encode_streams, encode_video

from fame_cli.config import ExtractConfig
from fame_cli.data import decode, opencv_reader
from fame_cli.data.decode import open_video
from fame_cli.data.frames import extract
from fame_cli.data.manifest import Manifest
from fame_cli.data.picture import NoVideoError, Picture, Source
from fame_cli.data.sources.folder import index_folder
from fame_cli.errors import InputError

pytestmark = pytest.mark.libraries

RED = (220, 20, 20)
# As numbers: PyAV 17 sets no other, and each version takes them.
NONE, DEFAULT, COVER = 0, Disposition.default.value, Disposition.attached_pic.value
SMALL = moving_square(4, RED, seed=1, size=(64, 48))
LARGE = moving_square(20, RED, seed=1, size=(128, 96))


def run(work: Path, videos: Path) -> Manifest:
    return extract(work, index_folder(videos), ExtractConfig())[1]


@pytest.mark.parametrize(
    ("streams", "size"),
    [
        ([(SMALL, "libx264", NONE), (LARGE, "libx264", DEFAULT)], (128, 96)),
        ([(LARGE, "libx264", NONE), (SMALL, "libx264", DEFAULT)], (64, 48)),
        ([(SMALL, "libx264", DEFAULT), (LARGE, "libx264", DEFAULT)], (128, 96)),
        ([(SMALL, "libx264", NONE), (LARGE, "libx264", NONE)], (128, 96)),
        ([(LARGE, "libx264", DEFAULT), (SMALL, "libx264", NONE)], (128, 96)),
    ],
)
def test_default_stream_is_read_and_among_equals_the_largest(
    tmp_path: Path, streams: list[tuple[np.ndarray, str, int]], size: tuple[int, int]
) -> None:
    encode_streams(tmp_path / "videos" / "a.mkv", *streams)
    (video,) = run(tmp_path / "work", tmp_path / "videos").videos
    count = 20 if size == (128, 96) else 4
    assert (video.status, video.frame_count, video.width, video.height) == ("ok", count, *size)
    number = next(n for n, (frames, *_) in enumerate(streams) if len(frames) == count)
    assert video.notes == f"stream {number}, of 2 with pictures"


@pytest.mark.parametrize("disposition", [COVER, DEFAULT])
def test_cover_beside_a_film_is_not_read_whatever_its_size(tmp_path: Path, disposition: int) -> None:
    cover = np.full((1, 480, 640, 3), 200, np.uint8)
    streams = [(cover, "mjpeg", disposition), (SMALL, "libx264", DEFAULT)]
    encode_streams(tmp_path / "videos" / "a.mp4", *streams)
    (video,) = run(tmp_path / "work", tmp_path / "videos").videos
    assert (video.frame_count, video.width, video.height) == (4, 64, 48)


def test_cover_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "videos" / "a.mp4"
    path.parent.mkdir()
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=8000)
        cover = container.add_stream("mjpeg", rate=25, width=64, height=48)
        cover.pix_fmt, cover.disposition = "yuvj420p", COVER
        container.mux(cover.encode(av.VideoFrame.from_ndarray(SMALL[0], "rgb24")))
        container.mux(cover.encode())
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), "fltp", "mono")
        samples.sample_rate = 8000
        container.mux(sound.encode(samples))
        container.mux(sound.encode())
    (video,) = run(tmp_path / "work", tmp_path / "videos").videos
    assert (video.status, video.frame_count) == ("failed", 0)
    assert video.reason == "it holds no video stream, only a cover picture"


def test_piece_cut_without_encoding_again_is_whole(tmp_path: Path) -> None:
    long = encode_video(tmp_path / "long.mp4", moving_square(90, RED, seed=1), gop_size=90)
    (tmp_path / "videos").mkdir()
    cut(long, 60, tmp_path / "videos" / "a.mp4")
    (video,) = run(tmp_path / "work", tmp_path / "videos").videos
    assert (video.status, video.reason, video.frame_count) == ("ok", "", 30)
    assert video.notes == "edit list: about 30 of 90 frames are shown"
    whole, piece = (np.stack(list(shown(path))) for path in (long, tmp_path / "videos" / "a.mp4"))
    assert np.array_equal(piece, whole[60:])


def shown(path: Path) -> list[np.ndarray]:
    return [picture.scale((64, 48)).jpeg(90)[:400] for picture in open_video(path).pictures]


def test_piece_that_is_cut_off_is_partial_all_the_same(tmp_path: Path) -> None:
    long = encode_video(tmp_path / "long.mp4", moving_square(90, RED, seed=1), gop_size=90)
    (tmp_path / "videos").mkdir()
    path = cut(long, 30, tmp_path / "videos" / "a.mp4")
    content = bytearray(path.read_bytes())
    start = content.index(b"mdat") + 4
    length = int.from_bytes(content[start - 8 : start - 4], "big") - 8
    content[start + length * 6 // 10 : start + length] = bytes(length - length * 6 // 10)
    path.write_bytes(content)
    (video,) = run(tmp_path / "work", tmp_path / "videos").videos
    assert video.status == "partial"
    assert video.reason == f"only {video.frame_count} of 60 frames decode"


def test_codec_that_nobody_knows_fails_alone(tmp_path: Path) -> None:
    good = encode_video(tmp_path / "videos" / "good.mp4", SMALL)
    (tmp_path / "videos" / "bad.mp4").write_bytes(good.read_bytes().replace(b"avc1", b"zzzz"))
    manifest = run(tmp_path / "work", tmp_path / "videos")
    assert [(video.status, video.reason) for video in manifest.videos] == [
        ("failed", "there is no decoder for its codec"),
        ("ok", ""),
    ]


class OddError(Exception):
    """Such as no reader's own list of exceptions has."""


@pytest.mark.parametrize("moment", ["opening", "first frame", "later frame", "scaling", "encoding"])
def test_whatever_a_decoder_raises_is_a_failure_of_that_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    class OddPicture:
        seconds, shape = 0.0, (64.0, 48.0)

        def scale(self, _: object) -> "OddPicture":
            return raising("scaling", self)

        def jpeg(self, _: int) -> np.ndarray:
            return raising("encoding", np.zeros(9, np.uint8))

    def raising(now: str, otherwise: object) -> object:
        if now == moment:
            raise OddError("ünknown\nthing")
        return otherwise

    def pictures() -> "list[Picture]":
        for number in range(3):
            raising("first frame" if number == 0 else "later frame", None)
            yield OddPicture()

    def opened(path: Path) -> Source | None:
        return raising("opening", Source(25, 3, pictures())) if path.stem == "b" else pyav(path)

    pyav = decode.open_with_pyav
    monkeypatch.setattr(decode, "READERS", {"pyav": opened})
    for name in "abc":
        write_video(tmp_path / f"{name}.avi", SMALL)
    from fame_cli.data.frames import ExtractTask, extract_shard

    task = ExtractTask(tmp_path, ("a.avi", "b.avi", "c.avi"), ExtractConfig())
    outcomes = extract_shard(tmp_path / "shard.h5", task)["videos"]
    assert [(outcome["status"], outcome["reason"]) for outcome in outcomes] == [
        ("ok", ""),
        ("failed", "the decoder failed: ünknown thing (OddError)"),
        ("ok", ""),
    ]


@pytest.mark.parametrize("error", [MemoryError(), OSError(24, "Too many open files")])
def test_limit_of_the_machine_is_no_fault_of_a_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refusal(_: Path) -> Source | None:
        raise error

    monkeypatch.setattr(decode, "READERS", {"pyav": refusal})
    with pytest.raises(type(error)):
        open_video(write_video(tmp_path / "a.avi", SMALL))


def test_reason_of_the_first_reader_is_told_when_no_other_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(_: Path) -> Source | None:
        raise OddError("first")

    monkeypatch.setattr(decode, "READERS", {"pyav": odd, "opencv": lambda _: None})
    with pytest.raises(InputError, match=r"the decoder failed: first \(OddError\)"):
        open_video(write_video(tmp_path / "a.avi", SMALL))
    monkeypatch.setitem(decode.READERS, "opencv", opencv_reader.open_file)
    assert open_video(tmp_path / "a.avi").reader.startswith("opencv ")


def test_what_holds_no_film_is_not_tried_with_the_next_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def empty(_: Path) -> Source | None:
        raise NoVideoError("it holds no video stream")

    monkeypatch.setitem(decode.READERS, "pyav", empty)
    with pytest.raises(InputError, match="it holds no video stream"):
        open_video(write_video(tmp_path / "a.avi", SMALL))
