"""A video on its way into a frame store: scaled, encoded as JPEG, and its outcome."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fame_cli.config import ExtractConfig
from fame_cli.data.decode import DecodedVideo, Place, decoder_errors, open_video, resume_video
from fame_cli.data.picture import Frame, Picture, Shape, Size, whole

PICTURES_AT_ONCE = 16
"""Frames decoded and scaled before they are compressed; alternating would slow both down."""
SAME_RATIO = 1.02
"""Aspect ratios that differ by less count as equal: 426x240 and 640x360 differ by 0.2 %."""


class Film:
    """A video on its way into a shard: its frames as JPEG, and its outcome."""

    def __init__(
        self, video: DecodedVideo, config: ExtractConfig, progress: "FilmProgress | None" = None
    ) -> None:
        self.video = video
        self.config = config
        self.stored = 0
        """Number of frames returned so far."""
        self.other_shape: Shape | None = None
        """Shape of the first frame whose shape differs from the first one; no frames follow it."""
        self.size_changed = False
        self.pictures = video.pictures
        if progress:
            self.stored, self.shape, self.size_changed = (
                progress.stored,
                progress.shape,
                progress.size_changed,
            )
            video.notes[:] = progress.notes
        else:
            with decoder_errors():
                first = next(video.pictures)
                self.shape = first.shape
            self.pictures = itertools.chain([first], video.pictures)
        self.stored_size = scaled_size(*self.shape, config.short_side_px)

    @property
    def progress(self) -> "FilmProgress":
        """Its progress between two groups of frames."""
        return FilmProgress(
            self.video.place, self.stored, self.shape, self.size_changed, tuple(self.video.notes)
        )

    def groups(self) -> Iterator[list[Frame]]:
        """Its frames as JPEG, some at a time; raises InputError if the decoder fails."""
        with decoder_errors():
            scaled = (picture.scale(self.stored_size) for picture in self.of_one_shape())
            while group := list(itertools.islice(scaled, PICTURES_AT_ONCE)):
                jpegs = [picture.jpeg(self.config.jpeg_quality) for picture in group]
                self.stored += len(jpegs)
                yield jpegs

    def of_one_shape(self) -> Iterator[Picture]:
        """The pictures up to the first of another shape, which the frame store could only hold distorted.

        A change of size with the same aspect ratio, as in video calls, does not matter.
        """
        size = self.shape
        for picture in self.pictures:
            if picture.shape != size:
                size = picture.shape
                if not same_shape(size, self.shape):
                    self.other_shape = size
                    return
                self.note_size(size)
            yield picture

    def note_size(self, size: Shape) -> None:
        if not self.size_changed:
            self.video.notes.append(f"{in_pixels(size)} from frame {self.video.decoded - 1} on")
        self.size_changed = True

    def outcome(self) -> dict[str, Any]:
        width, height = whole(self.shape)
        outcome: dict[str, Any] = {
            "frames": self.stored,
            "fps": round(self.video.fps, 4),
            "width": width,
            "height": height,
            "stored_width": self.stored_size[0],
            "stored_height": self.stored_size[1],
            "decoder": self.video.reader,
            "decoded_frames": self.video.decoded,
            "declared_frames": self.video.declared_frames,
            "notes": "; ".join(self.video.notes),
        }
        if reason := self.why_partial():
            outcome |= {"status": "partial", "reason": reason}
        return outcome

    def why_partial(self) -> str:
        if self.other_shape:
            return (
                f"from frame {self.video.decoded - 1} on, its shape is {in_pixels(self.other_shape)} instead "
                f"of {in_pixels(self.shape)}: only the frames before are kept"
            )
        if self.video.ended_early:
            return f"only {self.video.decoded} of {self.video.declared_frames} frames decode"
        return ""


@dataclass(frozen=True)
class FilmProgress:
    """The progress of a film, as plain values for a file."""

    place: Place
    stored: int
    shape: Shape
    size_changed: bool
    notes: tuple[str, ...]

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "FilmProgress":
        """The inverse of ``dataclasses.asdict``, after a round trip through JSON."""
        place = values["place"]
        return FilmProgress(
            Place(place["reader"], place["decoded"], tuple(place["times"])),
            values["stored"],
            tuple(values["shape"]),
            values["size_changed"],
            tuple(values["notes"]),
        )


def begin(path: Path, config: ExtractConfig, readers: Sequence[str] | None = None) -> Film:
    return Film(open_video(path, config.max_fps, readers), config)


def go_on(
    path: Path, config: ExtractConfig, progress: FilmProgress, jpegs: Sequence[Frame], *, seek: bool
) -> Film:
    """Resume a film from its progress; its last frames gave these ``jpegs``."""
    size = scaled_size(*progress.shape, config.short_side_px)
    video = resume_video(
        path,
        config.max_fps,
        progress.place,
        jpegs,
        lambda picture: picture.scale(size).jpeg(config.jpeg_quality),
        seek=seek,
    )
    return Film(video, config, progress)


def in_pixels(shape: Shape) -> str:
    return "{}x{}".format(*whole(shape))


def same_shape(one: Shape, other: Shape) -> bool:
    """Whether two sizes have the same aspect ratio, up to rounding to whole pixels."""
    ratio = one[0] / one[1] / (other[0] / other[1])
    return 1 / SAME_RATIO <= ratio <= SAME_RATIO


def scaled_size(width: float, height: float, short_side_px: int) -> Size:
    """(width, height) with the shorter side at ``short_side_px``, same aspect ratio, never enlarged."""
    factor = min(1.0, short_side_px / min(width, height))
    return whole((width * factor, height * factor))
