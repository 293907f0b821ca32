"""Groups of videos that are not independent examples: cut from one film, or of one person."""

import re

from fame_cli.data.manifest import Video

UCF101_NAME = re.compile(r"v_([^/]+)_(g\d+)_c\d+", re.IGNORECASE)


def ucf101_group(name: str) -> str:
    """The group in a name of UCF101: "ApplyEyeMakeup g08" of v_ApplyEyeMakeup_g08_c01; "" in other names.

    Groups are numbered within a class: g08 of another class is another film.
    """
    found = UCF101_NAME.search(name)
    return f"{found[1]} {found[2]}" if found else ""


def group_of(video: Video) -> str:
    """The group of a video, from a CSV file or its name; otherwise its own group, named by its id."""
    return video.group or ucf101_group(video.id).casefold() or video.id
