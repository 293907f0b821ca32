"""Whether videos allow an evaluation, and what they lack for it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fame_cli.data.manifest import Video

LEFT_OUT = "probe, retrieval and bias report are left out"


def find_obstacle(videos: "Sequence[Video]", test_split: str) -> str:
    """What keeps videos from being evaluated on, with what to do about it; empty where nothing does."""
    labelled = [video for video in videos if video.label]
    if not labelled:
        return (
            f"No video has a label, so {LEFT_OUT}. They need class folders, DATA/class/video.mp4, or "
            "--source and --annotations."
        )
    splits = {video.split for video in labelled}
    if not {"train", test_split} <= splits:
        told = "no split" if splits == {""} else f"split {' and '.join(map(repr, sorted(splits)))} alone"
        return (
            f"There are labelled videos of {told}, so {LEFT_OUT}. They need some to learn from and others to "
            "test on."
        )
    classes = {video.label for video in labelled if video.split == "train"}
    if len(classes) < 2:
        return (
            f"All videos to learn from are of the class {classes.pop()!r}, so {LEFT_OUT}. They need two "
            "classes."
        )
    return ""
