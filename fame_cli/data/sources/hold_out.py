"""Splits for videos that have none: a share of them is held out to test on."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fame_cli.data.clips import generator_for
from fame_cli.data.group import group_of
from fame_cli.data.sources.check import Indexed, count_splits
from fame_cli.errors import ConfigurationError, InputError

ADDRESS = "hold out"


def hold_out(found: Indexed, share: float) -> Indexed:
    """The same videos, about ``share`` of them in a split "test" and the others in "train".

    Each group of videos (of one film or person; a video without one is a group of its own) draws its side by
    its name. So clips of one film are never on both sides, and videos that are added later move none.

    Raises ConfigurationError where videos have splits already, InputError where one side stays empty.
    """
    if named := sorted({video.split for video in found.videos if video.split}):
        raise ConfigurationError(
            f"--hold-out {share:g} does not go with videos that have splits: {', '.join(named)}.",
            "Leave out --hold-out to use them.",
        )
    videos = tuple(replace(video, split=choose_side(group_of(video), share)) for video in found.videos)
    told = count_splits(video.split for video in videos)
    if len({video.split for video in videos}) < 2:
        groups = len({group_of(video) for video in videos})
        raise InputError(
            f"--hold-out {share:g} leaves one side empty: {told} of {groups} groups.",
            "Each group is drawn by itself: hold out more or less, or add videos.",
        )
    check = replace(found.check, summary=f"{found.check.summary} Held out by --hold-out {share:g}: {told}.")
    return replace(found, source={**found.source, "hold_out": share}, videos=videos, check=check)


def choose_side(group: str, share: float) -> str:
    return "test" if generator_for(0, ADDRESS, group).random() < share else "train"


def describe_hold_out(source: Mapping[str, Any]) -> str:
    """How ``fame extract`` made the splits of a WORK, for whoever reads a figure; "" where it did not."""
    if not (share := source.get("hold_out")):
        return ""
    return (
        f"The splits are no official ones: fame extract --hold-out {share:g} drew about {share:.0%} of the "
        "videos to test on, whole groups where videos come in groups."
    )
