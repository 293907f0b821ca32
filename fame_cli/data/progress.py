"""Saved progress of a shard that takes long, so that it resumes from there after a kill.

A shard that is finished within seconds leaves no such files. For a longer one, ``00003.part`` has the frames
so far, one after another, and ``00003.part.json``, which is written atomically after them and signs them, has
everything else. Files that do not match are discarded.
"""

import contextlib
import hashlib
import os
import time
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from fame_cli.data.picture import Frame
from fame_cli.disk import require_space
from fame_cli.errors import FameError
from fame_cli.sealed import read_sealed, write_sealed
from fame_cli.shard import progress_paths

SAVE_SECONDS = 5.0
"""Minimum time between two saves: the most work that a kill loses."""
MOST_OF_THE_TIME = 0.01
"""Maximum share of time for saving, on a slow disk."""
BLOCK_BYTES = 4 << 20


class Frames(Protocol):
    """The frames of a shard that is being written."""

    offsets: list[int]
    first_item: list[int]

    def start_video(self) -> None: ...

    def add(self, item: Frame) -> None: ...

    def read(self, start: int, end: int) -> Frame: ...


class ShardProgress:
    """Saves and restores the progress of one shard.

    Args:
        folder: folder of the stage.
        name: name of the shard; without one, nothing is saved.
        inputs: fingerprint of everything that determines its content.
        frames: writer of the shard, empty.
    """

    def __init__(self, folder: Path, name: str, inputs: str, frames: Frames) -> None:
        self.is_kept = bool(name)
        self.data, self.signature = progress_paths(folder, name)
        self.inputs = inputs
        self.frames = frames
        self.outcomes: list[dict[str, Any]] = []
        """Outcomes of the finished videos."""
        self.film: dict[str, Any] | None = None
        """Progress of the next video if it was started; resuming it takes it from here."""
        self.saved_bytes = 0
        self.hash = hashlib.sha256()
        self.next_save = time.monotonic() + SAVE_SECONDS

    def is_due(self) -> bool:
        return self.is_kept and time.monotonic() >= self.next_save

    def save(self, film: dict[str, Any] | None = None) -> None:
        """Save all frames so far, and the progress of the film being decoded."""
        started = time.monotonic()
        try:
            self.append_frames()
            values = {
                "inputs": self.inputs,
                "bytes": self.saved_bytes,
                "sha256": self.hash.hexdigest(),
                "offsets": self.frames.offsets,
                "first_frame": self.frames.first_item,
                "outcomes": self.outcomes,
                "film": film,
            }
            write_sealed(self.signature, values)
        except (OSError, FameError):
            # The shard itself may still have room; if not, it raises its own error.
            self.forget()
            self.is_kept = False
        now = time.monotonic()
        self.next_save = now + max(SAVE_SECONDS, (now - started) / MOST_OF_THE_TIME)

    def append_frames(self) -> None:
        end = self.frames.offsets[-1]
        require_space(self.data, end - self.saved_bytes)
        with self.data.open("r+b" if self.saved_bytes else "wb") as file:
            file.seek(self.saved_bytes)
            file.truncate()
            while self.saved_bytes < end:
                to = min(end, self.saved_bytes + BLOCK_BYTES)
                block = self.frames.read(self.saved_bytes, to).tobytes()
                file.write(block)
                self.hash.update(block)
                self.saved_bytes += len(block)
            file.flush()
            os.fsync(file.fileno())

    def forget(self) -> None:
        """Discard saved progress: it contains frames that the shard no longer has."""
        for path in (self.signature, self.data):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        self.saved_bytes = 0
        self.hash = hashlib.sha256()

    def resume(self) -> None:
        """Restore progress saved for the same inputs, if it is complete."""
        if not self.is_kept:
            return
        try:
            values = read_sealed(self.signature)
            if values["inputs"] != self.inputs:
                raise ValueError("of other inputs")
            self.hash = hash_of(self.data, values["bytes"])
            if self.hash.hexdigest() != values["sha256"]:
                raise ValueError("damaged")
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            self.forget()
            return
        self.saved_bytes, self.outcomes, self.film = values["bytes"], values["outcomes"], values["film"]
        self.put_back(values["offsets"], values["first_frame"])

    def put_back(self, offsets: list[int], first_frame: list[int]) -> None:
        with self.data.open("rb") as file:
            for number, first in enumerate(first_frame):
                self.frames.start_video()
                last = first_frame[number + 1] if number + 1 < len(first_frame) else len(offsets) - 1
                for frame in range(first, last):
                    length = offsets[frame + 1] - offsets[frame]
                    self.frames.add(np.frombuffer(file.read(length), np.uint8))


def hash_of(path: Path, count: int) -> "hashlib._Hash":
    """The SHA-256 state of a file's first ``count`` bytes, to continue from; ValueError if it has fewer."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while count > 0:
            block = file.read(min(count, BLOCK_BYTES))
            if not block:
                raise ValueError("cut off")
            digest.update(block)
            count -= len(block)
    return digest
