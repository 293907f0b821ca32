"""One thing that was looked at."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "absent", "warning", "problem"]
"""Fine; an optional part that is not installed; works, but slower or less than it might; does not work."""


@dataclass(frozen=True)
class Finding:
    """What was found, and what to do about it."""

    name: str
    state: State
    found: str
    advice: str = ""
    """Empty where all is well."""


def judge(name: str, found: str, advice: str = "", *, wrong: bool, state: State = "warning") -> Finding:
    """A finding with its advice, or without it where nothing is wrong."""
    return Finding(name, state, found, advice) if wrong else Finding(name, "ok", found)
