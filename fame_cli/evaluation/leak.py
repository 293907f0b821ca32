"""A test on videos that the pretraining saw, or on others of their groups: refused, or told."""

from fame_cli.errors import ConfigurationError
from fame_cli.evaluation.evaluation import Evaluation
from fame_cli.evaluation.results import Result
from fame_cli.evaluation.splits import first_few


def refuse_leak(evaluation: Evaluation, allowed: bool) -> None:
    """Raise ConfigurationError where the pretraining is known to have seen test videos, unless allowed.

    Or other videos of their groups: clips of one film show one room and the same people.
    """
    seen, related = evaluation.seen, evaluation.related
    if allowed or not (seen or related):
        return
    test, source = len(evaluation.videos.test), evaluation.weights.source
    if seen:
        found = f"{source} was pretrained on {len(seen)} of the {test} test videos: {first_few(seen)}."
    else:
        found = (
            f"{source} was pretrained on videos of the same groups (clips of one film, say) as "
            f"{len(related or ())} of the {test} test videos: {first_few(related or ())}."
        )
    raise ConfigurationError(
        found,
        "A test on them tells nothing of unseen videos. Pretrain without them (--split), name "
        "another --test-split, or --allow-leak to continue anyway; the result will say so.",
    )


def leak_note(result: Result) -> str:
    """What a reader of a result has to know of this, in one sentence; "" where all test videos were new."""
    if result.seen_test_videos is None:
        return "Whether the pretraining saw test videos is not known."
    test = result.splits["test"]["videos"]
    parts = [f"{result.seen_test_videos} of {test} test videos"] if result.seen_test_videos else []
    if result.related_test_videos:
        parts.append(f"videos of the same groups as {result.related_test_videos} of {test} test videos")
    if not parts:
        return ""
    return f"Leak: the pretraining saw {' and '.join(parts)}, so these figures tell nothing of unseen ones."
