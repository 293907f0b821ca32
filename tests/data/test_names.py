"""Names of files: one text for the same bytes, however the locale reads them and accents are written."""

import os
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from conftest import moving_square, write_video
from made_files import touch, write

from fame_cli.data.manifest import Manifest, Video, read_manifest, write_manifest
from fame_cli.data.sources.files import find_videos
from fame_cli.data.sources.folder import index_folder
from fame_cli.data.sources.table import index_table
from fame_cli.names import to_disk, to_text

COMPOSED, APART = (unicodedata.normalize(form, "été") for form in ("NFC", "NFD"))


def table(folder: Path, *lines: str) -> Path:
    return write(folder, {"list.csv": "\n".join(["path,label,split", *lines, ""])}) / "list.csv"


@pytest.mark.parametrize(("on_disk", "named"), [(APART, COMPOSED), (COMPOSED, APART)])
def test_accents_written_in_another_way_name_the_same_file(tmp_path: Path, on_disk: str, named: str) -> None:
    root = touch(tmp_path / "videos", f"{on_disk}/{on_disk}.mp4")
    found = index_table(root, table(tmp_path, f"{named}/{named}.mp4,{named},train"))
    (video,) = found.videos
    assert (video.path, video.label, video.split) == (f"{on_disk}/{on_disk}.mp4", COMPOSED, "train")
    assert found.check.findings == ()


@pytest.mark.skipif(sys.platform == "darwin", reason="there the two are one name")
def test_two_files_of_one_name_but_for_the_accents_stand_each_for_itself(tmp_path: Path) -> None:
    root = touch(tmp_path / "videos", f"{COMPOSED}.mp4", f"{APART}.mp4")
    both = index_table(root, table(tmp_path, f"{COMPOSED}.mp4,one,train", f"{APART}.mp4,two,test"))
    assert {video.path: video.label for video in both.videos} == {
        f"{COMPOSED}.mp4": "one",
        f"{APART}.mp4": "two",
    }
    one = index_table(root, table(tmp_path, f"{COMPOSED}.mp4,one,train"))
    assert [video.path for video in one.videos] == [f"{COMPOSED}.mp4"]
    assert [(finding.kind, finding.names) for finding in one.check.findings] == [
        ("not named", (f"{APART}.mp4",))
    ]


def test_class_is_one_however_its_folders_write_accents(tmp_path: Path) -> None:
    found = index_folder(touch(tmp_path, f"train/{COMPOSED}/a.mp4", f"test/{APART}/b.mp4"))
    assert found.class_names == [COMPOSED]


@pytest.fixture
def latin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names as Python has them where the locale says ISO-8859-1."""
    monkeypatch.setattr(os, "fsencode", lambda name: name.encode("latin-1", "surrogateescape"))
    monkeypatch.setattr(os, "fsdecode", lambda name: name.decode("latin-1", "surrogateescape"))


@pytest.mark.usefixtures("latin")
def test_text_of_a_name_is_that_of_its_bytes() -> None:
    read = "é/日 \udcff.avi".encode("utf-8", "surrogateescape").decode("latin-1")
    assert to_text(read) == "é/日 \udcff.avi"
    assert to_disk("é/日 \udcff.avi") == read
    assert to_text("plain.avi") == to_disk("plain.avi") == "plain.avi"


@pytest.mark.usefixtures("latin")
def test_manifest_holds_the_bytes_of_its_root(tmp_path: Path) -> None:
    write_manifest(tmp_path, Manifest(Path("/vid\xc3\xa9os"), {"source": "folder"}, (Video("a", "a"),)))
    assert r"vid\u00e9os" in (tmp_path / "source.json").read_text()
    assert read_manifest(tmp_path).root == Path("/vid\xc3\xa9os")


def test_names_are_the_same_in_the_locale_that_they_are_written_in() -> None:
    for name in ("é/日.avi", "\udcff.avi", "a.avi"):
        assert to_text(name) == to_disk(name) == name


@pytest.mark.skipif(shutil.which("localedef") is None, reason="no locale can be made here")
def test_another_locale_decodes_nothing_again(tmp_path: Path) -> None:
    made = ["localedef", "-i", "en_US", "-f", "ISO-8859-1", str(tmp_path / "en_US")]
    if subprocess.run(made, capture_output=True, check=False).returncode > 1:
        pytest.skip("the system's locales are not there")
    root = tmp_path / "vidéos"
    for name in ("é/été.avi", "é/映画.avi", "e/\udcff.avi"):
        write_video(tmp_path / "plain.avi", moving_square(9, (1, 200, 1), seed=0))
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tmp_path / "plain.avi", root / name)
    write(tmp_path, {"été.csv": "path,label,split\né/été.avi,été,train\ne/\udcff.avi,,\n"})
    latin = {"LOCPATH": str(tmp_path), "LANG": "en_US"}
    plain = {
        name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHONU"))
    }
    for options in ([], ["--source", "csv", "--annotations", tmp_path / "été.csv"]):
        work = tmp_path / f"work{len(options)}"
        lists = []
        for locale in ({"LANG": "C.UTF-8"}, latin, {"LANG": "C.UTF-8"}):
            command = [sys.executable, "-m", "fame_cli", "extract", root, "-o", work, "-j", "1", *options]
            result = subprocess.run(
                [os.fsencode(part) for part in command],
                capture_output=True,
                check=False,
                env=plain | locale,
            )
            assert result.returncode == 0 or options, result.stderr
            assert (b"Nothing to do" in result.stdout) == bool(lists), result.stdout
            lists.append([(work / name).read_bytes() for name in ("manifest.csv", "source.json")])
        assert lists[0] == lists[1] == lists[2]
        assert {file.path for file in find_videos(root).videos} >= {
            video.path for video in read_manifest(work).videos
        }
