"""Masks of the videos of a data set, in a folder that any program may have written.

    MASKS/<video>/<frame number>.png    the mask of one frame
    MASKS/<video>.png                   one mask for all frames of a video
    MASKS/boxes.csv                     video,frame,x,y,width,height: one box a line

``<video>`` is the id of a video in ``manifest.csv`` without its suffix, folders included: the masks of
``Biking/v_Biking_g01_c01.avi`` lie in ``MASKS/Biking/v_Biking_g01_c01/``. The first of the three places that
has something for a video counts.

A frame number is the last number in a file's name. Frames are counted from 0, as they are stored: where
``fame extract --max-fps`` dropped some, those that are left are counted. A frame without a mask of its own
takes the nearest one's in time, the earlier of two equally near; so masks of every tenth frame are enough.

A mask may have any size of the video's aspect ratio. What is foreground: ``mask_image.read_mask`` (above 127;
any number but 0 where a mask holds numbers of objects); pixels that it calls ignored are background.

Boxes are in pixels of the video file as it is shown (``width`` and ``height`` in ``manifest.csv``), x and y
those of the upper left corner. The foreground of a frame is the union of its boxes. An empty frame number
stands for all frames; a box of width or height 0 says that a frame has no foreground. ``video`` may have its
suffix.
"""

import csv
import hashlib
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from fame_cli.data.manifest import Video
from fame_cli.data.mask_image import read_mask
from fame_cli.errors import InputError
from fame_cli.names import to_disk

Array = np.ndarray[Any, np.dtype[Any]]

BOXES = "boxes.csv"
COLUMNS = ("video", "frame", "x", "y", "width", "height")
EVERY_FRAME = -1
"""What stands for an empty frame number."""
NAMED = 5
"""Videos that a message names."""
LAYOUT = (
    "Masks are looked for as MASKS/<video>/<frame number>.png, MASKS/<video>.png and in MASKS/boxes.csv "
    f"({','.join(COLUMNS)}), where <video> is the id in manifest.csv without its suffix."
)


class VideoMasks(Protocol):
    """The masks of one video."""

    def read(self, frame: int, height: int, width: int) -> Array:
        """Foreground (height, width) bool of a frame, by its number from 0."""


@dataclass(frozen=True)
class MaskFiles:
    """A video's masks as images, by the number of the frame; for all frames where there is but one."""

    paths: Mapping[int, Path]
    """Not empty; in the order of the numbers."""

    def read(self, frame: int, height: int, width: int) -> Array:
        """Foreground (height, width) bool of a frame; raises InputError where its file is no such mask."""
        path = self.paths[nearest([*self.paths], frame)]
        found, _ = read_mask(path)
        mask_height, mask_width = found.shape
        # Scaling rounds each side to whole pixels, so the ratios differ by that much.
        rounding = (height + width + mask_height + mask_width) / 2
        if abs(mask_width * height - mask_height * width) > rounding:
            raise InputError(
                f"{path} has {mask_width} x {mask_height} pixels; the frames of its video have {width} x "
                f"{height}, which is another aspect ratio.",
                "A mask shows the whole frame, upright, at any size. Is it that of another video?",
            )
        size = (width, height)
        return cv2.resize(found.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST).astype(bool)


@dataclass(frozen=True)
class Boxes:
    """A video's masks as boxes."""

    rows: Array
    """(N, 5) float64: frame, x, y, width, height."""
    video_width: int
    video_height: int

    def read(self, frame: int, height: int, width: int) -> Array:
        """Foreground (height, width) bool of a frame: the pixels whose centres lie in one of its boxes."""
        numbers = self.rows[:, 0]
        if (own := np.unique(numbers[numbers != EVERY_FRAME])).size:
            frame = nearest(own.astype(int).tolist(), frame)
        mask = np.zeros((height, width), bool)
        columns = (np.arange(width) + 0.5) * self.video_width / width
        lines = (np.arange(height) + 0.5) * self.video_height / height
        for _, x, y, box_width, box_height in self.rows[(numbers == frame) | (numbers == EVERY_FRAME)]:
            inside_y, inside_x = (
                (y <= lines) & (lines < y + box_height),
                (x <= columns) & (columns < x + box_width),
            )
            mask |= inside_y[:, None] & inside_x
        return mask


@dataclass(frozen=True)
class MaskFolder:
    """The masks of many videos. Holds paths and boxes, no images: it may be handed to worker processes.

    Usage::

        masks = open_mask_folder(Path("MASKS"))
        masks.require(videos)  # tells which have none
        masks.of(video).read(frame=12, height=128, width=171)  # (128, 171) bool
    """

    folder: Path
    boxes: Mapping[str, Array]
    """Rows of ``Boxes`` by video."""
    boxes_sha256: str = ""

    def has(self, video: Video) -> bool:
        """Whether there is anything for a video."""
        return stem(video) in self.boxes or self._files(video) is not None

    def require(self, videos: Sequence[Video]) -> None:
        """Raise InputError, which names how many and which, where videos have no masks."""
        if lacking := [video.id for video in videos if not self.has(video)]:
            named = ", ".join(lacking[:NAMED]) + (", …" if len(lacking) > NAMED else "")
            raise InputError(
                f"{self.folder} has no masks for {len(lacking)} of {len(videos)} videos: {named}", LAYOUT
            )

    def of(self, video: Video) -> VideoMasks:
        """The masks of a decoded video; raises InputError where there are none, or they are not its own."""
        masks: VideoMasks
        if (place := self._files(video)) is not None:
            paths = number_masks(place) if place.is_dir() else {0: place}
            masks, last = MaskFiles(paths), max(paths)
        else:
            self.require([video])
            place, rows = self.folder / BOXES, self.boxes[stem(video)]
            masks, last = Boxes(rows, video.width, video.height), int(rows[:, 0].max())
        if last >= video.frame_count:
            raise InputError(
                f"{place} has a mask for frame {last} of {video.id}, whose last frame is "
                f"{video.frame_count - 1}.",
                "Frames are counted from 0, as they are stored (fame extract --max-fps leaves some out).",
            )
        return masks

    def fingerprint(self, videos: Sequence[Video]) -> str:
        """Changes with any mask of the videos: files by name, size and time of change, boxes by content."""
        return self._digest(videos, timed=True)

    def content(self, videos: Sequence[Video]) -> str:
        """The same without the time, so that it is equal for a copy of the folder."""
        return self._digest(videos, timed=False)

    def _digest(self, videos: Sequence[Video], timed: bool) -> str:
        digest = hashlib.sha256()
        for video in videos:
            signs = (sign if timed else sign[:2] for sign in self._signs(video))
            digest.update(ascii((stem(video), *signs)).encode("ascii"))
        return digest.hexdigest()[:10]

    def _files(self, video: Video) -> Path | None:
        """The folder or the one image of a video's masks, if there is either."""
        place = self.folder / to_disk(stem(video))
        image = place.with_name(f"{place.name}.png")
        return place if place.is_dir() else image if image.is_file() else None

    def _signs(self, video: Video) -> Iterator[tuple[str, int, int]]:
        """Name, size and time of change of each file of a video's masks."""
        place = self._files(video)
        if place is None:
            yield self.boxes_sha256 if stem(video) in self.boxes else "", 0, 0
            return
        for path in number_masks(place).values() if place.is_dir() else [place]:
            status = path.stat()
            yield path.name, status.st_size, status.st_mtime_ns


def open_mask_folder(folder: Path) -> MaskFolder:
    """The masks in a folder; raises InputError where it is none, or its boxes cannot be read."""
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder of masks.", LAYOUT)
    path = folder / BOXES
    if not path.exists():
        return MaskFolder(folder, {})
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    text = content.decode("utf-8-sig", "surrogateescape")
    return MaskFolder(folder, parse_boxes(path, text), hashlib.sha256(content).hexdigest())


def parse_boxes(path: Path, text: str) -> dict[str, Array]:
    """Boxes (N, 5) by video; raises InputError that says in which line they are wrong."""
    lines = csv.DictReader(text.splitlines())
    if missing := [name for name in COLUMNS if name not in (lines.fieldnames or ())]:
        raise InputError(f"{path} has no column {', '.join(missing)}.", LAYOUT)
    rows: dict[str, list[list[float]]] = {}
    for line in lines:
        try:
            frame = int(line["frame"]) if (line["frame"] or "").strip() else EVERY_FRAME
            box = [float(line[name]) for name in COLUMNS[2:]]
            if frame < EVERY_FRAME or not all(map(math.isfinite, box)) or min(box[2:]) < 0:
                raise ValueError(f"frame {frame}, box {box}")
        except (TypeError, ValueError) as error:
            raise InputError(
                f"{path}, line {lines.line_num}: not a box ({error}).",
                "Expected a frame number from 0, or none, and x, y, width and height in pixels.",
            ) from error
        rows.setdefault(os.path.splitext(line["video"])[0], []).append([frame, *box])
    return {video: np.array(found, np.float64) for video, found in rows.items()}


def number_masks(folder: Path) -> dict[int, Path]:
    """The masks in a folder by frame number, in its order; raises InputError where that is not told."""
    found: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() != ".png" or path.name.startswith("."):
            continue
        digits = re.findall(r"\d+", path.stem)
        if not digits:
            raise InputError(f"{path} has no number in its name: which frame is it?", LAYOUT)
        if (other := found.setdefault(int(digits[-1]), path)) is not path:
            raise InputError(f"{other} and {path.name} have the same number.", LAYOUT)
    if not found:
        raise InputError(f"{folder} holds no mask (.png).", LAYOUT)
    return dict(sorted(found.items()))


def nearest(numbers: Sequence[int], wanted: int) -> int:
    """Of numbers in rising order the nearest to one, the lesser of two that are equally near."""
    return min(numbers, key=lambda number: (abs(number - wanted), number))


def stem(video: Video) -> str:
    """The id of a video without its suffix."""
    return os.path.splitext(video.id)[0]
