"""Whether results are of the same test, so that their figures may stand side by side."""

from collections.abc import Sequence
from pathlib import Path

from fame_cli.errors import ConfigurationError
from fame_cli.evaluation.results import Result

TEST, TRAINING, CLASSES = "the test", "the number of training videos", "the list of classes"
VIDEOS = "the set of videos"
MASKS = "what is shown of each video"
WHOLE_FRAMES = "whole frames"
SPLIT_OWN = (TEST, TRAINING, VIDEOS)
"""What another official split changes."""


def official_split(result: Result) -> int | None:
    """Number of the official split that a result is of; None where its videos have none."""
    split: int | None = result.splits.get("source", {}).get("split")
    return split


def describe_test(result: Result) -> str:
    """How many videos of which data set and split were tested."""
    source, test = result.splits.get("source", {}), result.splits["test"]
    split = official_split(result)
    share = source.get("hold_out")
    official = f" (split {split})" if split else f" ({share:.0%} held out)" if share else ""
    name = source.get("source", "folder")
    return f"{test['videos']} videos of {name}{official}, split {test['name']!r}"


def decisive(result: Result) -> dict[str, object]:
    """What must be the same in results that are compared, in words: all but seed, weights and device."""
    options = {
        f"--{name.replace('_', '-')}": tuple(value) if isinstance(value, list) else value
        for name, value in sorted(result.configuration.items())
        if name != "seed"
    }
    return {
        TEST: describe_test(result),
        TRAINING: result.splits["train"]["videos"],
        CLASSES: tuple(result.classes),
        VIDEOS: result.splits["content"],
        MASKS: result.keep_only["content"] if result.keep_only else WHOLE_FRAMES,
        **options,
    }


def find_differences(results: Sequence[Result]) -> list[str]:
    """What is not the same in all results."""
    each = [decisive(result) for result in results]
    known = dict.fromkeys(what for one in each for what in one)
    return [what for what in known if any(one.get(what) != each[0].get(what) for one in each)]


def in_a_name(what: str, result: Result) -> str:
    """What a result has of something in which others differ, short enough for a name."""
    if what == CLASSES:
        return f"{len(result.classes)} classes"
    if what == VIDEOS:
        return Path(result.splits["source"].get("root", "")).name or str(result.splits["content"])
    if what == MASKS:
        return f"only {Path(result.keep_only['masks']).name}" if result.keep_only else WHOLE_FRAMES
    value = decisive(result).get(what)
    return str(value) if what == TEST else f"{what.removeprefix('the number of ')} {value}"


def require_comparable(results: Sequence[Result], hint: str, besides: Sequence[str] = ()) -> None:
    """Raise ConfigurationError that names the first thing in which results differ."""
    different = [what for what in find_differences(results) if what not in besides]
    if not different:
        return
    what = different[0]
    values = {
        value: in_a_name(what, one) if what == VIDEOS else value
        for one in results
        for value in (decisive(one).get(what),)
    }
    first, second, *_ = values.values()
    raise ConfigurationError(
        f"the results are not of the same test: {what} is {first!r} in one and {second!r} in another.", hint
    )
