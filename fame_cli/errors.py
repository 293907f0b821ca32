"""Every error that a user can see, and the exit code of each.

A message says what is wrong and where; ``hint`` says what to do next. The command line turns both into
one message in one place (``cli/console.py``); nothing else prints errors or exits.
"""

DONE = 0
SOME_INPUTS_FAILED = 1
BUG = 70
INTERRUPTED = 130


class FameError(Exception):
    """Base class of all errors that the user can fix, unlike bugs.

    Usage::

        try:
            store = open_frame_store(work, read_manifest(work))
        except FameError as error:
            print(error.message)  # what is wrong, and where
            print(error.hint)  # what to do next
    """

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        if "Original Traceback (most recent call last)" in message:
            # A loader of torch hands on what was raised in its process as text, traceback and all.
            told = message.rstrip().rpartition(f"{type(self).__name__}: ")[2]
            message, _, hint = told.partition("\n")
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[type["FameError"], tuple[str, str]]:
        # Errors cross process borders in parallel stages; the default would lose ``hint``.
        return type(self), (self.message, self.hint)


class ConfigurationError(FameError):
    """An option, a recipe or a combination of them that cannot be carried out."""

    exit_code = 2


class MachineError(FameError):
    """Something that the machine has no more of, or cannot do; ``fame doctor`` looks at such things."""


class InputError(FameError):
    """The user's data is missing, unreadable or not what was named."""

    exit_code = 3


class ArtefactError(FameError):
    """Something this toolkit wrote is missing, stale, damaged or belongs to something else."""

    exit_code = 4
