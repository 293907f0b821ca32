"""Decides by content whether a file is a video if its name does not say so."""

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

    They are read in a separate process, since they may be anything.
    """
    found = set()
    with contextlib.closing(Children()) as children:
        for path in paths:
            with contextlib.suppress(ChildDiedError):
                if children.call(decode.holds_video, path):
                    found.add(path)
    return found


def is_text(path: Path) -> bool:
    """Whether a non-empty file begins like text; raises OSError."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if any(byte < 32 and byte not in TEXT_CONTROLS for byte in head):
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # which may end within a character
    except UnicodeDecodeError:
        return False
    return bool(head)
