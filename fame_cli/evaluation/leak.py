"""A test on videos that the pretraining saw: refused, or told wherever its figures stand."""

from fame_cli.errors import ConfigurationError
from fame_cli.evaluation.evaluation import Evaluation
from fame_cli.evaluation.results import Result
from fame_cli.evaluation.splits import first_few


def refuse_leak(evaluation: Evaluation, allowed: bool) -> None:
    """Raise ConfigurationError where the pretraining is known to have seen test videos, unless allowed."""
    seen = evaluation.seen
    if not seen or allowed:
        return
    test = len(evaluation.videos.test)
    raise ConfigurationError(
        f"{evaluation.weights.source} was pretrained on {len(seen)} of the {test} test videos: "
        f"{first_few(seen)}.",
        "A test on them tells nothing of unseen videos. Pretrain without them (--split), name "
        "another --test-split, or go on all the same with --allow-leak, and the result will say so.",
    )


def leak_note(result: Result) -> str:
    """What a reader of a result has to know of this, in one sentence; "" where all test videos were new."""
    if result.seen_test_videos is None:
        return "Whether the pretraining saw test videos is not known."
    if result.seen_test_videos:
        return (
            f"Leak: the pretraining saw {result.seen_test_videos} of {result.splits['test']['videos']} test "
            "videos, so these figures tell nothing of unseen ones."
        )
    return ""
