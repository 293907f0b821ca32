"""Whether a file is a video, by what it holds: for those whose names do not tell."""

import codecs
import contextlib
from collections.abc import Sequence
from pathlib import Path

from fame_cli.child import ChildDiedError, Children
from fame_cli.data import decode

HEAD_BYTES = 4096
TEXT_CONTROLS = b"\t\n\r\f\x1b"


def videos_among(paths: Sequence[Path]) -> set[Path]:
    """Those of the files that the decoder reads as videos.

    Read in a process of its own, since some may be anything.
    """
    found = set()
    with contextlib.closing(Children()) as children:
        for path in paths:
            with contextlib.suppress(ChildDiedError):
                if children.call(decode.holds_video, path):
                    found.add(path)
    return found


def is_text(path: Path) -> bool:
    """Whether a file begins like text, and has something to begin with; raises OSError."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if any(byte < 32 and byte not in TEXT_CONTROLS for byte in head):
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # which may end within a letter
    except UnicodeDecodeError:
        return False
    return bool(head)
