"""How much a command says, and where."""

from collections.abc import Sequence
from dataclasses import dataclass

FLAGS = {"-q": "quiet", "--quiet": "quiet", "-v": "verbose", "--verbose": "verbose"}
"""Taken anywhere on the line."""


@dataclass
class Voice:
    """What was asked for on the command line; one for the whole process."""

    quiet: bool = False
    """Results, warnings and errors alone."""
    verbose: bool = False
    """Also what was chosen for the user, such as stores, devices and defaults."""
    as_json: bool = False
    """Standard output belongs to one JSON document; what is said goes to standard error."""

    def reset(self) -> None:
        self.quiet = self.verbose = self.as_json = False

    def take(self, arguments: Sequence[str]) -> list[str]:
        """The arguments without those that say how much is said, which are heeded."""
        words = list(arguments)
        end = words.index("--") if "--" in words else len(words)
        for flag in (word for word in words[:end] if word in FLAGS):
            setattr(self, FLAGS[flag], True)
        return [word for word in words[:end] if word not in FLAGS] + words[end:]


VOICE = Voice()
